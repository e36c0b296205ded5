package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Attention works on one kv head of a few tokens at a time. The queries that
// share the head (its group of heads, for each token) are taken four at a time
// over blocks of 64 keys:
//
//	scores   S[4][64] = q·k          keys lie four positions to a vector
//	softmax  running maximum and sum, S becomes exp(score − maximum)
//	values   dst[4] = dst·correction + S·v
//
// so a key or value is loaded, and widened, once for four queries.

// Scratch of one thread, byte offsets.
const (
	attnBlock  = 64                                   // keys per block
	attnScores = 0                                    // [4][64] float32
	attnSlots  = attnScores + 4*attnBlock*4           // [4] slot records
	slotBytes  = 32                                   // one slot record
	attnState  = attnSlots + 4*slotBytes              // [kernels.MaxQueries+1] {maximum, sum}; the last is for idle slots
	attnIdle   = attnState + 8*(kernels.MaxQueries+1) // output row of idle slots
)

// Fields of a slot record, byte offsets.
const (
	slotQuery = 0  // address of the query
	slotDst   = 4  // address of the output row
	slotState = 8  // address of {maximum, sum}
	slotPos   = 12 // last visible position
	slotFirst = 16 // first visible position
	slotSlope = 20 // ALiBi slope
	slotFix   = 24 // correction of what was summed before
)

// attnFunc is what the parts of attention share.
type attnFunc struct {
	f       *simd128.Func
	r       *record
	scratch simd128.I32
}

// attention emits the operation.
func (b *builder) attention() *simd128.Func {
	scores := b.perType("attention_scores", (*builder).attnScoresOf)
	values := b.perType("attention_values", (*builder).attnValuesOf)
	softmax := b.attnSoftmax()
	f, r, start, end := b.unitsFunc("attention", kernels.Attention{})
	a := attnFunc{f: f, r: r, scratch: simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")}
	n, heads, kvHeads := r.i32("N"), r.i32("Heads"), r.i32("KVHeads")
	positions, window := r.i32("Positions"), r.i32("Window")
	group := heads.DivU(kvHeads).Let("group")
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		kv := u.RemU(kvHeads).Let("kv")
		t0 := u.DivU(kvHeads).Mul(f.I32(kernels.AttentionTokens)).Let("t0")
		left := n.Sub(t0).Let("left")
		tokens := simd128.Select(left.LtSI(kernels.AttentionTokens), left, f.I32(kernels.AttentionTokens)).Let("tokens")
		queries := tokens.Mul(group).Let("queries")
		a.reset(t0, kv, group, queries)
		last, first := a.visible(positions, t0, tokens, window)
		j0, i := f.I32Var("j0"), f.I32Var("i")
		j0.Set(first.AndI(-8))
		f.While(func() simd128.I32 { return j0.LeS(last) }, func() {
			f.For(i, f.I32(0), queries, 4, func() {
				top := a.fillSlots(i, queries, t0, kv, group, positions, window)
				f.If(top.GeS(j0), func() {
					count := top.Sub(j0).AddI(1).Let("count")
					keys := simd128.Select(count.LtSI(attnBlock), count, f.I32(attnBlock)).Let("keys")
					f.CallIndirect(scores, attnSignature, r.i32("Type"), r.base, kv, j0, keys)
					f.Call(softmax, r.base, kv, j0, keys)
					f.CallIndirect(values, attnSignature, r.i32("Type"), r.base, kv, j0, keys)
				})
			})
			j0.Set(j0.AddI(attnBlock))
		})
		a.finish(t0, kv, group, queries)
	})
	return f
}

// attnSignature is (record, kv head, first key, number of keys).
var attnSignature = simd128.Signature{Params: []simd128.Type{simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32}}

// perType makes a table of one function per cache type.
func (b *builder) perType(name string, emit func(*builder, string, kernels.KVType) *simd128.Func) *simd128.Table {
	return b.m.Table(emit(b, name+"_f32", kernels.KVF32), emit(b, name+"_f16", kernels.KVF16), emit(b, name+"_q8", kernels.KVQ8))
}

// part starts one of the functions of attnSignature.
func (b *builder) part(name string) (a attnFunc, kv, j0, keys simd128.I32) {
	f := b.m.Func(name)
	base := f.ParamI32("record")
	kv, j0, keys = f.ParamI32("kv"), f.ParamI32("j0"), f.ParamI32("keys")
	a = attnFunc{f: f, r: recordOf(f, base, kernels.Attention{})}
	a.scratch = simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	return a, kv, j0, keys
}

// queryRow is the output row of query i: token i/group, head kv·group + i%group.
func (a attnFunc) queryRow(base string, stride, dim string, i, t0, kv, group simd128.I32) simd128.I32 {
	t := t0.Add(i.DivU(group))
	h := kv.Mul(group).Add(i.RemU(group))
	return a.r.i32(base).Add(t.Mul(a.r.i32(stride)).Add(h.Mul(a.r.i32(dim))).ShlI(2))
}

