package simd128

// Section ids of the binary format.
const (
	secCustom = 0
	secType   = 1
	secImport = 2
	secFunc   = 3
	secTable  = 4
	secMemory = 5
	secGlobal = 6
	secExport = 7
	secElem   = 9
	secCode   = 10
	secData   = 11
)

// encode writes the binary format.
//
// Source: WebAssembly core specification, 5.5 (modules).
func (m *Module) encode() []byte {
	for _, f := range append(m.imports, m.funcs...) {
		m.typeIndex(f.Signature())
	}
	b := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	for _, s := range []struct {
		id    byte
		count int
		body  func(i int) []byte
	}{
		{secType, len(m.types), func(i int) []byte { return m.types[i].encode() }},
		{secImport, len(m.imports) + btoi(m.memory.imported()), m.encodeImport},
		{secFunc, len(m.funcs), func(i int) []byte { return uleb(uint64(m.typeIndex(m.funcs[i].Signature()))) }},
		{secTable, len(m.tables), func(i int) []byte { return m.tables[i].encode() }},
		{secMemory, btoi(m.memory != nil && !m.memory.imported()), func(int) []byte { return m.memory.limits() }},
		{secGlobal, len(m.globals), func(i int) []byte { return m.globals[i].encode() }},
		{secExport, len(m.allExports()), func(i int) []byte { return m.allExports()[i].encode() }},
		{secElem, len(m.elems()), func(i int) []byte { return m.elems()[i] }},
		{secCode, len(m.funcs), func(i int) []byte { return m.funcs[i].encode() }},
		{secData, len(m.data), func(i int) []byte { return m.data[i].encode() }},
	} {
		b = appendSection(b, s.id, s.count, s.body)
	}
	return appendSized(append(b, secCustom), m.nameSection())
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendSection appends a vector section, unless it is empty.
func appendSection(b []byte, id byte, count int, body func(i int) []byte) []byte {
	if count == 0 {
		return b
	}
	s := uleb(uint64(count))
	for i := range count {
		s = append(s, body(i)...)
	}
	return appendSized(append(b, id), s)
}

// appendSized appends body with its length.
func appendSized(b, body []byte) []byte { return append(appendUleb(b, uint64(len(body))), body...) }

// funcIndex is the index of f in the module's function space: imports first.
func (m *Module) funcIndex(f *Func) int {
	for i, g := range m.imports {
		if g == f {
			return i
		}
	}
	for i, g := range m.funcs {
		if g == f {
			return len(m.imports) + i
		}
	}
	return -1
}

func (s Signature) encode() []byte {
	return append(appendTypes([]byte{0x60}, s.Params), appendTypes(nil, s.Results)...)
}

func appendTypes(b []byte, types []Type) []byte {
	b = appendUleb(b, uint64(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// encodeImport writes import i; the memory comes last.
func (m *Module) encodeImport(i int) []byte {
	if i < len(m.imports) {
		f := m.imports[i]
		b := append(appendName(appendName(nil, f.module), f.field), 0)
		return appendUleb(b, uint64(m.typeIndex(f.Signature())))
	}
	b := append(appendName(appendName(nil, m.memory.module), m.memory.field), 2)
	return append(b, m.memory.limits()...)
}

func (mem *memory) imported() bool { return mem != nil && mem.field != "" }

// limits writes flags (1: maximum, 2: shared), minimum and maximum.
func (mem *memory) limits() []byte {
	flags := byte(btoi(mem.max != 0) | btoi(mem.shared)<<1)
	b := appendUleb([]byte{flags}, uint64(mem.min))
	if mem.max != 0 {
		b = appendUleb(b, uint64(mem.max))
	}
	return b
}

func (t *Table) encode() []byte {
	n := uint64(len(t.funcs))
	return appendUleb(appendUleb([]byte{byte(typeFuncRef), 1}, n), n)
}

func (g *Global) encode() []byte {
	return append(append([]byte{byte(g.typ), 1}, g.init...), 0x0b)
}

func (e export) encode() []byte {
	return appendUleb(append(appendName(nil, e.name), e.kind), uint64(e.index))
}

func (s segment) encode() []byte {
	b := append(appendSleb([]byte{0, 0x41}, int64(int32(s.offset))), 0x0b)
	return appendSized(b, s.bytes)
}

// elems writes one active element segment for every run of entries in a table.
func (m *Module) elems() (out [][]byte) {
	for _, t := range m.tables {
		for i := 0; i < len(t.funcs); i++ {
			start := i
			for i < len(t.funcs) && t.funcs[i] != nil {
				i++
			}
			if i > start {
				out = append(out, m.elem(t, start, i))
			}
		}
	}
	return out
}

// elem writes entries start..end of t: table index, offset, kind funcref, functions.
func (m *Module) elem(t *Table, start, end int) []byte {
	b := appendUleb([]byte{2}, uint64(t.index))
	b = append(appendSleb(append(b, 0x41), int64(start)), 0x0b, 0)
	b = appendUleb(b, uint64(end-start))
	for _, f := range t.funcs[start:end] {
		b = appendUleb(b, uint64(m.funcIndex(f)))
	}
	return b
}

// encode writes the function's locals and code.
func (f *Func) encode() []byte {
	b := f.encodeLocals()
	for _, i := range f.code {
		b = append(i.op.encode(b), i.imm...)
		if i.callee != nil {
			b = appendUleb(b, uint64(f.m.funcIndex(i.callee)))
		}
	}
	return appendSized(nil, append(b, 0x0b))
}

// encodeLocals writes runs of equal types.
func (f *Func) encodeLocals() []byte {
	var runs []byte
	n := 0
	ls := f.locals[len(f.params):]
	for i := 0; i < len(ls); n++ {
		start := i
		for i < len(ls) && ls[i].typ == ls[start].typ {
			i++
		}
		runs = append(appendUleb(runs, uint64(i-start)), byte(ls[start].typ))
	}
	return append(uleb(uint64(n)), runs...)
}

// nameSection writes the names of module and functions, which profilers show.
//
// Source: WebAssembly core specification, appendix 7.4.1 (name section).
func (m *Module) nameSection() []byte {
	b := appendName(nil, "name")
	b = appendSized(append(b, 0), appendName(nil, m.Name))
	names := uleb(uint64(len(m.imports) + len(m.funcs)))
	for i, f := range append(append([]*Func(nil), m.imports...), m.funcs...) {
		names = appendName(appendUleb(names, uint64(i)), f.name)
	}
	return appendSized(append(b, 1), names)
}
