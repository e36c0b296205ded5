package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// floatUnroll is the number of columns per turn of the inner loop in the baseline: wazero, which
// runs no other, takes 1.5 to 1.9 times as long with one. V8 is as fast with one.
const floatUnroll = 4

// oneTokenGroups is the number of groups of a tile of one token: their sums do not wait
// for one another. In the baseline that shows with float32 alone (wazero 1.5; halves 1.07).
func (b *builder) oneTokenGroups(format kernels.Format) int {
	if b.m.Relaxed || format == kernels.F32 {
		return 4
	}
	return 2
}

// floatTile emits a tile function of float weights: one vector holds one column
// of four rows.
func (b *builder) floatTile(format kernels.Format, width int, partial *simd128.Func) *simd128.Func {
	step := format.GroupBytes(1)
	bytes := func(f *simd128.Func, k simd128.I32) simd128.I32 { return groupBytes(f, format, k) }
	groups := 2
	if width == 1 {
		groups = b.oneTokenGroups(format)
	}
	return b.tile(format.String(), groups, width, bytes, partial, func(t *tileFunc) {
		f := t.f
		if width > 1 {
			t.storeGroup = b.sharedStore(partial, width)
		}
		xStride := t.rec.i32("XStride").ShlI(2).Let("x_stride")
		x, w := make([]simd128.I32, width), make([]simd128.I32, len(t.w))
		for u := range x {
			x[u] = f.I32Var("xp")
			if u == 0 {
				x[u].Set(t.x)
			} else {
				x[u].Set(x[u-1].Add(xStride))
			}
		}
		for g := range w {
			w[g] = f.I32Var("wp")
			w[g].Set(t.w[g])
		}
		columns := func(n int) {
			for c := n - 1; c >= 0; c-- {
				v := make([]simd128.F32x4, len(w))
				for g := range w {
					v[g] = loadFloatWeights(t.constants, w[g], c*step, format).Let("w")
				}
				for u := range x {
					at := x[u].Load32Splat(4 * c).AsF32x4().Let("x")
					for g, y := range t.results {
						y[u].Set(madd(at, v[g], y[u]))
					}
				}
			}
			for g := range w {
				w[g].Set(w[g].AddI(int32(n * step)))
			}
			for u := range x {
				x[u].Set(x[u].AddI(int32(4 * n)))
			}
		}
		if !b.m.Relaxed {
			wide := w[0].Add(t.k.AndI(-floatUnroll).Mul(f.I32(int32(step)))).Let("wide")
			f.While(func() simd128.I32 { return w[0].LtU(wide) }, func() { columns(floatUnroll) })
		}
		end := t.w[0].Add(t.groupBytes).Let("end")
		f.While(func() simd128.I32 { return w[0].LtU(end) }, func() { columns(1) })
	})
}

// loadFloatWeights loads one column of four rows as float32.
func loadFloatWeights(c *constants, w simd128.I32, offset int, format kernels.Format) simd128.F32x4 {
	switch format {
	case kernels.F16:
		return c.half4(w, offset)
	case kernels.BF16:
		return w.Load16x4U(offset).AsI32x4().ShlI(16).AsF32x4()
	}
	return w.LoadF32x4(offset)
}

// loadHalf4 widens four float16 values. Moving exponent and fraction to their
// float32 place leaves a value 2¹¹² too small, subnormals included; infinities
// and NaN become large numbers, and files do not hold them (see kernels.Format).
func loadHalf4(f *simd128.Func, p simd128.I32, offset int) simd128.F32x4 {
	bits := p.Load16x4S(offset).AsI32x4().ShlI(13).And(f.I32x4(-0x70002000)) // 0x8fffe000
	return bits.AsF32x4().Mul(f.F32x4(0x1p112))
}
