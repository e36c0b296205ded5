package simd128

import (
	"fmt"
	"math/bits"
)

// memarg encodes offset and alignment (bytes; the natural one unless given) of an access by o.
func (f *Func) memarg(o *op, offset int, align []int) (imm []byte, text string) {
	a := o.mem
	if len(align) > 0 {
		a = align[0]
	}
	if offset < 0 || int64(offset) > 1<<32-1 {
		f.errorf("%s: offset %d outside 0..2³²-1", o.name, offset)
		offset = 0
	}
	if a < 1 || a > o.mem || a&(a-1) != 0 || len(align) > 1 {
		f.errorf("%s: alignment %v: want one power of two up to %d", o.name, align, o.mem)
		a = o.mem
	}
	if f.m.memory == nil {
		f.errorf("%s: the module has no memory", o.name)
	}
	if offset != 0 {
		text = fmt.Sprintf("offset=%d", offset)
	}
	if a != o.mem {
		text += fmt.Sprintf(" align=%d", a)
	}
	imm = uleb(uint64(bits.TrailingZeros(uint(a))))
	return appendUleb(imm, uint64(offset)), text
}

// load makes the expression of a load.
func load(o *op, addr *node, offset int, align []int) *node {
	imm, text := must(addr).f.memarg(o, offset, align)
	return applyImm(o, imm, text, addr)
}

// access emits an access that has an effect, here. args[0] is the address.
func access(o *op, offset int, align []int, args ...*node) *node {
	f := must(args[0]).f
	imm, text := f.memarg(o, offset, align)
	return f.perform(applyImm(o, imm, text, args...))
}

// accessLane is load or access of one lane of a vector.
func accessLane(o *op, offset int, align []int, lane, lanes int, args ...*node) *node {
	f := must(args[0]).f
	f.checkLane(o, lane, lanes)
	imm, text := f.memarg(o, offset, align)
	n := applyImm(o, append(imm, byte(lane)), fmt.Sprintf("%s %d", text, lane), args...)
	if o.result == 0 {
		return f.perform(n)
	}
	return n
}

// must returns n, and panics when it is the node of a zero Value.
func must(n *node) *node {
	if n == nil {
		panic("simd128: operation on the zero Value, not one made by a Func")
	}
	return n
}

// perform emits n here because it has an effect, and returns its result bound to a local.
func (f *Func) perform(n *node) *node {
	f.consume(n)
	f.effect()
	if n.typ == 0 {
		return nil
	}
	l := f.newLocal(n.typ, nil)
	l.fixed = true
	f.emit(instr{op: opLocalSet, imm: uleb(uint64(l.index)), text: "$" + l.name})
	return f.read(l)
}

// laneOp makes an instruction with a lane immediate.
func laneOp(o *op, lane, lanes int, args ...*node) *node {
	must(args[0]).f.checkLane(o, lane, lanes)
	return applyImm(o, []byte{byte(lane)}, fmt.Sprint(lane), args...)
}

func (f *Func) checkLane(o *op, lane, lanes int) {
	if lane < 0 || lane >= lanes {
		f.errorf("%s: lane %d outside 0..%d", o.name, lane, lanes-1)
	}
}

// shuffle makes i8x16.shuffle.
func shuffle(o *op, lanes [16]byte, args ...*node) *node {
	text := ""
	for i, l := range lanes {
		must(args[0]).f.checkLane(o, int(l), 32)
		if i > 0 {
			text += " "
		}
		text += fmt.Sprint(l)
	}
	return applyImm(o, lanes[:], text, args...)
}

// Store stores v at x+offset with the store instruction of its type (i32.store … v128.store).
func (x I32) Store(offset int, v Value, align ...int) {
	o := opV128Store
	switch v.Type() {
	case TypeI32:
		o = opI32Store
	case TypeI64:
		o = opI64Store
	case TypeF32:
		o = opF32Store
	case TypeF64:
		o = opF64Store
	}
	access(o, offset, align, x.n, v.node())
}

// MemorySize is memory.size: pages of 64 KiB.
func (f *Func) MemorySize() I32 {
	n := f.newNode(instr{op: opMemorySize, imm: []byte{0}}, TypeI32)
	n.reads = true
	return I32{n}
}

// MemoryGrow is memory.grow: the old size in pages, or -1.
func (f *Func) MemoryGrow(pages I32) I32 {
	o := *opMemoryGrow
	o.result = TypeI32
	return I32{f.perform(applyImm(&o, []byte{0}, "", pages.n))}
}

// MemoryFill is memory.fill: n bytes at dst become the low byte of value.
func (f *Func) MemoryFill(dst, value, n I32) {
	f.perform(applyImm(opMemoryFill, []byte{0}, "", dst.n, value.n, n.n))
}

// MemoryCopy is memory.copy: n bytes from src to dst, which may overlap.
func (f *Func) MemoryCopy(dst, src, n I32) {
	f.perform(applyImm(opMemoryCopy, []byte{0, 0}, "", dst.n, src.n, n.n))
}

// AtomicFence is atomic.fence.
func (f *Func) AtomicFence() {
	f.emit(instr{op: opAtomicFence, imm: []byte{0}})
	f.effect()
}
