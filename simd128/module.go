package simd128

import (
	"errors"
	"fmt"
)

// Module is a WebAssembly module under construction. The zero value is an empty module, ready for use;
// it is not safe for concurrent use.
type Module struct {
	// Relaxed permits relaxed SIMD instructions. Helpers read it to choose between the two flavours of a kernel.
	Relaxed bool
	// Name goes into the name section.
	Name string

	types      []Signature
	imports    []*Func
	funcs      []*Func
	tables     []*Table
	memory     *memory
	globals    []*Global
	exports    []export
	data       []segment
	errs       []error
	labelCount int
}

// Signature is the type of a function.
type Signature struct{ Params, Results []Type }

// memory is the module's only memory.
type memory struct {
	module, field string // of an import
	export        string
	min, max      uint32 // pages
	shared        bool
}

// export is an exported table or global.
type export struct {
	name  string
	kind  byte
	index int
}

// segment is bytes copied to memory when the module is instantiated.
type segment struct {
	offset uint32
	bytes  []byte
}

// Pages are the limits of a memory in 64 KiB pages. Max 0 means no maximum.
type Pages struct {
	Min, Max uint32
	Shared   bool // for threads; needs a maximum
}

// ImportMemory makes the module use an imported memory.
func (m *Module) ImportMemory(module, field string, p Pages) {
	m.setMemory(&memory{module: module, field: field, min: p.Min, max: p.Max, shared: p.Shared})
}

// Memory gives the module its own memory, exported under name unless that is empty.
func (m *Module) Memory(exportName string, p Pages) {
	m.setMemory(&memory{export: exportName, min: p.Min, max: p.Max, shared: p.Shared})
}

func (m *Module) setMemory(mem *memory) {
	switch {
	case m.memory != nil:
		m.errorf("second memory")
	case mem.shared && mem.max == 0:
		m.errorf("shared memory without a maximum")
	case mem.max != 0 && mem.max < mem.min:
		m.errorf("memory of at least %d and at most %d pages", mem.min, mem.max)
	case mem.min > 65536 || mem.max > 65536:
		m.errorf("memory of more than 65536 pages")
	}
	m.memory = mem
}

// Func starts a function. It is private until Export.
func (m *Module) Func(name string) *Func {
	f := &Func{m: m, name: name, where: where()}
	m.funcs = append(m.funcs, f)
	return f
}

// ImportFunc declares a function that the host or another module gives.
func (m *Module) ImportFunc(module, field string, s Signature) *Func {
	f := &Func{m: m, name: field, module: module, field: field, params: s.Params, results: s.Results}
	m.imports = append(m.imports, f)
	return f
}

// typeIndex returns the index of s in the type section, adding it when new.
func (m *Module) typeIndex(s Signature) int {
	key := fmt.Sprint(s.Params, s.Results)
	for i, t := range m.types {
		if fmt.Sprint(t.Params, t.Results) == key {
			return i
		}
	}
	m.types = append(m.types, s)
	return len(m.types) - 1
}

// Signature is the type of f.
func (f *Func) Signature() Signature { return Signature{f.params, f.results} }

// Table is a table of functions for CallIndirect.
type Table struct {
	index int
	funcs []*Func
}

// Table makes a table whose entry i is funcs[i]; nil entries trap when called.
func (m *Module) Table(funcs ...*Func) *Table {
	t := &Table{len(m.tables), funcs}
	m.tables = append(m.tables, t)
	for _, f := range funcs {
		if f != nil && f.m != m {
			m.errorf("table: %s belongs to another module", f.name)
		}
	}
	return t
}

// ExportTable makes t an export.
func (m *Module) ExportTable(name string, t *Table) {
	m.exports = append(m.exports, export{name, 1, t.index})
}

// Global is a mutable global variable.
type Global struct {
	index int
	name  string
	typ   Type
	init  []byte
}

