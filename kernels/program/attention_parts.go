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

// sums are those of a tile: variables, [query][vector].
func (a attnFunc) sums(vectors int) [][]simd128.F32x4 {
	acc := make([][]simd128.F32x4, a.queries)
	for s := range acc {
		for range vectors {
			acc[s] = append(acc[s], a.f.F32x4Var("acc"))
		}
	}
	return acc
}

// attnScoresOf emits S[slot][key] = q·k for a block, a tile of keys at a time; where
// fewer are left the last four are repeated.
func (b *builder) attnScoresOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, k0, scale := b.part(name, kind)
	f, ct := a.f, cacheTypes[kind]
	dim := a.r.i32("KeyDim")
	groupBytes := dim.Mul(f.I32(4 * ct.bytes)).Let("group_bytes") // of four keys
	scaleBytes := dim.ShrUI(5).ShlI(4).Let("scale_bytes")
	out := f.I32Var("out")
	out.Set(a.scratch)
	stop := a.scratch.Add(keys.AddI(7).AndI(-8).ShlI(2)).Let("stop")
	k := make([]simd128.I32, a.vectors)
	for g := range k {
		k[g] = f.I32Var("k")
	}
	f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
		k[0].Set(k0)
		for g := 1; g < len(k); g++ {
			k[g].Set(k[g-1].Add(groupBytes))
			if g > 1 { // keys come in eights
				k[g].Set(simd128.Select(out.AddI(int32(16*g)).LtU(stop), k[g], k[g-1]))
			}
		}
		k0.Set(k[len(k)-1].Add(groupBytes))
		a.scoreTile(ct, k, scale, scaleBytes, dim, out)
		if kind == kernels.KVQ8 {
			scale.Set(scale.Add(scaleBytes.MulI(int32(a.vectors))))
		}
		out.Set(out.AddI(int32(16 * a.vectors)))
	})
	return f
}

// scoreTile computes the scores of a tile; it moves k.
func (a attnFunc) scoreTile(ct cacheType, k []simd128.I32, scale, scaleBytes, dim, out simd128.I32) {
	f, acc := a.f, a.sums(len(k))
	q := make([]simd128.I32, a.queries)
	for s := range acc {
		q[s] = f.I32Var("q")
		q[s].Set(a.slots.LoadI32(s*slotBytes + slotQuery))
		for _, y := range acc[s] {
			y.Set(f.F32x4(0))
		}
	}
	columns := func(scales []simd128.F32x4) { // four, downwards as in matmul
		for col := 3; col >= 0; col-- {
			v := make([]simd128.F32x4, len(k))
			for g := range k {
				v[g] = ct.load(a.constants, k[g], 4*col*int(ct.bytes))
				if scales != nil {
					v[g] = v[g].Mul(scales[g])
				}
				v[g] = v[g].Let("v")
			}
			for s := range acc {
				x := q[s].Load32Splat(4 * col).AsF32x4().Let("x")
				for g, y := range acc[s] {
					y.Set(madd(x, v[g], y))
				}
			}
		}
		for s := range q {
			q[s].Set(q[s].AddI(16))
		}
		for g := range k {
			k[g].Set(k[g].AddI(16 * ct.bytes))
		}
	}
	end := k[0].Add(dim.Mul(f.I32(4 * ct.bytes))).Let("k_end")
	if ct.bytes > 1 {
		f.While(func() simd128.I32 { return k[0].LtU(end) }, func() { columns(nil) })
	} else {
		block := f.I32Var("block")
		block.Set(scale)
		f.While(func() simd128.I32 { return k[0].LtU(end) }, func() {
			scales := make([]simd128.F32x4, len(k))
			for g := range k {
				scales[g] = block.Add(scaleBytes.MulI(int32(g))).LoadF32x4(0).Let("scale")
			}
			stop := k[0].AddI(4 * kernels.BlockK).Let("block_end")
			f.While(func() simd128.I32 { return k[0].LtU(stop) }, func() { columns(scales) })
			block.Set(block.AddI(16))
		})
	}
	for s := len(acc) - 1; s >= 0; s-- {
		for g := len(k) - 1; g >= 0; g-- {
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

// valueKeys is the number of keys per turn of the loop over values.
const valueKeys = 4

// attnValuesOf emits dst = dst·fix + S·v, the columns of a tile at a time (and four
// columns where they do not fit).
func (b *builder) attnValuesOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, v, scale := b.part(name, kind)
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
	wide := dim.AndI(int32(-4 * a.vectors)).Let("wide")
	f.While(func() simd128.I32 { return c.LtU(wide) }, func() { columns(a.vectors) })
	f.While(func() simd128.I32 { return c.LtU(dim) }, func() { columns(1) })
	return f
}

// valueColumns adds a block's values in 4·vectors columns starting at c.
func (a attnFunc) valueColumns(ct cacheType, vectors int, at, rowBytes, keys, c, scale, scaleStride simd128.I32) {
	f, acc := a.f, a.sums(vectors)
	v, p := f.I32Var("vp"), f.I32Var("p")
	v.Set(at)
	p.Set(a.scratch)
	for s := range acc {
		dst := a.slots.LoadI32(s*slotBytes + slotDst).Add(c.ShlI(2)).Let("dst")
		fix := a.slots.Load32Splat(s*slotBytes + slotFix).AsF32x4().Let("fix")
		for i := vectors - 1; i >= 0; i-- {
			acc[s][i].Set(dst.LoadF32x4(16 * i).Mul(fix))
		}
	}
	var sp simd128.I32
	if ct.bytes == 1 {
		sp = f.I32Var("sp")
		sp.Set(scale.Add(c.ShrUI(5).ShlI(2)))
	}
	several := func(n int) { // downwards as in matmul
		rows := []simd128.I32{v}
		for len(rows) <= n {
			rows = append(rows, rows[len(rows)-1].Add(rowBytes).Let("row"))
		}
		for j := n - 1; j >= 0; j-- {
			x := make([]simd128.F32x4, vectors)
			var d simd128.F32x4
			if ct.bytes == 1 {
				d = sp.Load32Splat(0).AsF32x4().Let("d")
			}
			for i := vectors - 1; i >= 0; i-- {
				x[i] = ct.load(a.constants, rows[j], i*4*int(ct.bytes))
				if ct.bytes == 1 {
					x[i] = x[i].Mul(d)
				}
				x[i] = x[i].Let("x")
			}
			for s := len(acc) - 1; s >= 0; s-- {
				w := p.Load32Splat(attnScores + s*attnBlock*4 + 4*j).AsF32x4().Let("w")
				for i := range x {
					acc[s][i].Set(madd(w, x[i], acc[s][i]))
				}
			}
		}
		v.Set(rows[n])
		p.Set(p.AddI(int32(4 * n)))
		if ct.bytes == 1 {
			sp.Set(sp.Add(scaleStride))
		}
	}
	stop := a.scratch.Add(keys.ShlI(2)).Let("p_end")
	if vectors > 1 && !a.direct {
		wide := a.scratch.Add(keys.AndI(-valueKeys).ShlI(2)).Let("p_wide")
		f.While(func() simd128.I32 { return p.LtU(wide) }, func() { several(valueKeys) })
	}
	f.While(func() simd128.I32 { return p.LtU(stop) }, func() { several(1) })
	for s := range acc {
		dst := a.slots.LoadI32(s*slotBytes + slotDst).Add(c.ShlI(2)).Let("dst")
		for i := vectors - 1; i >= 0; i-- {
			dst.StoreV128(16*i, acc[s][i].AsV128(), 2)
		}
	}
}
