package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// cacheType says how to load four cached values.
type cacheType struct {
	bytes int32 // per element
	load  func(c *constants, p simd128.I32, offset int) simd128.F32x4
}

var cacheTypes = map[kernels.KVType]cacheType{
	kernels.KVF32: {4, func(_ *constants, p simd128.I32, o int) simd128.F32x4 { return p.LoadF32x4(o) }},
	kernels.KVF16: {2, (*constants).half4},
	kernels.KVQ8: {1, func(_ *constants, p simd128.I32, o int) simd128.F32x4 {
		return p.Load32Zero(o).AsI8x16().ExtendLowS().ExtendLowS().ConvertS()
	}},
}

// part starts one of the functions of attnSignature, for one type of cache.
func (b *builder) part(name string, kind kernels.KVType) (a attnFunc, keys, at, scale simd128.I32) {
	f := b.m.Func(name)
	base, slots := f.ParamI32("record"), f.ParamI32("slots")
	keys, at, scale = f.ParamI32("keys"), f.ParamI32("at"), f.ParamI32("scale")
	a = attnFunc{attnTile: b.attnTile(), f: f, r: recordOf(f, base, kernels.Attention{}), slots: slots}
	a.scratch = simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	if kind == kernels.KVF16 {
		a.constants = newConstants(f)
	}
	return a, keys, at, scale
}

// attnWiden emits widen(src, scales, dst, n, kind, lanes): n cached values become
// float32. Scales of int8 values are one vector for 32 columns of four keys
// (lanes 4) or one float for 32 columns (lanes 1).
func (b *builder) attnWiden() *simd128.Func {
	f := b.m.Func("attention_widen")
	src, scale, dst := f.ParamI32("src"), f.ParamI32("scales"), f.ParamI32("dst")
	n, kind, lanes := f.ParamI32("n"), f.ParamI32("kind"), f.ParamI32("lanes")
	end := dst.Add(n.ShlI(2)).Let("end")
	half, bytes := cacheTypes[kernels.KVF16], cacheTypes[kernels.KVQ8]
	c := newConstants(f)
	vectors := func(n int, ct cacheType, scale func(v simd128.F32x4) simd128.F32x4) {
		for i := n - 1; i >= 0; i-- { // downwards as in matmul
			dst.StoreV128(16*i, scale(ct.load(c, src, 4*i*int(ct.bytes))).AsV128())
		}
		src.Set(src.AddI(int32(4*n) * ct.bytes))
		dst.Set(dst.AddI(int32(16 * n)))
	}
	f.IfElse(kind.EqI(int32(kernels.KVF16)), func() {
		same := func(v simd128.F32x4) simd128.F32x4 { return v }
		wide := dst.Add(n.AndI(-16).ShlI(2)).Let("wide")
		f.While(func() simd128.I32 { return dst.LtU(wide) }, func() { vectors(4, half, same) })
		f.While(func() simd128.I32 { return dst.LtU(end) }, func() { vectors(1, half, same) })
	}, func() {
		block := lanes.ShlI(7).Let("block") // bytes of dst per scale
		f.While(func() simd128.I32 { return dst.LtU(end) }, func() {
			d := f.F32x4Var("d")
			d.Set(scale.LoadF32x4(0))
			f.If(lanes.EqI(1), func() { d.Set(scale.Load32Splat(0).AsF32x4()) })
			stop := dst.Add(block).Let("stop")
			f.While(func() simd128.I32 { return dst.LtU(stop) }, func() {
				vectors(4, bytes, func(v simd128.F32x4) simd128.F32x4 { return v.Mul(d) })
			})
			scale.Set(scale.Add(lanes.ShlI(2)))
		})
	})
	return f
}

// attnSoftmax emits softmax(record, slots, keys, first key): scores become
// weights, maximum and sum are updated, slot by slot.
func (b *builder) attnSoftmax() *simd128.Func {
	f := b.m.Func("attention_softmax")
	base, slot := f.ParamI32("record"), f.ParamI32("slots")
	keys, j0 := f.ParamI32("keys"), f.ParamI32("j0")
	a := attnFunc{f: f, r: recordOf(f, base, kernels.Attention{})}
	row := f.I32Var("row")
	row.Set(simd128.GetGlobal[simd128.I32](f, b.scratch))
	scale := a.r.f32("Scale").Splat().Let("scale")
	limit := a.r.f32("Softcap").Let("softcap")
	e := newExp(f)
	slopes := a.r.i32("Slopes")
	bytes := keys.AddI(7).AndI(-8).ShlI(2).Let("bytes")
	s := f.I32Var("s")
	f.For(s, f.I32(0), f.I32(int32(b.attnTile().queries)), 1, func() {
		stop := row.Add(bytes).Let("stop")
		pos := slot.LoadI32(slotPos).SplatI32x4().Let("pos")
		first := slot.LoadI32(slotFirst).SplatI32x4().Let("first")
		slope := slot.LoadF32(slotSlope).Splat().Let("slope")
		top, index, p := f.F32x4Var("top"), f.I32x4Var("index"), f.I32Var("p")
		top.Set(f.F32x4(negInf()))
		index.Set(j0.SplatI32x4().Add(f.I32x4(0, 1, 2, 3)))
		p.Set(row)
		f.While(func() simd128.I32 { return p.LtU(stop) }, func() {
			v := f.F32x4Var("v")
			v.Set(p.LoadF32x4(0).Mul(scale))
			f.If(limit.Gt(f.F32(0)), func() {
				c := limit.Splat().Let("c")
				v.Set(tanh4(e, v.Div(c).Let("t")).Mul(c))
			})
			f.If(slopes, func() { v.Set(v.Add(slope.Mul(index.Sub(pos).ConvertS()))) })
			seen := index.LeS(pos).And(index.GeS(first))
			v.Set(v.Bitselect(f.F32x4(negInf()), seen))
			p.StoreV128(0, v.AsV128())
			top.Set(top.Pmax(v))
			index.Set(index.Add(f.I32x4(4)))
			p.Set(p.AddI(16))
		})
		a.weigh(e, slot, row, stop, max4(top).Let("block_max"))
		slot.Set(slot.AddI(slotBytes))
		row.Set(row.AddI(attnBlock * 4))
	})
	return f
}

// weigh exponentiates one slot's scores against the new maximum. Where nothing
// has been seen yet the maximum is taken as zero, and every weight becomes zero.
func (a attnFunc) weigh(e *expConstants, slot, row, stop simd128.I32, blockMax simd128.F32) {
	f := a.f
	old := slot.LoadF32(slotMax).Let("old")
	top := old.Max(blockMax).Let("new_max")
	seen := top.Gt(f.F32(negInf()))
	against := simd128.Select(seen, top, f.F32(0)).Splat().Let("max4")
	p := f.I32Var("p")
	p.Set(row)
	sum := f.F32x4Var("sum")
	sum.Set(f.F32x4(0))
	f.While(func() simd128.I32 { return p.LtU(stop) }, func() {
		v := p.LoadF32x4(0).Let("v")
		w := exp4(e, v.Sub(against)).And(v.Gt(f.F32x4(negInf())).AsF32x4()).Let("w")
		p.StoreV128(0, w.AsV128())
		sum.Set(sum.Add(w))
		p.Set(p.AddI(16))
	})
	fix := exp4(e, old.Splat().Sub(against)).Let("fix4").ExtractLane(0).Let("fix")
	slot.StoreF32(slotFix, fix)
	slot.StoreF32(slotSum, slot.LoadF32(slotSum).Mul(fix).Add(sum4(sum)))
	slot.StoreF32(slotMax, top)
}
