package program

import "pastel/simd128"

// This file is where the flavours differ.

// accumulator sums products of unsigned or small weights with int8 activations,
// one i32 lane per row. The relaxed flavour has one instruction for it; split in
// two, its sums wait for each other half as long, which gains 11% for one token
// and costs registers for six. The baseline widens to 16 bits, which spreads a
// row's sum over two lanes of a pair of vectors that total joins again.
type accumulator struct {
	f      *simd128.Func
	split  bool
	lo, hi simd128.I32x4
}

// newAccumulator declares the variables.
func newAccumulator(f *simd128.Func, split bool) accumulator {
	a := accumulator{f: f, split: split, lo: f.I32x4Var("acc")}
	if split || !f.Module().Relaxed {
		a.hi = f.I32x4Var("acc_hi")
	}
	return a
}

// reset starts the sum of every row at the value start loads (see
// kernels.ActLayout).
func (a accumulator) reset(start func() simd128.I32x4) {
	if a.f.Module().Relaxed {
		a.lo.Set(start())
		if a.split {
			a.hi.Set(a.f.I32x4(0))
		}
		return
	}
	a.lo.Set(a.f.I32x4(0))
	a.hi.Set(a.f.I32x4(0))
}

// add adds the products of vector j of a block of weights (four columns of four
// rows) with four activations.
func (a accumulator) add(j int, w weights, x activations) {
	if a.f.Module().Relaxed {
		sum := a.lo
		if a.split && j >= 4 {
			sum = a.hi
		}
		sum.Set(x.bytes.RelaxedDotAdd(w.bytes, sum))
		return
	}
	a.lo.Set(a.lo.Add(w.lo.Dot(x.lo)))
	a.hi.Set(a.hi.Add(w.hi.Dot(x.hi)))
}

// total returns the sums, one lane per row. start is what reset was given, zero
// is kernels.StartValue.
func (a accumulator) total(start func() simd128.I32x4, zero simd128.F32x4) simd128.F32x4 {
	if a.f.Module().Relaxed {
		if a.split {
			return a.lo.Add(a.hi).AsF32x4().Sub(zero)
		}
		return a.lo.AsF32x4().Sub(zero)
	}
	even := [16]byte{0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27}
	odd := [16]byte{4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31}
	lo, hi := a.lo.AsI8x16(), a.hi.AsI8x16()
	return lo.Shuffle(hi, even).AsI32x4().Add(lo.Shuffle(hi, odd).AsI32x4()).Add(start()).AsF32x4().Sub(zero)
}

// weights is a vector of stored weights, ready to be multiplied.
type weights struct {
	bytes  simd128.I8x16
	lo, hi simd128.I16x8
}

// prepare binds a vector of weights; signed says whether its bytes are signed.
func prepare(w simd128.I8x16, signed bool) weights {
	w = w.Let("w")
	if w.Relaxed() {
		return weights{bytes: w}
	}
	if signed {
		return weights{lo: w.ExtendLowS().Let("w_lo"), hi: w.ExtendHighS().Let("w_hi")}
	}
	return weights{lo: w.ExtendLowU().Let("w_lo"), hi: w.ExtendHighU().Let("w_hi")}
}

// activations is sixteen int8 activations, four for every row.
type activations struct {
	bytes  simd128.I8x16
	lo, hi simd128.I16x8
}

// loadActs loads the sixteen bytes at x+offset.
func loadActs(x simd128.I32, offset int) activations {
	if x.Relaxed() {
		return activations{bytes: x.LoadI8x16(offset, 2)}
	}
	hi := x.Load8x8S(offset+8, 2).Let("x_hi")
	return activations{lo: x.Load8x8S(offset, 2), hi: hi}
}

// let binds the activations for more than one use.
func (x activations) let() activations {
	if x.bytes != (simd128.I8x16{}) {
		return activations{bytes: x.bytes.Let("x")}
	}
	return activations{lo: x.lo.Let("x_lo"), hi: x.hi.Let("x_hi")}
}

// madd is x·y + z: fused in the relaxed flavour, two roundings in the baseline.
func madd(x, y, z simd128.F32x4) simd128.F32x4 {
	if z.Relaxed() {
		return x.RelaxedMadd(y, z)
	}
	return x.Mul(y).Add(z)
}
