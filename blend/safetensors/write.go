package safetensors

import (
	"maps"
	"slices"

	"pastel/engine/jsonvalue"
	"pastel/engine/tensor"
	"pastel/fault"
)

// NewTensor makes a tensor of values in one of the types that Floats reads.
//
// Errors: fault.UnsupportedType for any other type, fault.BadRequest when the
// shape does not hold len(values) elements.
func NewTensor(name string, dtype DType, shape []int, values []float32) (Tensor, error) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		return Tensor{}, fault.New(fault.BadRequest, "safetensors: tensor ", fault.Quote(name), ": ", len(values), " values for shape ", shape)
	}
	to, ok := floatTypes[dtype]
	if !ok {
		return Tensor{}, fault.New(fault.UnsupportedType, "safetensors: cannot write ", string(dtype))
	}
	t := Tensor{Name: name, DType: dtype, Shape: shape, Data: make([]byte, uint64(n)*dtype.size())}
	if n == 0 {
		return t, nil
	}
	return t, tensor.Store(to, t.Data, values)
}

// Append writes f after dst and returns the result: tensors in the given
// order, the header padded with spaces to a multiple of 8 bytes, metadata keys
// sorted. Equal files give equal bytes.
func (f *File) Append(dst []byte) []byte {
	header := jsonvalue.Append(nil, f.header(), jsonvalue.Style{})
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	for i := range 8 {
		dst = append(dst, byte(uint64(len(header))>>(8*i)))
	}
	dst = append(dst, header...)
	for i := range f.Tensors {
		dst = append(dst, f.Tensors[i].Data...)
	}
	return dst
}

func (f *File) header() jsonvalue.Value {
	var members []jsonvalue.Member
	if len(f.Metadata) > 0 {
		var meta []jsonvalue.Member
		for _, k := range slices.Sorted(maps.Keys(f.Metadata)) {
			meta = append(meta, jsonvalue.Member{Key: k, Value: jsonvalue.OfString(f.Metadata[k])})
		}
		members = append(members, jsonvalue.Member{Key: "__metadata__", Value: jsonvalue.OfObject(meta)})
	}
	at := 0
	for i := range f.Tensors {
		t := &f.Tensors[i]
		members = append(members, jsonvalue.Member{Key: t.Name, Value: jsonvalue.OfObject([]jsonvalue.Member{
			{Key: "dtype", Value: jsonvalue.OfString(string(t.DType))},
			{Key: "shape", Value: integers(t.Shape...)},
			{Key: "data_offsets", Value: integers(at, at+len(t.Data))},
		})})
		at += len(t.Data)
	}
	return jsonvalue.OfObject(members)
}

func integers(list ...int) jsonvalue.Value {
	out := make([]jsonvalue.Value, len(list))
	for i, n := range list {
		out[i] = jsonvalue.OfInt(int64(n))
	}
	return jsonvalue.OfArray(out)
}