// reset clears the state and the output of every query.
func (a attnFunc) reset(t0, kv, group, queries simd128.I32) {
	f := a.f
	i, p := f.I32Var("i"), f.I32Var("p")
	bytes := a.r.i32("ValueDim").ShlI(2).Let("value_bytes")
	f.For(i, f.I32(0), queries, 1, func() {
		p.Set(a.scratch.Add(i.ShlI(3)))
		p.StoreF32(attnState, f.F32(negInf()))
		p.StoreF32(attnState+4, f.F32(0))
		f.MemoryFill(a.queryRow("Dst", "DstStride", "ValueDim", i, t0, kv, group), f.I32(0), bytes)
	})
}

// visible returns the last and the first position any token sees.
func (a attnFunc) visible(positions, t0, tokens, window simd128.I32) (last, first simd128.I32) {
	f := a.f
	last, first = f.I32Var("last"), f.I32Var("first")
	last.Set(f.I32(0))
	first.Set(f.I32(0x7fffffff))
	t := f.I32Var("t")
	f.For(t, t0, t0.Add(tokens).Let("t1"), 1, func() {
		pos := positions.Add(t.ShlI(2)).LoadI32(0).Let("pos")
		last.Set(simd128.Select(pos.GtS(last), pos, last))
		begin := a.begin(pos, window)
		first.Set(simd128.Select(begin.LtS(first), begin, first))
	})
	return last, first
}

// begin is the first position the token at pos sees.
func (a attnFunc) begin(pos, window simd128.I32) simd128.I32 {
	begin := a.f.I32Var("begin")
	begin.Set(a.f.I32(0))
	a.f.If(window, func() {
		v := pos.Sub(window).AddI(1).Let("v")
		begin.Set(simd128.Select(v.GtSI(0), v, a.f.I32(0)))
	})
	return begin
}

// fillSlots writes the slot records of queries i..i+3 and returns the last
// position any of them sees. Slots beyond the last query work on idle memory.
func (a attnFunc) fillSlots(i, queries, t0, kv, group, positions, window simd128.I32) simd128.I32 {
	f := a.f
	top := f.I32Var("top")
	top.Set(f.I32(-1))
	slopes := a.r.i32("Slopes")
	for s := range 4 {
		want := i.AddI(int32(s)).Let("want")
		q := simd128.Select(want.LtS(queries), want, queries.SubI(1)).Let("q")
		slot := a.scratch.AddI(int32(attnSlots + s*slotBytes)).Let("slot")
		slot.StoreI32(slotQuery, a.queryRow("Q", "QStride", "KeyDim", q, t0, kv, group))
		f.IfElse(want.LtS(queries), func() {
			slot.StoreI32(slotDst, a.queryRow("Dst", "DstStride", "ValueDim", q, t0, kv, group))
			slot.StoreI32(slotState, a.scratch.Add(q.ShlI(3)).AddI(attnState))
		}, func() {
			slot.StoreI32(slotDst, a.scratch.AddI(attnIdle))
			slot.StoreI32(slotState, a.scratch.AddI(attnState+8*kernels.MaxQueries))
		})
		pos := positions.Add(t0.Add(q.DivU(group)).ShlI(2)).LoadI32(0).Let("pos")
		slot.StoreI32(slotPos, pos)
		slot.StoreI32(slotFirst, a.begin(pos, window))
		slope := f.F32Var("slope")
		slope.Set(f.F32(0))
		f.If(slopes, func() {
			h := kv.Mul(group).Add(q.RemU(group))
			slope.Set(slopes.Add(h.ShlI(2)).LoadF32(0))
		})
		slot.StoreF32(slotSlope, slope)
		top.Set(simd128.Select(pos.GtS(top), pos, top))
	}
	return top
}

// finish divides every output row by its sum.
func (a attnFunc) finish(t0, kv, group, queries simd128.I32) {
	f := a.f
	i := f.I32Var("i")
	dim := a.r.i32("ValueDim")
	f.For(i, f.I32(0), queries, 1, func() {
		p := f.I32Var("p")
		p.Set(a.queryRow("Dst", "DstStride", "ValueDim", i, t0, kv, group))
		inv := f.F32(1).Div(a.scratch.Add(i.ShlI(3)).LoadF32(attnState + 4)).Splat().Let("inv")
		vectors(f, dim, []simd128.I32{p}, func() { p.StoreV128(0, p.LoadF32x4(0).Mul(inv).AsV128(), 2) },
			func() { p.StoreF32(0, p.Load32Splat(0).AsF32x4().Mul(inv).Let("v").ExtractLane(0)) })
	})
}
