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
func exp4(e *expConstants, x simd128.F32x4) simd128.F32x4 {
	x = x.Pmax(e.least).Pmin(e.most).Let("ex")
	z := madd(x, e.log2e, e.magic).Let("ez")
	n := z.Sub(e.magic).Let("en")
	r := madd(n, e.ln2[0], x).Let("er")
	r = madd(n, e.ln2[1], r).Let("er")
	p := e.poly[0]
	for _, c := range e.poly[1:] {
		p = madd(p, r, c)
	}
	return p.AsI32x4().Add(z.AsI32x4().ShlI(23)).AsF32x4()
}

// expConstants are exp4's constants in locals (see constants).
type expConstants struct {
	f                         *simd128.Func
	least, most, log2e, magic simd128.F32x4
	ln2                       [2]simd128.F32x4 // −ln2 in two parts, the first exact when multiplied with n
	poly                      []simd128.F32x4  // highest power first
	one                       simd128.F32x4
}

// newExp binds the constants; call it outside loops.
func newExp(f *simd128.Func) *expConstants {
	let := func(v float32) simd128.F32x4 { return f.F32x4(v).Let("exp_c") }
	e := &expConstants{f: f, least: let(-86.6), most: let(88.3), log2e: let(1.44269504), magic: let(kernels.StartValue),
		ln2: [2]simd128.F32x4{let(-0.693359375), let(2.12194440e-4)}, one: let(1)}
	for _, c := range []float32{1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5} {
		e.poly = append(e.poly, let(c))
	}
	e.poly = append(e.poly, e.one, e.one)
	return e
}

// sigmoid4 is 1/(1+e⁻ˣ).
func sigmoid4(e *expConstants, x simd128.F32x4) simd128.F32x4 {
	return e.one.Div(e.one.Add(exp4(e, x.Neg())))
}

// tanh4 is tanh(x). x must be a variable or Let.
func tanh4(e *expConstants, x simd128.F32x4) simd128.F32x4 {
	return tanhOf(e.f, x, sigmoid4(e, x.Add(x)).Let("sigmoid"))
}

// tanhOf is tanh(x) of x and sigmoid(2x): 2·sigmoid(2x)−1 away from zero and a
// polynomial near it, where the difference would cancel. Both must be variables or Let.
func tanhOf(f *simd128.Func, x, sigmoid simd128.F32x4) simd128.F32x4 {
	far := sigmoid.Add(sigmoid).Sub(f.F32x4(1)).Let("far")
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
