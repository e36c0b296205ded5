package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Attention works on one kv head of a few tokens at a time. The queries that
// share the head (its group of heads, for each token) are taken two or four at a
// time (see attnTile) over blocks of 64 keys:
//
//	scores   S[queries][64] = q·k    keys lie four positions to a vector
//	softmax  running maximum and sum, S becomes exp(score − maximum)
//	values   dst[queries] = dst·correction + S·v
//
// so a key or value is loaded once for all of them. Where more queries share a
// block of a float16 or int8 cache, it is first widened to float32 in the thread's
// scratch.

// Scratch of one thread, byte offsets.
const (
	attnBlock  = 64                                           // keys per block
	attnScores = 0                                            // [4][64] float32
	attnSlots  = attnScores + 4*attnBlock*4                   // [kernels.MaxQueries+3] slot records
	attnIdle   = attnSlots + (kernels.MaxQueries+3)*slotBytes // output row of idle slots
	attnKeys   = (attnIdle + kernels.MaxHeadDim*4 + 63) &^ 63 // a block of keys, widened
	attnValues = attnKeys + attnBlock*kernels.MaxHeadDim*4    // and of values
	attnEnd    = attnValues + attnBlock*kernels.MaxHeadDim*4
	_          = uint(kernels.ScratchBytes - attnEnd) // it fits
)

// Fields of a slot record, one for each query, byte offsets.
const (
	slotQuery = 0  // address of the query
	slotDst   = 4  // address of the output row
	slotPos   = 8  // last visible position
	slotFirst = 12 // first visible position
	slotSlope = 16 // ALiBi slope
	slotFix   = 20 // correction of what was summed before
	slotMax   = 24 // running maximum
	slotSum   = 28 // running sum
	slotBytes = 32
)

// attnTile is the tile of attention's inner loops: eight sums.
type attnTile struct {
	queries int
	vectors int  // of four keys or values
	direct  bool // reads every type of cache; otherwise float32 alone, widened before
}

// attnTile returns the flavour's. A column of queries is broadcast, which is four
// instructions in wazero, a vector of the cache loaded, which is one: the baseline
// takes two queries and four vectors (wazero 1.35, V8 the same). Four queries share
// what a cache is converted to on its way: one token 1.2 times as fast in V8 as with
// all widened before.
func (b *builder) attnTile() attnTile {
	if b.m.Relaxed {
		return attnTile{queries: 4, vectors: 2, direct: true}
	}
	return attnTile{queries: 2, vectors: 4}
}

// attnFunc is what the parts of attention share.
type attnFunc struct {
	attnTile
	f       *simd128.Func
	r       *record
	scratch simd128.I32
	slots   simd128.I32 // of the current queries; in the operation, of the first

	constants *constants // of a float16 cache
}

// attnSignature is (record, slots, number of keys, first key or value, its scales).
var attnSignature = simd128.Signature{Params: []simd128.Type{
	simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32,
}}

// perType makes a table of one function per cache type that is read.
func (b *builder) perType(name string, emit func(*builder, string, kernels.KVType) *simd128.Func) *simd128.Table {
	if !b.attnTile().direct {
		return b.m.Table(emit(b, name, kernels.KVF32))
	}
	return b.m.Table(emit(b, name+"_f32", kernels.KVF32), emit(b, name+"_f16", kernels.KVF16), emit(b, name+"_q8", kernels.KVQ8))
}

