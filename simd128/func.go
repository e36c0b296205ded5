package simd128

import "fmt"

// Func is a function under construction. It is not safe for concurrent use.
type Func struct {
	m       *Module
	name    string
	params  []Type
	results []Type
	locals  []*local // parameters first
	code    []instr
	export  string
	module  string // of an import
	field   string // of an import
	where   string

	clock       int // counts sets and effects
	lastEffect  int
	effectWhere string
	depth       int     // open blocks
	labels      []Label // open blocks, outermost first
	loop        *loop   // innermost open loop
}

// loop is one loop of a function.
type loop struct{ outer *loop }

// ParamI32 adds a parameter. Parameters come before locals and may be Set.
func (f *Func) ParamI32(name string) I32 { return I32{f.param(TypeI32, name)} }

// ParamI64 adds a parameter.
func (f *Func) ParamI64(name string) I64 { return I64{f.param(TypeI64, name)} }

// ParamF32 adds a parameter.
func (f *Func) ParamF32(name string) F32 { return F32{f.param(TypeF32, name)} }

// ParamF64 adds a parameter.
func (f *Func) ParamF64(name string) F64 { return F64{f.param(TypeF64, name)} }

// ParamV128 adds a parameter. JavaScript and wazero's Go API cannot pass one; other functions can.
func (f *Func) ParamV128(name string) V128 { return V128{f.param(TypeV128, name)} }

func (f *Func) param(t Type, name string) *node {
	if len(f.locals) != len(f.params) {
		f.errorf("parameter %s after a local", name)
	}
	f.params = append(f.params, t)
	return f.read(f.newLocal(t, []string{name}))
}

// Results declares the types of the function's results.
func (f *Func) Results(types ...Type) { f.results = types }

// Export makes the function an export under name.
func (f *Func) Export(name string) { f.export = name }

// Name is the name given to Module.Func.
func (f *Func) Name() string { return f.name }

// Module is the module of f.
func (f *Func) Module() *Module { return f.m }

// newLocal declares a local.
func (f *Func) newLocal(t Type, name []string) *local {
	l := &local{typ: t, index: len(f.locals)}
	l.name = fmt.Sprint(l.index)
	if len(name) > 0 {
		l.name = f.unique(name[0])
	}
	f.locals = append(f.locals, l)
	return l
}

// unique returns name, or name with a number when a local has it already.
func (f *Func) unique(name string) string {
	taken := map[string]bool{}
	for _, l := range f.locals {
		taken[l.name] = true
	}
	out := name
	for i := 1; taken[out]; i++ {
		out = fmt.Sprintf("%s.%d", name, i)
	}
	return out
}

// newVar declares a variable that is zero here. Outside loops a local still has its initial zero.
func (f *Func) newVar(t Type, name []string) *node {
	l := f.newLocal(t, name)
	v := f.read(l)
	if f.loop != nil {
		f.setLocal(l, f.zero(t))
	}
	return v
}

// zero is the constant 0 of type t.
func (f *Func) zero(t Type) *node {
	switch t {
	case TypeI32:
		return f.I32(0).n
	case TypeI64:
		return f.I64(0).n
	case TypeF32:
		return f.F32(0).n
	case TypeF64:
		return f.F64(0).n
	}
	return f.I32x4(0).n
}

// emit appends an instruction.
func (f *Func) emit(i instr) {
	i.depth = f.depth
	f.code = append(f.code, i)
}

// Results are the results of a call, each bound to a local.
type Results struct {
	f     *Func
	nodes []*node
}

// I32 is result i.
func (r Results) I32(i int) I32 { return I32{r.at(i, TypeI32)} }

// I64 is result i.
func (r Results) I64(i int) I64 { return I64{r.at(i, TypeI64)} }

// F32 is result i.
func (r Results) F32(i int) F32 { return F32{r.at(i, TypeF32)} }

// F64 is result i.
func (r Results) F64(i int) F64 { return F64{r.at(i, TypeF64)} }

// V128 is result i.
func (r Results) V128(i int) V128 { return V128{r.at(i, TypeV128)} }

// at returns result i, which must have type t.
func (r Results) at(i int, t Type) *node {
	if i < 0 || i >= len(r.nodes) || r.nodes[i].typ != t {
		r.f.errorf("call has no result %d of type %s", i, t)
		return r.f.zero(t)
	}
	return r.nodes[i]
}

// Call calls g here. Results of g must be declared before.
func (f *Func) Call(g *Func, args ...Value) Results {
	if g.m != f.m {
		f.errorf("call of %s, which belongs to another module", g.name)
	}
	f.pass("call of "+g.name, g.params, args)
	f.emit(instr{op: opCall, callee: g, text: "$" + g.name})
	return f.take(g.results)
}

// CallIndirect calls the function at index of table t with the signature of like, here.
func (f *Func) CallIndirect(t *Table, like Signature, index I32, args ...Value) Results {
	f.pass("call_indirect", like.Params, args)
	f.consume(index.n)
	imm := appendUleb(uleb(uint64(f.m.typeIndex(like))), uint64(t.index))
	f.emit(instr{op: opCallIndirect, imm: imm, text: fmt.Sprintf("%d (type %d)", t.index, f.m.typeIndex(like))})
	return f.take(like.Results)
}

// pass emits args and checks them against types.
func (f *Func) pass(what string, types []Type, args []Value) {
	if len(args) != len(types) {
		f.errorf("%s: %d values, want %d", what, len(args), len(types))
	}
	for i, a := range args {
		if i < len(types) && a.Type() != types[i] {
			f.errorf("%s: value %d is %s, want %s", what, i, a.Type(), types[i])
		}
		f.consume(must(a.node()))
	}
}

// take binds the results of a call to locals.
func (f *Func) take(types []Type) Results {
	f.effect()
	r := Results{f, make([]*node, len(types))}
	for i := len(types) - 1; i >= 0; i-- {
		l := f.newLocal(types[i], nil)
		l.fixed = true
		f.emit(instr{op: opLocalSet, imm: uleb(uint64(l.index)), text: "$" + l.name})
		r.nodes[i] = f.read(l)
	}
	return r
}
