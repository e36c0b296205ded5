package tensor

import "pastel/fault"

// quantizers is indexed by Type. Only the command line quantises: what does not call
// Quantize, as engine.wasm, has none of this linked in.
var quantizers = [nTypes]func(dst []byte, src []float32){
	F32:    storeF32,
	F16:    storeF16,
	BF16:   storeBF16,
	Q8_0:   quantizeQ8_0,
	Q4_0:   quantizeQ4_0,
	Q4_1:   quantizeQ4_1,
	Q5_0:   quantizeQ5_0,
	Q5_1:   quantizeQ5_1,
	Q2_K:   quantizeQ2_K,
	Q3_K:   quantizeQ3_K,
	Q4_K:   quantizeQ4_K,
	Q5_K:   quantizeQ5_K,
	Q6_K:   quantizeQ6_K,
	Q8_K:   quantizeQ8_K,
	IQ4_NL: quantizeIQ4_NL,
	IQ4_XS: quantizeIQ4_XS,
	MXFP4:  quantizeMXFP4,
	TQ1_0:  quantizeTQ1_0,
	TQ2_0:  quantizeTQ2_0,
}

// CanQuantize reports whether rows of type t can be made from float32.
func (t Type) CanQuantize() bool { return t < nTypes && quantizers[t] != nil }

// Quantize writes src to dst as rows of type t, without an importance matrix.
// Values must be finite; one that is not spoils its own block only.
//
// Shapes: dst [RowBytes(n)] bytes; src [n]. dst and src must not overlap.
// Errors: ErrUnsupportedType by name; sizes that do not match.
func Quantize(t Type, dst []byte, src []float32) error {
	if !t.CanQuantize() {
		return fault.New(fault.UnsupportedType, "tensor: cannot quantize to ", t)
	}
	if err := checkSizes(t, len(src), len(dst)); err != nil {
		return err
	}
	quantizers[t](dst, src)
	return nil
}