// attention emits the operation.
func (b *builder) attention() *simd128.Func {
	scores := b.perType("attention_scores", (*builder).attnScoresOf)
	values := b.perType("attention_values", (*builder).attnValuesOf)
	softmax, widen := b.attnSoftmax(), b.attnWiden()
	f, r, start, end := b.unitsFunc("attention", kernels.Attention{})
	a := attnFunc{attnTile: b.attnTile(), f: f, r: r, scratch: simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")}
	a.slots = a.scratch.AddI(attnSlots).Let("slots")
	n, kvHeads, kind := r.i32("N"), r.i32("KVHeads"), r.i32("Type")
	group := r.i32("Heads").DivU(kvHeads).Let("group")
	keys, vals := a.cache("K", "KeyDim", kvHeads, kind), a.cache("V", "ValueDim", kvHeads, kind)
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		kv := u.RemU(kvHeads).Let("kv")
		t0 := u.DivU(kvHeads).Mul(f.I32(kernels.AttentionTokens)).Let("t0")
		left := n.Sub(t0).Let("left")
		tokens := simd128.Select(left.LtSI(kernels.AttentionTokens), left, f.I32(kernels.AttentionTokens)).Let("tokens")
		queries := tokens.Mul(group).Let("queries")
		first, last := a.fillSlots(t0, tokens, kv, group)
		wide := f.I32Var("wide")
		wide.Set(kind.NeI(int32(kernels.KVF32)))
		if a.direct {
			wide.Set(wide.And(queries.GtSI(int32(a.queries))))
		}
		use := simd128.Select(wide, f.I32(0), kind).Let("use")
		j0, slot := f.I32Var("j0"), f.I32Var("slot")
		stop := a.slots.Add(queries.Mul(f.I32(slotBytes))).Let("stop")
		kp, vp := f.I32Var("kp"), f.I32Var("vp")
		j0.Set(first.AndI(-8))
		f.While(func() simd128.I32 { return j0.LeS(last) }, func() {
			count := atMost(f, last.Sub(j0).AddI(1), attnBlock)
			kp.Set(keys.at(kv, j0))
			vp.Set(vals.at(kv, j0))
			ks, vs := keys.scales(kv, j0).Let("ks"), vals.scales(kv, j0).Let("vs")
			f.If(wide, func() {
				f.Call(widen, kp, ks, a.scratch.AddI(attnKeys), count.AddI(7).AndI(-8).Mul(keys.dim), kind, f.I32(4))
				f.Call(widen, vp, vs, a.scratch.AddI(attnValues), count.Mul(vals.dim), kind, f.I32(1))
				kp.Set(a.scratch.AddI(attnKeys))
				vp.Set(a.scratch.AddI(attnValues))
			})
			slot.Set(a.slots)
			f.While(func() simd128.I32 { return slot.LtU(stop) }, func() {
				top := f.I32Var("top")
				top.Set(slot.LoadI32(slotPos))
				for s := 1; s < a.queries; s++ {
					pos := slot.LoadI32(s*slotBytes + slotPos).Let("pos")
					top.Set(simd128.Select(pos.GtS(top), pos, top))
				}
				f.If(top.GeS(j0), func() {
					n := atMost(f, top.Sub(j0).AddI(1), attnBlock)
					f.CallIndirect(scores, attnSignature, use, r.base, slot, n, kp, ks)
					f.Call(softmax, r.base, slot, n, j0)
					f.CallIndirect(values, attnSignature, use, r.base, slot, n, vp, vs)
				})
				slot.Set(slot.AddI(int32(a.queries * slotBytes)))
			})
			j0.Set(j0.AddI(attnBlock))
		})
		a.finish(stop)
	})
	return f
}

// atMost is the smaller of x and limit.
func atMost(f *simd128.Func, x simd128.I32, limit int32) simd128.I32 {
	x = x.Let("x")
	return simd128.Select(x.LtSI(limit), x, f.I32(limit)).Let("at_most")
}

// cacheBase is where a cache lies (see kernels.KVLayout).
type cacheBase struct {
	f                         *simd128.Func
	base, dim, slots, shift   simd128.I32 // shift: logarithm of the bytes per element
	scaleBase, blocksPerValue simd128.I32
}

// cache binds the operands of the keys' or values' cache.
func (a attnFunc) cache(base, dim string, heads, kind simd128.I32) cacheBase {
	c := cacheBase{f: a.f, base: a.r.i32(base), dim: a.r.i32(dim)}
	c.slots = a.r.i32("Capacity").AddI(7).AndI(-8).Let("slots")
	c.shift = a.f.I32(2).Sub(kind).Let("shift")
	c.blocksPerValue = c.dim.ShrUI(5).Let("blocks")
	c.scaleBase = c.base.Add(heads.Mul(c.slots).Mul(c.dim)).Let("scale_base")
	return c
}

// at is the address of head kv at position j0, a multiple of four.
func (c cacheBase) at(kv, j0 simd128.I32) simd128.I32 {
	return c.base.Add(kv.Mul(c.slots).Add(j0).Mul(c.dim).Shl(c.shift))
}

