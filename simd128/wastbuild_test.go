package simd128

import (
	"fmt"
	"strconv"
	"strings"
)

// unsupported is the panic with which the test compiler leaves a function that needs more than it knows.
type unsupported string

// wastModule is a module of a .wast file, compiled with this package's builder.
type wastModule struct {
	m       *Module
	globals map[string]*Global
	funcs   map[string]*Func
	failed  map[string]string // export: why it was not compiled
	used    map[string]bool   // instructions used
}

// compileModule builds the fields of (module …).
func compileModule(s sexp) (w *wastModule, err error) {
	defer func() {
		if u, ok := recover().(unsupported); ok {
			err = fmt.Errorf("%s", string(u))
		}
	}()
	w = &wastModule{&Module{Relaxed: true}, map[string]*Global{}, map[string]*Func{}, map[string]string{}, map[string]bool{}}
	for _, field := range s.list[1:] {
		if field.atom == "binary" || field.atom == "quote" {
			panic(unsupported("module " + field.atom))
		}
		switch field.head() {
		case "memory":
			w.memory(field)
		case "data":
			w.data(field)
		case "global":
			w.global(field)
		case "":
		case "func", "type", "table", "elem":
		default:
			panic(unsupported("field " + field.head()))
		}
	}
	for _, field := range s.list[1:] {
		if field.head() == "func" {
			w.function(field)
		}
	}
	return w, nil
}

func (w *wastModule) memory(s sexp) {
	args := s.list[1:]
	if len(args) == 0 || args[0].isList && args[0].head() != "data" {
		panic(unsupported("memory"))
	}
	if args[0].isList {
		bytes := unescapeAll(args[0].list[1:])
		w.m.Memory("", Pages{Min: uint32(len(bytes)+65535) / 65536})
		w.m.Data(0, bytes)
		return
	}
	if strings.HasPrefix(args[0].atom, "$") {
		panic(unsupported("named memory"))
	}
	w.m.Memory("", Pages{Min: uint32(parseInt(args[0].atom, 32))})
}

func unescapeAll(s []sexp) (b []byte) {
	for _, x := range s {
		b = append(b, unescape(x.atom)...)
	}
	return b
}

func (w *wastModule) data(s sexp) {
	at := s.list[1]
	if at.head() == "offset" {
		at = at.list[1]
	}
	if !at.isList || at.head() != "i32.const" {
		panic(unsupported("data"))
	}
	w.m.Data(uint32(parseInt(at.list[1].atom, 32)), unescapeAll(s.list[2:]))
}

// global compiles (global $name (mut v128) (v128.const …)), all v128 in these tests.
func (w *wastModule) global(s sexp) {
	name, rest := s.list[1].atom, s.list[2:]
	if !strings.HasPrefix(name, "$") || len(rest) != 2 || rest[1].head() != "v128.const" {
		panic(unsupported("global"))
	}
	g := w.m.GlobalV128(name)
	var b []byte
	for _, x := range pack(lanesOfConst(rest[1])) {
		b = append(b, le(x, 8)...)
	}
	g.init = append([]byte{0xfd, 12}, b...)
	w.globals[name] = g
}

// wastFunc is the state of one function's compilation.
type wastFunc struct {
	*wastModule
	f      *Func
	locals map[string]*node
	n      int
}

// function compiles (func $name (export "x") (param …) (result …) (local …) body).
func (w *wastModule) function(s sexp) {
	c := &wastFunc{wastModule: w, f: w.m.Func("f" + strconv.Itoa(len(w.m.funcs))), locals: map[string]*node{}}
	export := ""
	defer func() {
		if r := recover(); r != nil {
			u, ok := r.(unsupported)
			if !ok {
				panic(r)
			}
			w.failed[export] = string(u)
			w.m.funcs = w.m.funcs[:len(w.m.funcs)-1]
		}
	}()
	var body []sexp
	var results []Type
	for _, x := range s.list[1:] {
		switch {
		case strings.HasPrefix(x.atom, "$") && !x.isList:
			w.funcs[x.atom] = c.f
		case x.head() == "export":
			export = x.list[1].atom
		case x.head() == "param":
			c.declare(x.list[1:], c.f.param)
		case x.head() == "local":
			c.declare(x.list[1:], func(t Type, name string) *node { return c.f.newVar(t, []string{name}) })
		case x.head() == "result":
			for _, t := range x.list[1:] {
				results = append(results, wastType(t.atom))
			}
		default:
			body = append(body, x)
		}
	}
	c.f.Results(results...)
	c.f.Export(export)
	c.body(body, len(results))
}

// declare adds params or locals, named or not.
func (c *wastFunc) declare(words []sexp, add func(Type, string) *node) {
	name := strconv.Itoa(c.n)
	for _, x := range words {
		if strings.HasPrefix(x.atom, "$") {
			name = x.atom
			continue
		}
		n := add(wastType(x.atom), name)
		c.locals[name], c.locals[strconv.Itoa(c.n)] = n, n
		c.n++
		name = strconv.Itoa(c.n)
	}
}

func wastType(s string) Type {
	t, ok := map[string]Type{"i32": TypeI32, "i64": TypeI64, "f32": TypeF32, "f64": TypeF64, "v128": TypeV128}[s]
	if !ok {
		panic(unsupported("type " + s))
	}
	return t
}

