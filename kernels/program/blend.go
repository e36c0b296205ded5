package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// blend emits the operation: 32 values at a time, whose sums stay in registers
// while every source passes.
func (b *builder) blend() *simd128.Func {
	f, r, start, end := b.unitsFunc("blend", kernels.Blend{})
	dst, sources, weights := r.i32("Dst"), r.i32("Src"), r.i32("Weights")
	last := sources.Add(r.i32("N").ShlI(2)).Let("last")
	mask, widen := f.I32x4(-0x70002000).Let("mask"), f.F32x4(0x1p112).Let("widen")
	sums := make([]simd128.F32x4, kernels.BlendWidth/4)
	for i := range sums {
		sums[i] = f.F32x4Var("sum")
	}
	src, weight, offset := f.I32Var("src"), f.I32Var("weight"), f.I32Var("offset")
	first := start.Mul(f.I32(2 * kernels.SegmentFloats)).Let("first")
	stop := end.Mul(f.I32(2 * kernels.SegmentFloats)).Let("stop")
	size := r.i32("Count").ShlI(1).Let("size")
	f.For(offset, first, simd128.Select(stop.LtS(size), stop, size).Let("until"), 2*kernels.BlendWidth, func() {
		for _, s := range sums {
			s.Set(f.F32x4(0))
		}
		src.Set(sources)
		weight.Set(weights)
		f.While(func() simd128.I32 { return src.LtU(last) }, func() {
			p := src.LoadI32(0).Add(offset).Let("p")
			w := weight.Load32Splat(0).AsF32x4().Mul(widen).Let("w") // see loadHalf4
			for i := 0; i < len(sums); i += 2 {
				h := p.LoadI16x8(8*i, 1).Let("h")
				for j, v := range []simd128.I32x4{h.ExtendLowS(), h.ExtendHighS()} {
					sums[i+j].Set(madd(v.ShlI(13).And(mask).AsF32x4(), w, sums[i+j]))
				}
			}
			src.Set(src.AddI(4))
			weight.Set(weight.AddI(4))
		})
		to := dst.Add(offset).Let("to")
		for i := 0; i < len(sums); i += 2 {
			to.StoreV128(8*i, toHalf4(f, sums[i]).NarrowU(toHalf4(f, sums[i+1])).AsV128(), 1)
		}
	})
	return f
}

// toHalf4 narrows values below 65520 to float16, to nearest even, subnormal ones
// to zero. x must be a variable.
func toHalf4(f *simd128.Func, x simd128.F32x4) simd128.I32x4 {
	bits := x.AsI32x4()
	abs := bits.And(f.I32x4(0x7fffffff)).Let("abs")
	odd := abs.ShrUI(13).And(f.I32x4(1))
	half := abs.Add(f.I32x4(0xfff - 112<<23)).Add(odd).ShrUI(13)
	return half.And(abs.GeS(f.I32x4(0x38800000))).Or(bits.ShrUI(16).And(f.I32x4(0x8000)))
}