// scales is the address of the scales there (KVQ8).
func (c cacheBase) scales(kv, j0 simd128.I32) simd128.I32 {
	return c.scaleBase.Add(kv.Mul(c.slots).Add(j0).Mul(c.blocksPerValue).ShlI(2))
}

// fillSlots writes the slot record of every query, clears its output, and
// returns the first and the last position any of them sees. The slots behind the
// last, up to a whole tile, work on idle memory.
func (a attnFunc) fillSlots(t0, tokens, kv, group simd128.I32) (first, last simd128.I32) {
	f, r := a.f, a.r
	first, last = f.I32Var("first"), f.I32Var("last")
	first.Set(f.I32(0x7fffffff))
	last.Set(f.I32(0))
	positions, window, slopes := r.i32("Positions"), r.i32("Window"), r.i32("Slopes")
	keyBytes, valueBytes := r.i32("KeyDim").ShlI(2).Let("key_bytes"), r.i32("ValueDim").ShlI(2).Let("value_bytes")
	q, dst, slot := f.I32Var("q"), f.I32Var("dst"), f.I32Var("slot")
	slot.Set(a.slots)
	t, h := f.I32Var("t"), f.I32Var("h")
	h0 := kv.Mul(group).Let("h0")
	f.For(t, t0, t0.Add(tokens).Let("t1"), 1, func() {
		pos := positions.Add(t.ShlI(2)).LoadI32(0).Let("pos")
		begin := f.I32Var("begin")
		begin.Set(f.I32(0))
		f.If(window, func() {
			v := pos.Sub(window).AddI(1).Let("v")
			begin.Set(simd128.Select(v.GtSI(0), v, f.I32(0)))
		})
		first.Set(simd128.Select(begin.LtS(first), begin, first))
		last.Set(simd128.Select(pos.GtS(last), pos, last))
		q.Set(r.i32("Q").Add(t.Mul(r.i32("QStride")).ShlI(2)).Add(h0.Mul(keyBytes)))
		dst.Set(r.i32("Dst").Add(t.Mul(r.i32("DstStride")).ShlI(2)).Add(h0.Mul(valueBytes)))
		f.For(h, f.I32(0), group, 1, func() {
			slot.StoreI32(slotQuery, q)
			slot.StoreI32(slotDst, dst)
			slot.StoreI32(slotPos, pos)
			slot.StoreI32(slotFirst, begin)
			slot.StoreI32(slotSlope, f.I32(0))
			f.If(slopes, func() { slot.StoreF32(slotSlope, slopes.Add(h0.Add(h).ShlI(2)).LoadF32(0)) })
			slot.StoreF32(slotMax, f.F32(negInf()))
			slot.StoreF32(slotSum, f.F32(0))
			f.MemoryFill(dst, f.I32(0), valueBytes)
			slot.Set(slot.AddI(slotBytes))
			q.Set(q.Add(keyBytes))
			dst.Set(dst.Add(valueBytes))
		})
	})
	for s := range a.queries - 1 { // idle: as the last query, to another place
		f.MemoryCopy(slot.AddI(int32(s*slotBytes)), slot.SubI(slotBytes), f.I32(slotBytes))
		slot.StoreI32(s*slotBytes+slotDst, a.scratch.AddI(attnIdle))
	}
	return first, last
}

// finish divides every output row by its sum.
func (a attnFunc) finish(stop simd128.I32) {
	f := a.f
	slot := f.I32Var("slot")
	slot.Set(a.slots)
	dim := a.r.i32("ValueDim")
	f.While(func() simd128.I32 { return slot.LtU(stop) }, func() {
		p := f.I32Var("p")
		p.Set(slot.LoadI32(slotDst))
		inv := f.F32(1).Div(slot.LoadF32(slotSum)).Splat().Let("inv")
		vectors(f, dim, []simd128.I32{p}, func() { p.StoreV128(0, p.LoadF32x4(0).Mul(inv).AsV128(), 2) },
			func() { p.StoreF32(0, p.Load32Splat(0).AsF32x4().Mul(inv).Let("v").ExtractLane(0)) })
		slot.Set(slot.AddI(slotBytes))
	})
}
