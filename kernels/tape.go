package kernels

import (
	"math"
	"strconv"

	"pastel/fault"
)

// OpWords is the size of one operation record in 32-bit words.
const OpWords = 32

// A Code names an operation. Records are 32 words: word 0 is the code, word 1
// the flags, and the rest the operands in the order of the fields of the
// operation's struct (see ops.go); float operands are IEEE bits.
type Code uint32

// The operations.
const (
	CodeNone Code = iota
	CodeEmbed
	CodeRMSNorm
	CodeLayerNorm
	CodeQuantize
	CodeMatmul
	CodeRope
	CodeStoreK
	CodeStoreV
	CodeAttention
	CodeGLU
	CodeActivate
	CodeAdd
	CodeScale
	CodeSoftcap
	CodeArgmax
	CodePack
	CodeBlend
	CodeAddLoRA
	CodeRebias
	CodeRoute
	CodeExpertMatmul
	CodeExpertSum
	nCodes
)

var codeNames = [nCodes]string{
	"none", "embed", "rmsnorm", "layernorm", "quantize", "matmul", "rope", "storek", "storev",
	"attention", "glu", "activate", "add", "scale", "softcap", "argmax", "pack", "blend", "addlora", "rebias", "route", "expertmatmul", "expertsum",
}

func (c Code) String() string {
	if c >= nCodes {
		return "code" + strconv.Itoa(int(c))
	}
	return codeNames[c]
}

// Words of every record beside the operands: how many units of work the
// operation has, how many a thread takes at a time, and the number taken so far,
// which executors with threads reset before every run.
const (
	wordUnits = OpWords - 3
	wordGrain = OpWords - 2
	wordTaken = OpWords - 1
)

// Flags in word 1. FlagBarrier makes every thread finish this operation before any
// starts the next; without it the next operation must not depend on this one.
// FlagSame leaves this operation and the next, each a single chunk of work, to one
// thread, which needs no barrier between them. FlagEven has each thread take about two
// shares of the operation, of no more than the grain: where beginning a share is dear.
// FlagThen makes a thread that has done a share of this operation do that share of the next,
// too, before it takes another.
const (
	FlagBarrier = 1
	FlagSame    = 2
	FlagEven    = 4
	FlagThen    = 8
)

// A Tape is a list of operations in a Memory, planned once and run many times.
// It must not be changed while an executor runs it.
type Tape struct {
	mem   *Memory
	addr  Addr
	words []uint32 // view of the records
	n     int
}

// NewTape returns an empty tape with room for capacity operations.
func NewTape(mem *Memory, capacity int) (*Tape, error) {
	addr, err := mem.Alloc(capacity * OpWords * 4)
	if err != nil {
		return nil, err
	}
	return &Tape{mem: mem, addr: addr, words: mem.U32(addr, capacity*OpWords)}, nil
}

// Free gives the tape's memory back.
func (t *Tape) Free() {
	t.mem.Free(t.addr)
	t.words = nil
	t.addr = 0
	t.n = 0
}

// Addr is the address of the first record.
func (t *Tape) Addr() Addr { return t.addr }

// Len is the number of operations.
func (t *Tape) Len() int { return t.n }

// Reset empties the tape and keeps its memory.
func (t *Tape) Reset() { t.n = 0 }

// Memory is the memory the tape's addresses point into.
func (t *Tape) Memory() *Memory { return t.mem }

// An Operation can write itself on a tape and say how its work splits.
type Operation interface {
	record(r *record) Code
	split() (units, grain int)
}

// Add appends an operation followed by a barrier.
//
// Errors: ERR_INTERNAL when the tape is full.
func (t *Tape) Add(op Operation) error { return t.add(op, FlagBarrier) }

// AddUnordered appends an operation that the following one does not depend on.
func (t *Tape) AddUnordered(op Operation) error { return t.add(op, 0) }

// AddThen appends an operation of as many units as the last one, each of which depends on that
// unit of the last and on nothing else since the last barrier. It moves the last one's barrier behind itself.
//
// Errors: as Add.
func (t *Tape) AddThen(op Operation) error {
	before := &t.words[(t.n-1)*OpWords+1]
	if err := t.add(op, *before&FlagBarrier); err != nil {
		return err
	}
	*before = *before&^FlagBarrier | FlagThen
	return nil
}

func (t *Tape) add(op Operation, flags uint32) error {
	if (t.n+1)*OpWords > len(t.words) {
		return fault.New(fault.Internal, "kernels: tape full at ", t.n, " operations")
	}
	words := t.words[t.n*OpWords : (t.n+1)*OpWords]
	clear(words)
	r := record{words: words[2:]}
	words[0] = uint32(op.record(&r))
	if e, ok := op.(interface{ even() bool }); ok && e.even() {
		flags |= FlagEven
	}
	words[1] = flags
	units, grain := op.split()
	words[wordUnits], words[wordGrain] = uint32(units), uint32(max(1, grain))
	if t.n > 0 && isChunk(words) {
		if before := t.words[(t.n-1)*OpWords : t.n*OpWords]; isChunk(before) {
			before[1] |= FlagSame
		}
	}
	t.n++
	return nil
}

// isChunk reports whether an operation's work is too small to split. A thin matrix is
// one chunk for each of many tokens: its neighbours should have threads of their own.
func isChunk(words []uint32) bool {
	switch Code(words[0]) {
	case CodeMatmul, CodeAddLoRA, CodeBlend, CodeAttention:
		return false
	}
	return words[wordUnits] <= words[wordGrain]
}

// op returns the i-th record's code and an operand reader.
func (t *Tape) op(i int) (Code, operands) {
	words := t.words[i*OpWords : (i+1)*OpWords]
	return Code(words[0]), operands{words: words[2:]}
}

// Code returns the code of the i-th operation.
func (t *Tape) Code(i int) Code { return Code(t.words[i*OpWords]) }

// record writes operands in order.
type record struct {
	words []uint32
	i     int
}

func (r *record) u32(v uint32) { r.words[r.i] = v; r.i++ }
func (r *record) addr(v Addr)  { r.u32(uint32(v)) }
func (r *record) int(v int)    { r.u32(uint32(int32(v))) }
func (r *record) f32(v float32) {
	r.u32(math.Float32bits(v))
}

// operands reads operands in order.
type operands struct {
	words []uint32
	i     int
}

func (o *operands) u32() uint32  { o.i++; return o.words[o.i-1] }
func (o *operands) addr() Addr   { return Addr(o.u32()) }
func (o *operands) int() int     { return int(int32(o.u32())) }
func (o *operands) f32() float32 { return math.Float32frombits(o.u32()) }

// String lists the tape, one operation a line, operands as hexadecimal words.
func (t *Tape) String() string {
	var b []byte
	for i := range t.n {
		code, o := t.op(i)
		b = append(b, code.String()...)
		last := wordUnits - 2
		for last > 0 && o.words[last-1] == 0 {
			last--
		}
		for _, w := range o.words[:last] {
			b = append(b, ' ')
			b = strconv.AppendUint(b, uint64(w), 16)
		}
		b = append(b, '\n')
	}
	return string(b)
}
