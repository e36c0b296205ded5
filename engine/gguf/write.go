package gguf

import (
	"io"

	"pastel/engine/tensor"
	"pastel/fault"
)

// Add appends a tensor to a file that is to be written. Where its bytes will lie
// is settled by Layout.
//
// Shapes: row-major, outermost first.
// Errors: what a reader would refuse: names, dimensions, rows of part blocks,
// a name given twice.
func (f *File) Add(name string, typ tensor.Type, shape ...int) error {
	t := TensorInfo{Name: name, Type: typ, Shape: shape}
	if len(name) == 0 || len(name) > maxNameBytes {
		return fault.New(fault.BadRequest, "gguf: tensor name of ", len(name), " bytes, want 1 to ", maxNameBytes)
	}
	if len(shape) == 0 || len(shape) > maxDims {
		return fault.New(fault.BadRequest, "gguf: tensor ", fault.Quote(name), ": ", len(shape), " dimensions, want 1 to ", maxDims)
	}
	for _, x := range shape {
		if x <= 0 {
			return fault.New(fault.BadRequest, "gguf: tensor ", fault.Quote(name), ": shape ", shape)
		}
	}
	if err := setNBytes(&t); err != nil {
		return err
	}
	return f.add(t)
}

// Layout settles version (3 unless set), alignment (general.alignment or 32),
// and where every tensor lies, and returns the size of the file.
func (f *File) Layout() (uint64, error) {
	a, err := alignment(&f.Metadata)
	if err != nil {
		return 0, err
	}
	if f.Version == 0 {
		f.Version = 3
	}
	f.Alignment = a
	start, _ := pad(uint64(len(f.appendHeader(nil))), a)
	f.DataOffset = start
	end := start
	for i := range f.Tensors {
		f.Tensors[i].Offset = end
		end, _ = pad(end+f.Tensors[i].NBytes, a)
	}
	if end > 1<<62 {
		return 0, fault.New(fault.BadRequest, "gguf: a file of ", end, " bytes")
	}
	return end, nil
}

// Write lays f out and writes it. data is called once for each tensor, in
// order, and must write exactly t.NBytes to w; Write pads.
//
// Errors: those of w and data, and a wrong number of bytes.
func Write(w io.Writer, f *File, data func(w io.Writer, t TensorInfo) error) error {
	if _, err := f.Layout(); err != nil {
		return err
	}
	out := &counter{w: w}
	if _, err := out.Write(f.appendHeader(nil)); err != nil {
		return err
	}
	for _, t := range f.Tensors {
		if err := out.padTo(t.Offset); err != nil {
			return err
		}
		if err := data(out, t); err != nil {
			return err
		}
		if out.n != t.Offset+t.NBytes {
			return fault.New(fault.BadRequest, "gguf: tensor ", fault.Quote(t.Name), ": ", out.n-t.Offset, " bytes written, want ", t.NBytes)
		}
	}
	end, _ := pad(out.n, f.Alignment)
	return out.padTo(end)
}

// appendHeader writes everything before the padding.
func (f *File) appendHeader(dst []byte) []byte {
	dst = append(dst, "GGUF"...)
	dst = appendUint(dst, uint64(f.Version), 4)
	dst = appendUint(dst, uint64(len(f.Tensors)), 8)
	dst = appendUint(dst, uint64(len(f.Metadata.keys)), 8)
	for i, key := range f.Metadata.keys {
		dst = appendString(dst, key)
		dst = f.Metadata.values[i].append(dst)
	}
	for i := range f.Tensors {
		dst = f.appendTensor(dst, &f.Tensors[i])
	}
	return dst
}

// appendTensor writes one tensor info: dimensions innermost first, the offset
// from the start of the data.
func (f *File) appendTensor(dst []byte, t *TensorInfo) []byte {
	dst = appendString(dst, t.Name)
	dst = appendUint(dst, uint64(len(t.Shape)), 4)
	for i := len(t.Shape) - 1; i >= 0; i-- {
		dst = appendUint(dst, uint64(t.Shape[i]), 8)
	}
	dst = appendUint(dst, uint64(t.Type), 4)
	return appendUint(dst, t.Offset-f.DataOffset, 8)
}

// append writes the kind and the value.
func (v *value) append(dst []byte) []byte {
	dst = appendUint(dst, uint64(v.kind), 4)
	switch v.kind {
	case kindString:
		return appendString(dst, v.text)
	case kindArray:
		dst = appendUint(dst, uint64(v.elem), 4)
		dst = appendUint(dst, uint64(v.n), 8)
		for i := range v.ends {
			dst = appendString(dst, v.str(i))
		}
		return append(dst, v.raw...)
	}
	return appendUint(dst, v.bits, kindBytes[v.kind])
}

func appendString(dst []byte, s string) []byte {
	return append(appendUint(dst, uint64(len(s)), 8), s...)
}

// A counter knows how far the file has come.
type counter struct {
	w io.Writer
	n uint64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += uint64(n)
	return n, err
}

func (c *counter) padTo(end uint64) error {
	_, err := c.Write(make([]byte, end-c.n))
	return err
}
