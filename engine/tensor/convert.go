package tensor

import "pastel/fault"

// Dequantize writes the float32 values of src, rows of type t, to dst.
//
// Shapes: dst [n]; src [RowBytes(n)] bytes. dst and src must not overlap.
// Errors: ErrUnsupportedType by name; sizes that do not match.
func Dequantize(t Type, dst []float32, src []byte) error {
	f := t.lookup()
	if f.dequantize == nil {
		return fault.New(fault.UnsupportedType, "tensor: cannot dequantize ", t)
	}
	if err := checkSizes(t, len(dst), len(src)); err != nil {
		return err
	}
	f.dequantize(dst, src)
	return nil
}

// Quantize writes src to dst as rows of type t, without an importance matrix.
// Values must be finite; one that is not spoils its own block only.
//
// Shapes: dst [RowBytes(n)] bytes; src [n]. dst and src must not overlap.
// Errors: ErrUnsupportedType by name; sizes that do not match.
func Quantize(t Type, dst []byte, src []float32) error {
	f := t.lookup()
	if f.quantize == nil {
		return fault.New(fault.UnsupportedType, "tensor: cannot quantize to ", t)
	}
	if err := checkSizes(t, len(src), len(dst)); err != nil {
		return err
	}
	f.quantize(dst, src)
	return nil
}

func checkSizes(t Type, nElems, nBytes int) error {
	want, err := t.RowBytes(nElems)
	if err != nil {
		return err
	}
	if want != nBytes {
		return fault.New(fault.BadRequest, "tensor: ", nElems, " elements of ", t, " take ", want, " bytes, not ", nBytes)
	}
	return nil
}
