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

// Store writes src to dst as floats of type t: F32, F16 or BF16.
//
// Shapes: dst [RowBytes(n)] bytes; src [n]. dst and src must not overlap.
// Errors: ErrUnsupportedType by name; sizes that do not match.
func Store(t Type, dst []byte, src []float32) error {
	var store func(dst []byte, src []float32)
	switch t {
	case F32:
		store = storeF32
	case F16:
		store = storeF16
	case BF16:
		store = storeBF16
	default:
		return fault.New(fault.UnsupportedType, "tensor: ", t, " is no type of floats")
	}
	if err := checkSizes(t, len(src), len(dst)); err != nil {
		return err
	}
	store(dst, src)
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
