package program

import (
	"math"

	"pastel/simd128"
)

func negInf() float32 { return float32(math.Inf(-1)) }

// probe emits q8_zero() → i32: how this engine's dot instruction takes bytes
// above 127 in its second operand, which relaxed SIMD leaves open.
//
//	0    as signed: Q8_0 weights are stored as they are (the baseline always)
//	128  as unsigned: Q8_0 weights are stored plus 128
//	-1   neither (16-bit sums saturate): use the simd128 flavour
//
// Source: WebAssembly relaxed SIMD, i32x4.relaxed_dot_i8x16_i7x16_add_s. An
// engine answers the same way for as long as it runs.
func (b *builder) probe() *simd128.Func {
	f := b.m.Func("q8_zero")
	f.Export("q8_zero")
	f.Results(simd128.TypeI32)
	if !b.m.Relaxed {
		f.Return(f.I32(0))
		return f
	}
	sum := f.I32Var("sum")
	sum.Set(f.I8x16(127).RelaxedDotAdd(f.I8x16(-1), f.I32x4(0)).ExtractLane(0))
	f.If(sum.EqI(4*127*-1), func() { f.Return(f.I32(0)) })
	f.If(sum.EqI(4*127*255), func() { f.Return(f.I32(128)) })
	f.Return(f.I32(-1))
	return f
}
