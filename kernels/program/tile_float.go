package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A floatShape is the shape of a tile of float weights.
type floatShape struct {
	groups  int
	columns int // per turn of the inner loop
}

// floatShape returns the shape for a number of tokens.
//
// One token's sums do not wait for one another in four groups; in the baseline that shows
// with float32 alone (wazero 1.5; halves 1.07). V8 is as fast with one column to a turn;
// wazero, which runs the baseline alone, takes 1.5 to 1.9 times as long with one as with
// four. Two tokens are wazero's as well: four groups share an activation, whose broadcast is
// four instructions there, and eight columns the check of every pointer (1.28 over four
// tokens, two groups and four columns; V8 0.98 to 1.01).
func (b *builder) floatShape(format kernels.Format, width int) floatShape {
	switch {
	case b.m.Relaxed && width == 1:
		return floatShape{groups: 4, columns: 1}
	case b.m.Relaxed:
		return floatShape{groups: 2, columns: 1}
	case width > 1:
		return floatShape{groups: 4, columns: 8}
	case format == kernels.F32:
		return floatShape{groups: 4, columns: 4}
	}
	return floatShape{groups: 2, columns: 4}
}

// floatTile emits a tile function of float weights: one vector holds one column
// of four rows.
func (b *builder) floatTile(format kernels.Format, width int, partial *simd128.Func) *simd128.Func {
	step, shape := format.GroupBytes(1), b.floatShape(format, width)
	bytes := func(f *simd128.Func, k simd128.I32) simd128.I32 { return groupBytes(f, format, k) }
	return b.tile(format.String(), shape.groups, width, bytes, partial, func(t *tileFunc) {
		f := t.f
		if width > 1 || format != kernels.F16 { // F16 has the short rows
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
		if shape.columns > 1 {
			wide := w[0].Add(t.k.AndI(int32(-shape.columns)).Mul(f.I32(int32(step)))).Let("wide")
			f.While(func() simd128.I32 { return w[0].LtU(wide) }, func() { columns(shape.columns) })
		}
		end := t.w[0].Add(t.groupBytes).Let("end")
		f.While(func() simd128.I32 { return w[0].LtU(end) }, func() { columns(1) })
	})
}

// floatTiles emits the tile function of a whole tile of tokens: in the baseline two by
// two.
func (b *builder) floatTiles(partial *simd128.Func) *simd128.Func {
	if b.m.Relaxed {
		return b.floatTile(kernels.F32, kernels.TileTokens, partial)
	}
	tile := b.floatTile(kernels.F32, 2, partial)
	f := b.m.Func("matmul_F32")
	base, first, end := f.ParamI32("record"), f.ParamI32("first"), f.ParamI32("end")
	x, dst, w := f.ParamI32("x"), f.ParamI32("dst"), f.ParamI32("w")
	r := recordOf(f, base, kernels.Matmul{})
	t := f.I32Var("t")
	f.For(t, f.I32(0), f.I32(kernels.TileTokens), 2, func() {
		f.Call(tile, base, first, end, x, dst, w)
		x.Set(x.Add(r.i32("XStride").ShlI(3)))
		dst.Set(dst.Add(r.i32("DstStride").ShlI(3)))
	})
	return f
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
