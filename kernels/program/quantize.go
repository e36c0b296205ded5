package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// quantize writes tiles of tokens (see kernels.ActLayout). A unit is a tile,
// found by walking the widths from the first token.
func (b *builder) quantize() *simd128.Func {
	token := b.quantizeToken()
	f, r, start, end := b.unitsFunc("quantize", kernels.Quantize{})
	n, k := r.i32("N"), r.i32("K")
	x, dst := r.i32("X"), r.i32("Dst")
	xStride := r.i32("XStride").ShlI(2).Let("x_stride")
	nb := k.ShrUI(5).Let("nb")
	subs := f.I32(32).DivU(r.i32("Sub")).Let("subs")
	tokenBytes := actTokenBytes(nb, subs).Let("token_bytes")
	t, tile, width := f.I32Var("t"), f.I32Var("tile"), f.I32Var("width")
	u := f.I32Var("u")
	narrow := r.i32("Narrow")
	f.While(func() simd128.I32 { return t.LtS(n) }, func() {
		whole := n.Sub(t).GeSI(kernels.TileTokens).And(narrow.Eqz())
		width.Set(simd128.Select(whole, f.I32(kernels.TileTokens), f.I32(1)))
		f.If(tile.GeS(start).And(tile.LtS(end)), func() {
			f.For(u, f.I32(0), width, 1, func() {
				f.Call(token, r.base, x.Add(t.Add(u).Mul(xStride)), dst.Add(t.Mul(tokenBytes)), width, u, nb, subs)
			})
		})
		t.Set(t.Add(width))
		tile.Set(tile.AddI(1))
	})
	return f
}

// quantizeToken writes token u of a tile.
func (b *builder) quantizeToken() *simd128.Func {
	f := b.m.Func("quantize_token")
	r := recordOf(f, f.ParamI32("record"), kernels.Quantize{})
	x, tile, width := f.ParamI32("x"), f.ParamI32("tile"), f.ParamI32("width")
	u, nb, subs := f.ParamI32("u"), f.ParamI32("nb"), f.ParamI32("subs")
	zero := f.I32(0).Sub(r.i32("Zero")).Let("zero")
	step := width.ShlI(2).Let("step") // bytes per block of the planes behind the integers
	blockBytes := width.ShlI(6).Let("block_bytes")
	plane := nb.Mul(step).Let("plane")
	q, d, starts, sumsAt := f.I32Var("q"), f.I32Var("d"), f.I32Var("starts"), f.I32Var("sums")
	q.Set(tile.Add(u.ShlI(6)))
	d.Set(tile.Add(nb.Mul(blockBytes)).Add(u.ShlI(2)))
	starts.Set(d.Add(plane))
	sumsAt.Set(starts.Add(plane.Mul(subs)))
	magic := f.F32x4(kernels.StartValue).Let("magic")
	magicBits := f.I32x4(kernels.StartBits).Let("magic_bits")
	stop := x.Add(nb.ShlI(7)).Let("stop")
	f.While(func() simd128.I32 { return x.LtU(stop) }, func() {
		v := make([]simd128.F32x4, 8)
		top := f.F32x4Var("top")
		top.Set(f.F32x4(0))
		for j := range v {
			v[j] = x.LoadF32x4(16 * j).Let("v")
			top.Set(top.Pmax(v[j].Abs()))
		}
		amax := max4(top).Let("amax")
		inv, scale := f.F32Var("inv"), f.F32Var("scale")
		inv.Set(f.F32(0))
		scale.Set(f.F32(0))
		f.If(amax.Gt(f.F32(0)), func() {
			inv.Set(f.F32(127).Div(amax))
			scale.Set(amax.Div(f.F32(127)))
		})
		inv4 := inv.Splat().Let("inv4")
		sum := f.I32x4Var("sum")
		for half := range 2 { // sixteen columns
			var w [4]simd128.I32x4
			for j := range w {
				w[j] = v[4*half+j].Mul(inv4).Add(magic).AsI32x4().Sub(magicBits).Let("w") // to nearest even
			}
			lo, hi := w[0].NarrowS(w[1]).Let("lo"), w[2].NarrowS(w[3]).Let("hi")
			bytes := lo.NarrowS(hi).AsV128().Let("bytes")
			q.StoreV128(32*half, bytes, 2)
			q.StoreV128(32*half+16, bytes, 2)
			ones := lo.Add(hi).Dot(f.I16x8(1))
			if half == 1 {
				f.If(subs.EqI(2), func() {
					b.storeSum(f, sum, zero, scale, starts, sumsAt, step)
					sum.Set(f.I32x4(0))
				})
			}
			sum.Set(sum.Add(ones))
		}
		b.storeSum(f, sum, zero, scale, starts, sumsAt, step)
		d.StoreF32(0, scale)
		d.Set(d.Add(step))
		q.Set(q.Add(blockBytes))
		x.Set(x.AddI(128))
	})
	return f
}

// storeSum writes one start value and one sum and moves to the next.
func (b *builder) storeSum(f *simd128.Func, lanes simd128.I32x4, zero simd128.I32, scale simd128.F32, starts, sums, step simd128.I32) {
	s := lanes.ExtractLane(0).Add(lanes.ExtractLane(1)).Add(lanes.ExtractLane(2).Add(lanes.ExtractLane(3))).Let("s")
	starts.StoreI32(0, s.Mul(zero).Add(f.I32(kernels.StartBits)))
	sums.StoreF32(0, scale.Mul(s.ConvertF32S()))
	starts.Set(starts.Add(step))
	sums.Set(sums.Add(step))
}
