package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Scratch of Route: probabilities and selection scores of one token.
const (
	routeProbs  = 0
	routeScores = 4 * kernels.MaxExperts
)

// route picks experts. It is serial per token: a router has a hundred scores.
func (b *builder) route() *simd128.Func {
	f, r, start, end := b.unitsFunc("route", kernels.Route{})
	experts, used := r.i32("Experts"), r.i32("Used")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	t := f.I32Var("t")
	f.For(t, start, end, 1, func() {
		b.routerProbs(f, r, r.i32("X").Add(t.Mul(experts).ShlI(2)).Let("x"), scratch, experts)
		ids := at(f, r.i32("IDs"), t.Mul(used))
		weights := at(f, r.i32("Weights"), t.Mul(used))
		stop := ids.Add(used.ShlI(2)).Let("stop")
		first := weights.Let("first")
		sum := f.F32Var("sum")
		sum.Set(f.F32(0))
		f.While(func() simd128.I32 { return ids.LtU(stop) }, func() {
			best := b.largest(f, scratch.AddI(routeScores), experts)
			scratch.Add(best.ShlI(2)).StoreF32(routeScores, f.F32(negInf()))
			p := scratch.Add(best.ShlI(2)).LoadF32(routeProbs).Let("p")
			ids.StoreI32(0, best)
			weights.StoreF32(0, p)
			sum.Set(sum.Add(p))
			ids.Set(ids.AddI(4))
			weights.Set(weights.AddI(4))
		})
		factor := f.F32Var("factor")
		factor.Set(r.f32("Scale"))
		f.If(r.i32("Normalise"), func() { factor.Set(factor.Div(sum)) })
		w := f.I32Var("w")
		w.Set(first)
		f.While(func() simd128.I32 { return w.LtU(weights) }, func() {
			w.StoreF32(0, w.LoadF32(0).Mul(factor))
			w.Set(w.AddI(4))
		})
	})
	return f
}

// routerProbs fills the scratch with probabilities and selection scores.
func (b *builder) routerProbs(f *simd128.Func, r *record, x, scratch, experts simd128.I32) {
	i, e := f.I32Var("i"), newExp(f)
	top, sum := f.F32Var("top"), f.F32Var("sum")
	top.Set(f.F32(negInf()))
	sum.Set(f.F32(0))
	each := func(body func(slot simd128.I32)) {
		f.For(i, f.I32(0), experts, 1, func() { body(scratch.Add(i.ShlI(2)).Let("slot")) })
	}
	each(func(simd128.I32) { top.Set(top.Max(x.Add(i.ShlI(2)).LoadF32(0))) })
	sigmoid := r.i32("Sigmoid")
	each(func(slot simd128.I32) {
		v := x.Add(i.ShlI(2)).LoadF32(0).Let("v")
		p := f.F32Var("p")
		p.Set(exp4(e, simd128.Select(sigmoid, v.Neg(), v.Sub(top)).Splat()).Let("p4").ExtractLane(0))
		f.If(sigmoid, func() { p.Set(f.F32(1).Div(f.F32(1).Add(p))) })
		slot.StoreF32(routeProbs, p)
		sum.Set(sum.Add(p))
	})
	bias := r.i32("Bias")
	each(func(slot simd128.I32) {
		p := f.F32Var("p")
		p.Set(slot.LoadF32(routeProbs))
		f.If(sigmoid.Eqz(), func() { p.Set(p.Div(sum)) })
		slot.StoreF32(routeProbs, p)
		f.If(bias, func() { p.Set(p.Add(bias.Add(i.ShlI(2)).LoadF32(0))) })
		slot.StoreF32(routeScores, p)
	})
}

// largest is the index of the first largest of count floats at x; NaN never wins.
func (b *builder) largest(f *simd128.Func, x, count simd128.I32) simd128.I32 {
	x = x.Let("scores")
	i, best := f.I32Var("i"), f.I32Var("best")
	top := f.F32Var("top")
	best.Set(f.I32(0))
	top.Set(f.F32(negInf()))
	f.For(i, f.I32(0), count, 1, func() {
		v := x.Add(i.ShlI(2)).LoadF32(0).Let("v")
		f.If(v.Gt(top), func() {
			top.Set(v)
			best.Set(i)
		})
	})
	return best
}

// expertMatmul calls the tile functions of one token with the groups of the
// expert it chose. The output pointer is set back so that group 0 of the expert
// lands on row 0.
func (b *builder) expertMatmul() *simd128.Func {
	table := b.tables().single
	f, r, start, end := b.unitsFunc("expert_matmul", kernels.ExpertMatmul{})
	used, perSlot := r.i32("Used"), r.i32("PerSlot")
	xBytes := b.tokenBytes(f, r)
	dstBytes := r.i32("DstStride").ShlI(2).Let("dst_bytes")
	groups := r.i32("ExpertRows").ShrUI(2).Let("groups")
	format, w := r.i32("Format"), r.i32("W")
	slots := r.i32("N").Mul(used).Let("slots")
	x, dst, ids := r.i32("X"), r.i32("Dst"), r.i32("IDs")
	i := f.I32Var("i")
	f.For(i, f.I32(0), slots, 1, func() {
		first := ids.Add(i.ShlI(2)).LoadI32(0).Mul(groups).Let("first")
		row := simd128.Select(perSlot, i, i.DivU(used))
		f.CallIndirect(table, tileSignature, format, r.base, first.Add(start), first.Add(end),
			x.Add(row.Mul(xBytes)), dst.Add(i.Mul(dstBytes)).Sub(first.ShlI(4)), w)
	})
	return f
}

// expertSum adds the outputs of a token's experts to the residual.
func (b *builder) expertSum() *simd128.Func {
	f, r, start, end := b.unitsFunc("expert_sum", kernels.ExpertSum{})
	used, dim, scale := r.i32("Used"), r.i32("Dim"), r.f32("Scale")
	t, s := f.I32Var("t"), f.I32Var("s")
	f.For(t, start, end, 1, func() {
		f.For(s, f.I32(0), used, 1, func() {
			slot := t.Mul(used).Add(s).Let("slot")
			w := r.i32("Weights").Add(slot.ShlI(2)).LoadF32(0).Mul(scale).Splat().Let("w")
			d, x := at(f, r.i32("Dst"), t.Mul(dim)), at(f, r.i32("X"), slot.Mul(dim))
			vectors(f, dim, []simd128.I32{d, x}, func() {
				d.StoreV128(0, madd(x.LoadF32x4(0), w, d.LoadF32x4(0)).AsV128(), 2)
			}, func() {
				d.StoreF32(0, madd(x.Load32Splat(0).AsF32x4(), w, d.Load32Splat(0).AsF32x4()).Let("y").ExtractLane(0))
			})
		})
	})
	return f
}
