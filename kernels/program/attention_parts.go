package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// cacheType says how to load four cached values.
type cacheType struct {
	bytes int32 // per element
	load  func(f *simd128.Func, p simd128.I32, offset int) simd128.F32x4
}

var cacheTypes = map[kernels.KVType]cacheType{
	kernels.KVF32: {4, func(_ *simd128.Func, p simd128.I32, o int) simd128.F32x4 { return p.LoadF32x4(o) }},
	kernels.KVF16: {2, loadHalf4},
	kernels.KVQ8: {1, func(_ *simd128.Func, p simd128.I32, o int) simd128.F32x4 {
		return p.Load32Zero(o).AsI8x16().ExtendLowS().ExtendLowS().ConvertS()
	}},
}

// part starts one of the functions of attnSignature.
func (b *builder) part(name string) (a attnFunc, keys, at, scale simd128.I32) {
	f := b.m.Func(name)
	base, slots := f.ParamI32("record"), f.ParamI32("slots")
	keys, at, scale = f.ParamI32("keys"), f.ParamI32("at"), f.ParamI32("scale")
	a = attnFunc{f: f, r: recordOf(f, base, kernels.Attention{}), slots: slots}
	a.scratch = simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
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
	f.IfElse(kind.EqI(int32(kernels.KVF16)), func() {
		f.While(func() simd128.I32 { return dst.LtU(end) }, func() {
			dst.StoreV128(0, c.half4(src, 0).AsV128())
			src.Set(src.AddI(4 * half.bytes))
			dst.Set(dst.AddI(16))
		})
	}, func() {
		block := lanes.ShlI(7).Let("block") // bytes of dst per scale
		f.While(func() simd128.I32 { return dst.LtU(end) }, func() {
			d := f.F32x4Var("d")
			d.Set(scale.LoadF32x4(0))
			f.If(lanes.EqI(1), func() { d.Set(scale.Load32Splat(0).AsF32x4()) })
			stop := dst.Add(block).Let("stop")
			f.While(func() simd128.I32 { return dst.LtU(stop) }, func() {
				dst.StoreV128(0, bytes.load(f, src, 0).Mul(d).AsV128())
				src.Set(src.AddI(4))
				dst.Set(dst.AddI(16))
			})
			scale.Set(scale.Add(lanes.ShlI(2)))
		})
	})
	return f
}

// attnScoresOf emits S[slot][key] = q·k for a block, eight keys at a time.
func (b *builder) attnScoresOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, k0, scale := b.part(name)
	f, ct := a.f, cacheTypes[kind]
	dim := a.r.i32("KeyDim")
	groupBytes := dim.Mul(f.I32(4 * ct.bytes)).Let("group_bytes") // of four keys
	scaleBytes := dim.ShrUI(5).ShlI(4).Let("scale_bytes")
	k1 := f.I32Var("k1")
	out := f.I32Var("out")
	out.Set(a.scratch)
	stop := a.scratch.Add(keys.AddI(7).AndI(-8).ShlI(2)).Let("stop")
	f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
		k1.Set(k0.Add(groupBytes))
		next := k1.Add(groupBytes).Let("next")
		a.scoreEight(ct, k0, k1, scale, scaleBytes, dim, out)
		k0.Set(next)
		if kind == kernels.KVQ8 {
			scale.Set(scale.Add(scaleBytes.ShlI(1)))
		}
		out.Set(out.AddI(32))
	})
	return f
}

