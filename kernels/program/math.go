package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// exp4 is eˣ in every lane, about 2 units in the last place; below −86 it is
// about 1e-38, above 88 about 2e38. x is used once.
//
// Method: x = n·ln2 + r with |r| ≤ ln2/2, a degree-6 polynomial for eʳ, and n
// added to the exponent bits. Adding 1.5·2²³ rounds to n and leaves it in the low
// bits: V8 makes five instructions of a conversion, six of f32x4.min, one of pmin.
// Source: Cody & Waite 1980, chapter 6.
func exp4(f *simd128.Func, x simd128.F32x4) simd128.F32x4 {
	x = x.Pmax(f.F32x4(-86.6)).Pmin(f.F32x4(88.3)).Let("ex")
	z := madd(x, f.F32x4(1.44269504), f.F32x4(kernels.StartValue)).Let("ez")
	n := z.Sub(f.F32x4(kernels.StartValue)).Let("en")
	// ln2 in two parts, the first exact when multiplied with n
	r := madd(n, f.F32x4(-0.693359375), x).Let("er")
	r = madd(n, f.F32x4(2.12194440e-4), r).Let("er")
	p := f.F32x4(1.0 / 720)
	for _, c := range []float32{1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1} {
		p = madd(p, r, f.F32x4(c))
	}
	return p.AsI32x4().Add(z.AsI32x4().ShlI(23)).AsF32x4()
}

// sigmoid4 is 1/(1+e⁻ˣ).
func sigmoid4(f *simd128.Func, x simd128.F32x4) simd128.F32x4 {
	return f.F32x4(1).Div(f.F32x4(1).Add(exp4(f, x.Neg())))
}

// tanh4 is 2·sigmoid(2x)−1 away from zero and a polynomial near it, where the
// difference would cancel. x must be a variable or Let.
func tanh4(f *simd128.Func, x simd128.F32x4) simd128.F32x4 {
	two := f.F32x4(2)
	far := two.Mul(sigmoid4(f, x.Mul(two))).Sub(f.F32x4(1)).Let("far")
	x2 := x.Mul(x).Let("x2")
	// x − x³/3 + 2x⁵/15 − 17x⁷/315 + 62x⁹/2835, below 1e-8 relative under 0.25
	p := f.F32x4(62.0 / 2835)
	for _, c := range []float32{-17.0 / 315, 2.0 / 15, -1.0 / 3, 1} {
		p = madd(p, x2, f.F32x4(c))
	}
	near := p.Mul(x).Let("near")
	return near.Bitselect(far, x.Abs().Lt(f.F32x4(0.25)))
}

// sum4 adds the four lanes of x, which must be a variable or Let.
func sum4(x simd128.F32x4) simd128.F32 {
	return x.ExtractLane(0).Add(x.ExtractLane(1)).Add(x.ExtractLane(2).Add(x.ExtractLane(3)))
}

// max4 is the largest lane of x, which must be a variable or Let.
func max4(x simd128.F32x4) simd128.F32 {
	return x.ExtractLane(0).Max(x.ExtractLane(1)).Max(x.ExtractLane(2).Max(x.ExtractLane(3)))
}
