package gguf

import (
	"math"
	"math/bits"
	"slices"

	"pastel/engine/tensor"
	"pastel/fault"
)

// nextTensor begins the next tensor info, or the padding when there is none.
func (d *Decoder) nextTensor() error {
	if d.nTensors == 0 {
		return d.tensorsDone()
	}
	d.nTensors--
	return d.next(8, (*Decoder).nameLength)
}

func (d *Decoder) nameLength(b []byte) error {
	n := getUint(b)
	if n == 0 || n > maxNameBytes {
		return d.bad("tensor name of ", n, " bytes, want 1 to ", maxNameBytes)
	}
	return d.next(n+4, (*Decoder).nameAndDims)
}

// nameAndDims reads the name and the number of dimensions.
func (d *Decoder) nameAndDims(b []byte) error {
	d.tens = TensorInfo{Name: string(b[:len(b)-4])}
	n := getUint(b[len(b)-4:])
	if n == 0 || n > maxDims {
		return d.badTensor(&d.tens, n, " dimensions, want 1 to ", maxDims)
	}
	return d.next(8*n+12, (*Decoder).shapeTypeOffset)
}

// shapeTypeOffset reads the dimensions, innermost first, the type and the
// offset, which counts from the start of the data and is absolute only later.
func (d *Decoder) shapeTypeOffset(b []byte) error {
	t := &d.tens
	n := (len(b) - 12) / 8
	t.Shape = make([]int, n)
	for i := range n {
		x := getUint(b[8*i:][:8])
		if x == 0 || x > math.MaxInt64 {
			return d.badTensor(t, "dimension ", i, " is ", x)
		}
		t.Shape[n-1-i] = int(x)
	}
	t.Type = tensor.Type(getUint(b[8*n:][:4]))
	t.Offset = getUint(b[8*n+4:])
	if err := setNBytes(t); err != nil {
		return err
	}
	if t.NBytes > d.size {
		return d.badTensor(t, t.NBytes, " bytes, more than the file (", d.size, " bytes)")
	}
	if err := d.file.add(*t); err != nil {
		return err
	}
	return d.nextTensor()
}

// setNBytes computes the size of t from type and shape, without overflow.
func setNBytes(t *TensorInfo) error {
	row, err := t.Type.RowBytes(t.Shape[len(t.Shape)-1])
	if err != nil {
		return fault.New(fault.CodeOf(err), "gguf: tensor ", fault.Quote(t.Name), ": ", err)
	}
	n := uint64(row)
	for _, x := range t.Shape[:len(t.Shape)-1] {
		hi, lo := bits.Mul64(n, uint64(x))
		if hi != 0 || lo > math.MaxInt64 {
			return fault.New(fault.BadFile, "gguf: tensor ", fault.Quote(t.Name), ": shape ", t.Shape, " of ", t.Type, " overflows 63 bits")
		}
		n = lo
	}
	t.NBytes = n
	return nil
}

// tensorsDone makes offsets absolute and skips the padding before the data. A
// file without tensors (a bare vocabulary) need not be padded.
func (d *Decoder) tensorsDone() error {
	d.state = nil
	start, ok := pad(d.pos, d.file.Alignment)
	if len(d.file.Tensors) == 0 {
		d.file.DataOffset = min(start, d.size)
		return nil
	}
	if !ok || start > d.size {
		return d.bad("tensor data would begin at ", start, ", past end of file (", d.size, " bytes)")
	}
	d.file.DataOffset = start
	if err := d.placeTensors(); err != nil {
		return err
	}
	if start == d.pos {
		return nil
	}
	return d.next(start-d.pos, func(d *Decoder, _ []byte) error { d.state = nil; return nil })
}

// placeTensors checks that every extent is aligned and inside the file.
func (d *Decoder) placeTensors() error {
	for i := range d.file.Tensors {
		t := &d.file.Tensors[i]
		if t.Offset%d.file.Alignment != 0 {
			return d.badTensor(t, "offset ", t.Offset, " is not a multiple of the alignment ", d.file.Alignment)
		}
		abs, carry := bits.Add64(d.file.DataOffset, t.Offset, 0)
		end, carry2 := bits.Add64(abs, t.NBytes, 0)
		if carry+carry2 != 0 {
			return d.badTensor(t, "offset ", t.Offset, " overflows")
		}
		if end > d.size {
			return d.badTensor(t, "extent ", abs, "..", end, " past end of file (", d.size, " bytes)")
		}
		t.Offset = abs
	}
	return d.checkOverlap()
}

// checkOverlap refuses tensors that share bytes: no writer makes them, and a
// small file could otherwise claim a large model.
func (d *Decoder) checkOverlap() error {
	order := make([]int32, len(d.file.Tensors))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return compare(d.file.Tensors[a].Offset, d.file.Tensors[b].Offset)
	})
	for i := 1; i < len(order); i++ {
		a, b := &d.file.Tensors[order[i-1]], &d.file.Tensors[order[i]]
		if a.Offset+a.NBytes > b.Offset {
			return d.badTensor(b, "extent at ", b.Offset, " overlaps tensor ", fault.Quote(a.Name), " which ends at ", a.Offset+a.NBytes)
		}
	}
	return nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// pad rounds n up to a multiple of a, a power of two; ok is false on overflow.
func pad(n, a uint64) (padded uint64, ok bool) {
	sum, carry := bits.Add64(n, a-1, 0)
	return sum &^ (a - 1), carry == 0
}

func (d *Decoder) badTensor(t *TensorInfo, parts ...any) error {
	return fault.New(fault.BadFile, append([]any{"gguf: tensor ", fault.Quote(t.Name), ": "}, parts...)...)
}