// scoreEight computes eight scores of four queries; it moves k0 and k1.
func (a attnFunc) scoreEight(ct cacheType, k0, k1, scale, scaleBytes, dim, out simd128.I32) {
	f := a.f
	var acc [4][2]simd128.F32x4
	var q [4]simd128.I32
	for s := range acc {
		q[s] = f.I32Var("q")
		q[s].Set(a.slots.LoadI32(s*slotBytes + slotQuery))
		for g := range acc[s] {
			acc[s][g] = f.F32x4Var("acc")
			acc[s][g].Set(f.F32x4(0))
		}
	}
	columns := func(scale0, scale1 func() simd128.F32x4) { // four, downwards as in matmul
		for c := 3; c >= 0; c-- {
			v0, v1 := ct.load(f, k0, 4*c*int(ct.bytes)), ct.load(f, k1, 4*c*int(ct.bytes))
			if scale0 != nil {
				v0, v1 = v0.Mul(scale0()), v1.Mul(scale1())
			}
			v0, v1 = v0.Let("v0"), v1.Let("v1")
			for s := range acc {
				x := q[s].Load32Splat(4 * c).AsF32x4().Let("x")
				acc[s][0].Set(madd(x, v0, acc[s][0]))
				acc[s][1].Set(madd(x, v1, acc[s][1]))
			}
		}
		for s := range q {
			q[s].Set(q[s].AddI(16))
		}
		k0.Set(k0.AddI(16 * ct.bytes))
		k1.Set(k1.AddI(16 * ct.bytes))
	}
	end := k0.Add(dim.Mul(f.I32(4 * ct.bytes))).Let("k_end")
	if ct.bytes > 1 {
		f.While(func() simd128.I32 { return k0.LtU(end) }, func() { columns(nil, nil) })
	} else {
		block := f.I32Var("block")
		block.Set(scale)
		f.While(func() simd128.I32 { return k0.LtU(end) }, func() {
			s0, s1 := block.LoadF32x4(0).Let("s0"), block.Add(scaleBytes).LoadF32x4(0).Let("s1")
			stop := k0.AddI(4 * kernels.BlockK).Let("block_end")
			f.While(func() simd128.I32 { return k0.LtU(stop) }, func() {
				columns(func() simd128.F32x4 { return s0 }, func() simd128.F32x4 { return s1 })
			})
			block.Set(block.AddI(16))
		})
	}
	for s := range acc {
		for g := range acc[s] {
			out.StoreV128(attnScores+s*attnBlock*4+16*g, acc[s][g].AsV128())
		}
	}
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
	f.For(s, f.I32(0), f.I32(4), 1, func() {
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

// attnValuesOf emits dst = dst·fix + S·v, eight columns of four slots at a time
// (and four columns where eight do not fit).
func (b *builder) attnValuesOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, v, scale := b.part(name)
	f, ct := a.f, cacheTypes[kind]
	dim := a.r.i32("ValueDim")
	rowBytes := dim.Mul(f.I32(ct.bytes)).Let("row_bytes")
	scaleStride := dim.ShrUI(5).ShlI(2).Let("scale_stride")
	c := f.I32Var("c")
	c.Set(f.I32(0))
	columns := func(vectors int) {
		a.valueColumns(ct, vectors, v.Add(c.Mul(f.I32(ct.bytes))), rowBytes, keys, c, scale, scaleStride)
		c.Set(c.AddI(int32(4 * vectors)))
	}
	wide := dim.AndI(-8).Let("wide")
	f.While(func() simd128.I32 { return c.LtU(wide) }, func() { columns(2) })
	f.If(c.LtU(dim), func() { columns(1) })
	return f
}

// valueColumns adds a block's values in 4·vectors columns starting at c.
func (a attnFunc) valueColumns(ct cacheType, vectors int, at, rowBytes, keys, c, scale, scaleStride simd128.I32) {
	f := a.f
	v, p := f.I32Var("vp"), f.I32Var("p")
	v.Set(at)
	p.Set(a.scratch)
	var acc [4][2]simd128.F32x4
	for s := range acc {
		dst := a.slots.LoadI32(s*slotBytes + slotDst).Add(c.ShlI(2)).Let("dst")
		fix := a.slots.Load32Splat(s*slotBytes + slotFix).AsF32x4().Let("fix")
		for i := range vectors {
			acc[s][i] = f.F32x4Var("acc")
			acc[s][i].Set(dst.LoadF32x4(16 * i).Mul(fix))
		}
	}
	var sp simd128.I32
	if ct.bytes == 1 {
		sp = f.I32Var("sp")
		sp.Set(scale.Add(c.ShrUI(5).ShlI(2)))
	}
	stop := a.scratch.Add(keys.ShlI(2)).Let("p_end")
	f.While(func() simd128.I32 { return p.LtU(stop) }, func() {
		var x [2]simd128.F32x4
		for i := range vectors {
			x[i] = ct.load(f, v, i*4*int(ct.bytes))
			if ct.bytes == 1 {
				x[i] = x[i].Mul(sp.Load32Splat(0).AsF32x4())
			}
			x[i] = x[i].Let("x")
		}
		for s := range acc {
			w := p.Load32Splat(attnScores + s*attnBlock*4).AsF32x4().Let("w")
			for i := range vectors {
				acc[s][i].Set(madd(w, x[i], acc[s][i]))
			}
		}
		v.Set(v.Add(rowBytes))
		p.Set(p.AddI(4))
		if ct.bytes == 1 {
			sp.Set(sp.Add(scaleStride))
		}
	})
	for s := range acc {
		dst := a.slots.LoadI32(s*slotBytes + slotDst).Add(c.ShlI(2)).Let("dst")
		for i := range vectors {
			dst.StoreV128(16*i, acc[s][i].AsV128(), 2)
		}
	}
}
