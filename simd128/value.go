package simd128

import "fmt"

// Type is a WebAssembly value type, in its binary encoding.
type Type byte

// The value types.
const (
	TypeI32     Type = 0x7f
	TypeI64     Type = 0x7e
	TypeF32     Type = 0x7d
	TypeF64     Type = 0x7c
	TypeV128    Type = 0x7b
	typeFuncRef Type = 0x70
)

// String returns the specification's name of t.
func (t Type) String() string {
	switch t {
	case TypeI32:
		return "i32"
	case TypeI64:
		return "i64"
	case TypeF32:
		return "f32"
	case TypeF64:
		return "f64"
	case TypeV128:
		return "v128"
	case typeFuncRef:
		return "funcref"
	}
	return fmt.Sprintf("type(%#x)", byte(t))
}

// Value is any typed value: I32, I64, F32, F64, V128 or a view of a vector.
type Value interface {
	Type() Type
	node() *node
}

// Vector is V128 or one of its views.
type Vector interface {
	Value
	AsV128() V128
}

// typed is satisfied by every Go type of values; it lets generic functions make one from a node.
type typed interface {
	Value
	~struct{ n *node }
}

// nodeKind says what a node may be used for.
type nodeKind uint8

const (
	kindExpr  nodeKind = iota // computed where it is consumed, once
	kindConst                 // may be used any number of times
	kindLocal                 // may be used any number of times
)

// A node is an expression: an instruction and its operands. It becomes instructions when a statement consumes it.
//
// Laziness is what makes the code good and what could make it wrong, so a node remembers when and where it
// was built; see (*Func).consume for the laws.
type node struct {
	f      *Func
	kind   nodeKind
	ins    instr
	typ    Type
	args   []*node
	reads  bool // depends on memory, a global or another effect
	local  *local
	birth  int   // f.clock when built
	loop   *loop // innermost loop when built
	taken  bool  // already part of a tree or a statement
	origin string
}

// local is a parameter or a local variable.
type local struct {
	name     string
	typ      Type
	index    int
	fixed    bool // a Let
	lastSet  int  // f.clock of the latest Set
	setWhere string
}

// apply makes the node for op over args.
func apply(o *op, args ...*node) *node { return applyImm(o, nil, "", args...) }

// applyImm is apply for an instruction with immediate bytes; text is their form in a listing.
func applyImm(o *op, imm []byte, text string, args ...*node) *node {
	for _, a := range args {
		if a == nil {
			panic("simd128: " + o.name + ": operand is the zero Value, not one made by a Func")
		}
	}
	f := args[0].f
	n := f.newNode(instr{op: o, imm: imm, text: text}, o.result)
	n.reads = o.mem > 0
	n.args = args
	if o.relaxed() && !f.m.Relaxed {
		f.errorf("%s: relaxed instruction in a baseline module (set Module.Relaxed)", o.name)
	}
	for _, a := range args {
		f.adopt(n, a)
	}
	return n
}

// adopt makes a part of the tree n.
func (f *Func) adopt(n, a *node) {
	switch {
	case a.f != f:
		f.errorf("%s: operand belongs to function %s", n.ins.op.name, a.f.name)
	case a.taken:
		f.errorf("%s: operand built at %s is used twice: bind it with Let", n.ins.op.name, a.origin)
	}
	a.taken = a.kind == kindExpr
}

// newNode returns a fresh expression of f.
func (f *Func) newNode(ins instr, t Type) *node {
	return &node{f: f, ins: ins, typ: t, birth: f.clock, loop: f.loop, origin: where()}
}

// let emits n into a new local that is never set again.
func (n *node) let(name []string) *node {
	l := n.f.newLocal(n.typ, name)
	l.fixed = true
	n.f.setLocal(l, n)
	return n.f.read(l)
}

// set emits x into the variable n.
func (n *node) set(x *node) {
	f := n.f
	switch {
	case n.local == nil:
		f.errorf("Set of an expression: only a variable (Var, parameter) can be set")
		return
	case n.local.fixed:
		f.errorf("Set of %s, which Let bound once: use a Var", n.local.name)
		return
	case x == nil:
		panic("simd128: Set to the zero Value")
	}
	f.setLocal(n.local, x)
}

// setLocal emits x and stores it in l.
func (f *Func) setLocal(l *local, x *node) {
	f.consume(x)
	f.emit(instr{op: opLocalSet, imm: uleb(uint64(l.index)), text: "$" + l.name})
	f.clock++
	l.lastSet, l.setWhere = f.clock, where()
}

// read returns the value of l.
func (f *Func) read(l *local) *node {
	n := f.newNode(instr{op: opLocalGet, imm: uleb(uint64(l.index)), text: "$" + l.name}, l.typ)
	n.kind, n.local = kindLocal, l
	return n
}

// consume emits the instructions of the tree n, which leaves its value on the stack.
//
// A tree is computed here, not where it was built. That is the same thing unless, in between, a variable it reads
// was set, memory it reads was written, or a loop was entered: each is an error which Let, placed where
// the value is meant to be computed, resolves.
func (f *Func) consume(n *node) {
	if n.f != f {
		f.errorf("value built at %s belongs to function %s", n.origin, n.f.name)
		return
	}
	if n.taken {
		f.errorf("value built at %s is used twice: bind it with Let", n.origin)
	}
	n.taken = n.kind == kindExpr
	f.emitTree(n)
}

// emitTree emits n after its operands and checks the laws of consume.
func (f *Func) emitTree(n *node) {
	if n.kind == kindExpr {
		f.checkTiming(n)
	}
	for _, a := range n.args {
		f.emitTree(a)
	}
	f.emit(n.ins)
}

// checkTiming reports when computing n now differs from computing it where it was built.
func (f *Func) checkTiming(n *node) {
	if n.loop != f.loop {
		f.errorf("%s built at %s is used inside another loop: bind it with Let", n.ins.op.name, n.origin)
	}
	if n.reads && n.birth < f.lastEffect {
		f.errorf("%s built at %s is used after the memory effect at %s: bind it with Let", n.ins.op.name, n.origin, f.effectWhere)
	}
	for _, a := range n.args {
		if a.local != nil && n.birth < a.local.lastSet {
			f.errorf("%s built at %s is used after %s was set at %s: bind it with Let",
				n.ins.op.name, n.origin, a.local.name, a.local.setWhere)
		}
	}
}

// effect notes that memory or another state changed here.
func (f *Func) effect() {
	f.clock++
	f.lastEffect, f.effectWhere = f.clock, where()
}

// Select returns a where cond is not zero, else b (instruction select). Both are computed.
func Select[T typed](cond I32, a, b T) T {
	o := *opSelect
	o.result = a.Type()
	return T(struct{ n *node }{apply(&o, a.node(), b.node(), cond.n)})
}
