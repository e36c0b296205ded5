package simd128

import (
	"fmt"
	"strings"
)

// Listing returns the function as text: its signature, its locals and one instruction a line, named as in the
// WebAssembly text format. It is the same for the same program, so that tests can keep it.
func (f *Func) Listing() string {
	var b strings.Builder
	fmt.Fprintf(&b, "func $%s", f.name)
	if f.export != "" {
		fmt.Fprintf(&b, " (export %q)", f.export)
	}
	for _, l := range f.locals[:len(f.params)] {
		fmt.Fprintf(&b, " (param $%s %s)", l.name, l.typ)
	}
	for _, t := range f.results {
		fmt.Fprintf(&b, " (result %s)", t)
	}
	b.WriteByte('\n')
	for _, l := range f.locals[len(f.params):] {
		fmt.Fprintf(&b, "  local $%s %s\n", l.name, l.typ)
	}
	for _, i := range f.code {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", i.depth+1), i)
	}
	return b.String()
}

// String is the instruction as a listing shows it.
func (i instr) String() string {
	return strings.TrimSpace(i.op.name + " " + strings.TrimSpace(i.text))
}

// Listing returns the whole module as text.
func (m *Module) Listing() string {
	var b strings.Builder
	for _, f := range m.imports {
		fmt.Fprintf(&b, "import %q %q func %v -> %v\n", f.module, f.field, f.params, f.results)
	}
	if mem := m.memory; mem != nil {
		fmt.Fprintf(&b, "memory %d..%d shared=%v import=%q %q export=%q\n", mem.min, mem.max, mem.shared, mem.module, mem.field, mem.export)
	}
	for _, g := range m.globals {
		fmt.Fprintf(&b, "global $%s %s\n", g.name, g.typ)
	}
	for _, t := range m.tables {
		fmt.Fprintf(&b, "table %d %s\n", t.index, t.names())
	}
	for _, s := range m.data {
		fmt.Fprintf(&b, "data %d: %x\n", s.offset, s.bytes)
	}
	for _, f := range m.funcs {
		b.WriteString("\n" + f.Listing())
	}
	return b.String()
}

// names lists a table's functions.
func (t *Table) names() string {
	var words []string
	for _, f := range t.funcs {
		if f == nil {
			words = append(words, "-")
			continue
		}
		words = append(words, "$"+f.name)
	}
	return strings.Join(words, " ")
}
