package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// floatUnroll is the number of columns per turn of the inner loop.
const floatUnroll = 4

// floatGroup multiplies one group of float weights with every token of the
// tile: one vector of weights holds one column of four rows.
func (t *tileFunc) floatGroup(format kernels.Format) {
	f := t.f
	step := 16
	if format != kernels.F32 {
		step = 8
	}
	xStride := t.rec.i32("XStride").ShlI(2).Let("x_stride")
	w := f.I32Var("wp")
	w.Set(t.w)
	x := make([]simd128.I32, t.width)
	for u := range x {
		x[u] = f.I32Var("xp")
		if u == 0 {
			x[u].Set(t.x)
		} else {
			x[u].Set(x[u-1].Add(xStride))
		}
	}
	columns := func(n int) {
		for c := range n {
			v := loadFloatWeights(f, w, c*step, format).Let("w")
			for u := range x {
				t.results[u].Set(madd(x[u].Load32Splat(4*c).AsF32x4(), v, t.results[u]))
			}
		}
		w.Set(w.AddI(int32(n * step)))
		for u := range x {
			x[u].Set(x[u].AddI(int32(4 * n)))
		}
	}
	wide := w.Add(t.k.AndI(-floatUnroll).Mul(f.I32(int32(step)))).Let("wide")
	f.While(func() simd128.I32 { return w.LtU(wide) }, func() { columns(floatUnroll) })
	end := t.w.Add(t.groupBytes).Let("end")
	f.While(func() simd128.I32 { return w.LtU(end) }, func() { columns(1) })
}

// loadFloatWeights loads one column of four rows as float32.
func loadFloatWeights(f *simd128.Func, w simd128.I32, offset int, format kernels.Format) simd128.F32x4 {
	switch format {
	case kernels.F16:
		return loadHalf4(f, w, offset)
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
