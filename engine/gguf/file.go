package gguf

import (
	"pastel/engine/tensor"
	"pastel/fault"
)

// A File is the header of a GGUF file, or of several shards merged into one.
// It is read-only after reading and then safe for concurrent use.
type File struct {
	Version    uint32
	Alignment  uint64 // bytes; a power of two
	Metadata   Metadata
	Tensors    []TensorInfo // in the order of the file
	DataOffset uint64       // where tensor data begins, bytes from the start of the (first) file

	index map[string]int // name → position in Tensors
}

// A TensorInfo says what a tensor is and where its bytes lie.
type TensorInfo struct {
	Name   string
	Type   tensor.Type
	Shape  []int  // row-major, outermost first; 1 to 4 dimensions, none of them 0
	Offset uint64 // bytes from the start of its file
	NBytes uint64
	Shard  int // which file, 0 when there is one
}

// NElems returns the number of weights.
func (t TensorInfo) NElems() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Tensor returns the tensor called name.
func (f *File) Tensor(name string) (TensorInfo, bool) {
	i, ok := f.index[name]
	if !ok {
		return TensorInfo{}, false
	}
	return f.Tensors[i], true
}

// add appends t and refuses a second tensor of the same name.
func (f *File) add(t TensorInfo) error {
	if _, dup := f.index[t.Name]; dup {
		return fault.New(fault.BadFile, "gguf: tensor ", fault.Quote(t.Name), ": listed twice")
	}
	if f.index == nil {
		f.index = make(map[string]int)
	}
	f.index[t.Name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, t)
	return nil
}