// body compiles statements; the last one gives the result when there is one.
func (c *wastFunc) body(body []sexp, results int) {
	for i, x := range body {
		if !x.isList {
			panic(unsupported("unfolded " + x.atom))
		}
		if results == 1 && i == len(body)-1 {
			if x.head() != "return" {
				c.f.Return(value(c.expr(x)))
				continue
			}
		}
		c.statement(x)
	}
	if results > 1 || results == 1 && len(body) == 0 {
		panic(unsupported("results"))
	}
}

// value wraps a node in the Go type of its Type.
func value(n *node) Value {
	switch n.typ {
	case TypeI32:
		return I32{n}
	case TypeI64:
		return I64{n}
	case TypeF32:
		return F32{n}
	case TypeF64:
		return F64{n}
	}
	return V128{n}
}

func (c *wastFunc) statement(x sexp) {
	switch x.head() {
	case "nop":
	case "call":
		g := c.funcs[x.list[1].atom]
		if g == nil || len(g.results) != 0 {
			panic(unsupported("call"))
		}
		c.f.Call(g, c.args(x.list[2:])...)
	case "drop":
		c.expr(x.list[1]).let(nil)
	case "local.set":
		c.local(x.list[1].atom).set(c.expr(x.list[2]))
	case "global.set":
		c.f.SetGlobal(c.global1(x), value(c.expr(x.list[2])))
	case "return":
		c.f.Return(value(c.expr(x.list[1])))
	default:
		if o := opOf[x.head()]; o == nil || o.result != 0 {
			panic(unsupported(x.head()))
		}
		c.op(x)
	}
}

func (c *wastFunc) local(name string) *node {
	n := c.locals[name]
	if n == nil {
		panic(unsupported("local " + name))
	}
	return n
}

func (c *wastFunc) global1(x sexp) *Global {
	g := c.globals[x.list[1].atom]
	if g == nil {
		panic(unsupported("global"))
	}
	return g
}

func (c *wastFunc) expr(x sexp) *node {
	switch x.head() {
	case "local.get":
		return c.local(x.list[1].atom)
	case "global.get":
		return GetGlobal[V128](c.f, c.global1(x)).n
	case "i32.const":
		return c.f.I32(int32(parseInt(x.list[1].atom, 32))).n
	case "i64.const":
		return c.f.I64(int64(parseInt(x.list[1].atom, 64))).n
	case "f32.const":
		return c.f.F32Bits(uint32(parseFloat(x.list[1].atom, 32))).n
	case "f64.const":
		return c.f.F64Bits(parseFloat(x.list[1].atom, 64)).n
	case "v128.const":
		return c.vector(x)
	case "call":
		return c.call(x)
	case "select":
		if len(x.list) != 4 || x.list[1].head() == "result" {
			panic(unsupported("typed select"))
		}
		a, b, cond := c.expr(x.list[1]), c.expr(x.list[2]), c.expr(x.list[3])
		c.used["select"] = true
		return c.sel(I32{cond}, a, b)
	}
	if o := opOf[x.head()]; o == nil || o.result == 0 {
		panic(unsupported(x.head()))
	}
	return c.op(x).node()
}

func (c *wastFunc) sel(cond I32, a, b *node) *node {
	switch a.typ {
	case TypeV128:
		return Select(cond, V128{a}, V128{b}).n
	case TypeI32:
		return Select(cond, I32{a}, I32{b}).n
	}
	panic(unsupported("select type"))
}

func (c *wastFunc) call(x sexp) *node {
	g := c.funcs[x.list[1].atom]
	if g == nil || len(g.results) != 1 {
		panic(unsupported("call"))
	}
	return c.f.Call(g, c.args(x.list[2:])...).nodes[0]
}

func (c *wastFunc) args(list []sexp) (args []Value) {
	for _, a := range list {
		args = append(args, value(c.expr(a)))
	}
	return args
}

// vector makes a v128.const through the constructor of its shape.
func (c *wastFunc) vector(x sexp) *node {
	lanes := lanesOfConst(x)
	switch x.list[1].atom {
	case "i8x16":
		return c.f.I8x16(ints[int8](lanes)...).n
	case "i16x8":
		return c.f.I16x8(ints[int16](lanes)...).n
	case "i32x4":
		return c.f.I32x4(ints[int32](lanes)...).n
	case "i64x2":
		return c.f.I64x2(ints[int64](lanes)...).n
	}
	var b [16]byte
	for i, l := range lanes {
		copy(b[i*l.size/8:], le(l.bits, l.size/8))
	}
	return c.f.V128(b).n
}

func ints[T int8 | int16 | int32 | int64](lanes []laneWant) (out []T) {
	for _, l := range lanes {
		out = append(out, T(l.bits))
	}
	return out
}

// op compiles an instruction of the table: immediates, then operands.
func (c *wastFunc) op(x sexp) Value {
	o := opOf[x.head()]
	var lanes, align []int
	offset := 0
	var args []*node
	for _, p := range x.list[1:] {
		switch {
		case p.isList:
			args = append(args, c.expr(p))
		case strings.HasPrefix(p.atom, "offset="):
			offset = int(parseInt(p.atom[7:], 40))
		case strings.HasPrefix(p.atom, "align="):
			align = append(align, int(parseInt(p.atom[6:], 32)))
		case p.atom[0] >= '0' && p.atom[0] <= '9':
			lanes = append(lanes, int(parseInt(p.atom, 32)))
		default:
			panic(unsupported("immediate " + p.atom))
		}
	}
	imm := lanes
	if o.mem > 0 {
		imm = append(append([]int{offset}, lanes...), align...)
	}
	if want := operands[x.head()]; len(args) != want {
		panic(unsupported("unfolded operands"))
	}
	c.used[o.name] = true
	return methodOf[o.name](args, imm)
}
