package simd128

import (
	"fmt"
	"strings"
)

// Label names an open Block, Loop, If or Switch. Br to a Loop's label continues it; to any other, leaves it.
type Label struct {
	f  *Func
	id int
}

// body emits op … end around fn.
func (f *Func) body(o *op, fn func(Label)) {
	f.open(o)
	fn(f.labels[len(f.labels)-1])
	f.close()
}

// open starts a block.
func (f *Func) open(o *op) {
	f.m.labelCount++
	l := Label{f, f.m.labelCount}
	f.emit(instr{op: o, imm: []byte{0x40}})
	f.labels = append(f.labels, l)
	f.depth++
}

// close ends the innermost block.
func (f *Func) close() {
	f.labels = f.labels[:len(f.labels)-1]
	f.depth--
	f.emit(instr{op: opEnd})
}

// Block emits a block; Br to its label leaves it.
func (f *Func) Block(body func(out Label)) { f.body(opBlock, body) }

// Loop emits a loop, which runs once unless a Br to its label repeats it.
func (f *Func) Loop(body func(again Label)) {
	f.loop = &loop{f.loop}
	f.body(opLoop, body)
	f.loop = f.loop.outer
}

// While repeats body while cond, computed before every round, is not zero.
func (f *Func) While(cond func() I32, body func()) {
	f.Loop(func(again Label) {
		f.If(cond(), func() {
			body()
			f.Br(again)
		})
	})
}

// For runs body with i = start, start+step, … while i < end, compared as signed numbers. end is
// computed once, unless it is a variable: then every round reads it.
// After the loop, i is the first value not below end (or start). i may be a parameter or a Var.
func (f *Func) For(i, start, end I32, step int32, body func()) {
	f.count(i, start, end, step, body, I32.LtS)
}

// ForU is For compared as unsigned numbers, for addresses.
func (f *Func) ForU(i, start, end I32, step int32, body func()) {
	f.count(i, start, end, step, body, I32.LtU)
}

// count is For with the given comparison: one branch a round.
func (f *Func) count(i, start, end I32, step int32, body func(), below func(I32, I32) I32) {
	if step <= 0 {
		f.errorf("loop with step %d: want a positive one", step)
	}
	if must(end.n).kind == kindExpr {
		end = end.Let()
	}
	if start != i {
		i.Set(start)
	}
	f.If(below(i, end), func() {
		f.Loop(func(again Label) {
			body()
			i.Set(i.AddI(step))
			f.BrIf(again, below(i, end))
		})
	})
}

// If runs then when cond is not zero.
func (f *Func) If(cond I32, then func()) {
	f.consume(must(cond.n))
	f.body(opIf, func(Label) { then() })
}

// IfElse runs then when cond is not zero, otherwise els.
func (f *Func) IfElse(cond I32, then, els func()) {
	f.consume(must(cond.n))
	f.open(opIf)
	then()
	f.depth--
	f.emit(instr{op: opElse})
	f.depth++
	els()
	f.close()
}

// Br jumps to l.
func (f *Func) Br(l Label) {
	d := f.branch(l)
	f.emit(instr{op: opBr, imm: uleb(uint64(d)), text: fmt.Sprint(d)})
}

// BrIf jumps to l when cond is not zero.
func (f *Func) BrIf(l Label, cond I32) {
	f.consume(must(cond.n))
	d := f.branch(l)
	f.emit(instr{op: opBrIf, imm: uleb(uint64(d)), text: fmt.Sprint(d)})
}

// branch returns how many blocks lie between here and l.
func (f *Func) branch(l Label) int {
	for i := len(f.labels) - 1; i >= 0; i-- {
		if f.labels[i] == l {
			return len(f.labels) - 1 - i
		}
	}
	f.errorf("branch to a label that is not open here")
	return 0
}

// Switch runs cases[x], or other (which may be nil) when x is not below len(cases) (br_table). Cases do not fall through.
func (f *Func) Switch(x I32, cases []func(), other func()) {
	f.open(opBlock) // left by every case
	out := f.labels[len(f.labels)-1]
	for range len(cases) + 1 {
		f.open(opBlock)
	}
	f.consume(must(x.n))
	f.table(len(cases))
	for _, c := range cases {
		f.close()
		c()
		f.Br(out)
	}
	f.close()
	if other != nil {
		other()
	}
	f.close()
}

// table emits the br_table to the n+1 innermost blocks.
func (f *Func) table(n int) {
	imm := uleb(uint64(n))
	var words []string
	for i := range n + 1 {
		imm = appendUleb(imm, uint64(i))
		words = append(words, fmt.Sprint(i))
	}
	f.emit(instr{op: opBrTable, imm: imm, text: strings.Join(words, " ")})
}

// Return leaves the function with its results.
func (f *Func) Return(results ...Value) {
	f.pass("return", f.results, results)
	f.emit(instr{op: opReturn})
}

// Unreachable traps.
func (f *Func) Unreachable() { f.emit(instr{op: opUnreachable}) }