// GlobalI32 makes a global.
func (m *Module) GlobalI32(name string, init int32) *Global {
	return m.global(name, TypeI32, appendSleb([]byte{0x41}, int64(init)))
}

// GlobalI64 makes a global.
func (m *Module) GlobalI64(name string, init int64) *Global {
	return m.global(name, TypeI64, appendSleb([]byte{0x42}, init))
}

// GlobalF32 makes a global, zero at first.
func (m *Module) GlobalF32(name string) *Global {
	return m.global(name, TypeF32, append([]byte{0x43}, make([]byte, 4)...))
}

// GlobalF64 makes a global, zero at first.
func (m *Module) GlobalF64(name string) *Global {
	return m.global(name, TypeF64, append([]byte{0x44}, make([]byte, 8)...))
}

// GlobalV128 makes a global, zero at first.
func (m *Module) GlobalV128(name string) *Global {
	return m.global(name, TypeV128, append([]byte{0xfd, 12}, make([]byte, 16)...))
}

func (m *Module) global(name string, t Type, init []byte) *Global {
	g := &Global{len(m.globals), name, t, init}
	m.globals = append(m.globals, g)
	return g
}

// ExportGlobal makes g an export under its name.
func (m *Module) ExportGlobal(g *Global) {
	m.exports = append(m.exports, export{g.name, 3, g.index})
}

// GetGlobal reads g, whose type must be T: GetGlobal[I32](f, g).
func GetGlobal[T typed](f *Func, g *Global) T {
	var zero T
	if zero.Type() != g.typ {
		f.errorf("global %s is %s, not %s", g.name, g.typ, zero.Type())
	}
	n := f.newNode(instr{op: opGlobalGet, imm: uleb(uint64(g.index)), text: "$" + g.name}, g.typ)
	n.reads = true
	return T(struct{ n *node }{n})
}

// SetGlobal assigns v to g here.
func (f *Func) SetGlobal(g *Global, v Value) {
	if v.Type() != g.typ {
		f.errorf("global %s is %s, not %s", g.name, g.typ, v.Type())
	}
	f.consume(must(v.node()))
	f.emit(instr{op: opGlobalSet, imm: uleb(uint64(g.index)), text: "$" + g.name})
	f.effect()
}

// Data puts bytes into memory at offset when the module is instantiated.
func (m *Module) Data(offset uint32, bytes []byte) {
	m.data = append(m.data, segment{offset, bytes})
}

// Build returns the module's binary, or every mistake made while building it, each with its file and line.
func (m *Module) Build() ([]byte, error) {
	errs := append([]error(nil), m.errs...)
	for _, f := range m.funcs {
		if err := f.checkEnd(); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, m.checkNames()...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("simd128: %d errors:\n%w", len(errs), errors.Join(errs...))
	}
	return m.encode(), nil
}

// checkEnd reports a function with results whose end can be reached.
func (f *Func) checkEnd() error {
	if len(f.results) == 0 {
		return nil
	}
	if n := len(f.code); n > 0 {
		switch f.code[n-1].op {
		case opReturn, opUnreachable, opBr:
			return nil
		}
	}
	return fmt.Errorf("%s: %s: missing Return at the end", f.where, f.name)
}

// checkNames reports exports that share a name.
func (m *Module) checkNames() (errs []error) {
	seen := map[string]bool{}
	for _, e := range m.allExports() {
		if seen[e.name] {
			errs = append(errs, fmt.Errorf("two exports named %q", e.name))
		}
		seen[e.name] = true
	}
	return errs
}

// allExports lists functions, memory, tables and globals.
func (m *Module) allExports() []export {
	var out []export
	for i, f := range m.funcs {
		if f.export != "" {
			out = append(out, export{f.export, 0, len(m.imports) + i})
		}
	}
	if m.memory != nil && m.memory.export != "" {
		out = append(out, export{m.memory.export, 2, 0})
	}
	return append(out, m.exports...)
}
