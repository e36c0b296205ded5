package safetensors

import (
	"math"

	"pastel/engine/jsonvalue"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/order"
)

// MaxHeader is the largest JSON header the format allows, in bytes.
const MaxHeader = 100_000_000

// A DType is an element type by its name in the format.
type DType string

// The element types that Floats can read.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
)

// size returns the bytes of one element, 0 for a type the format does not have.
func (d DType) size() uint64 {
	switch d {
	case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3":
		return 1
	case F16, BF16, "I16", "U16":
		return 2
	case F32, "I32", "U32":
		return 4
	case "F64", "I64", "U64":
		return 8
	}
	return 0
}

// A Tensor is one entry of a file. Data aliases the bytes given to Parse.
type Tensor struct {
	Name  string
	DType DType
	Shape []int  // outermost first
	Data  []byte // little endian, row-major
}

// A File is a parsed container, its tensors in the order of their data.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor
}

// Parse reads a whole file. It allocates in proportion to the header that is
// really there and copies no tensor data.
//
// Errors: fault.BadFile for every break of the format: a header that is over
// MaxHeader or past the end, bad JSON, repeated names, unknown types, offsets
// that overlap, leave holes or disagree with type × shape.
func Parse(b []byte) (*File, error) {
	header, data, err := split(b)
	if err != nil {
		return nil, err
	}
	v, err := jsonvalue.Options{MaxBytes: MaxHeader, MaxDepth: 4, MaxValues: 1 << 20, RefuseDuplicates: true}.Parse(header)
	if err != nil {
		return nil, fault.New(fault.BadFile, "safetensors: header: ", err)
	}
	members, ok := v.Object()
	if !ok {
		return nil, fault.New(fault.BadFile, "safetensors: header is a JSON ", v.Kind(), ", not an object")
	}
	return parseEntries(members, data)
}

// split takes the file apart at the end of its header.
func split(b []byte) (header, data []byte, err error) {
	if len(b) < 8 {
		return nil, nil, fault.New(fault.BadFile, "safetensors: file of ", len(b), " bytes has no header length")
	}
	n := le64(b)
	if n > MaxHeader || n > uint64(len(b)-8) {
		return nil, nil, fault.New(fault.BadFile, "safetensors: header of ", n, " bytes in a file of ", len(b))
	}
	return b[8 : 8+n], b[8+n:], nil
}

func le64(b []byte) uint64 {
	var n uint64
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

// extent is an entry with its place in the data, before the data is cut up.
type extent struct {
	Tensor
	begin, end uint64
}

func parseEntries(members []jsonvalue.Member, data []byte) (*File, error) {
	f := &File{Metadata: map[string]string{}}
	var extents []extent
	for _, m := range members {
		if m.Key == "__metadata__" {
			if err := f.readMetadata(m.Value); err != nil {
				return nil, err
			}
			continue
		}
		e, err := parseExtent(m)
		if err != nil {
			return nil, err
		}
		extents = append(extents, e)
	}
	if err := f.cut(extents, data); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) readMetadata(v jsonvalue.Value) error {
	members, ok := v.Object()
	if !ok {
		return fault.New(fault.BadFile, "safetensors: __metadata__ is a JSON ", v.Kind(), ", not an object")
	}
	for _, m := range members {
		s, ok := m.Value.String()
		if !ok {
			return fault.New(fault.BadFile, "safetensors: __metadata__ ", fault.Quote(m.Key), " is no string")
		}
		f.Metadata[m.Key] = s
	}
	return nil
}

// parseExtent reads {"dtype": …, "shape": […], "data_offsets": [begin, end]}.
func parseExtent(m jsonvalue.Member) (extent, error) {
	bad := func(parts ...any) (extent, error) {
		return extent{}, fault.New(fault.BadFile, append([]any{"safetensors: tensor ", fault.Quote(m.Key), ": "}, parts...)...)
	}
	dtype, _ := get(m.Value, "dtype").String()
	e := extent{Tensor: Tensor{Name: m.Key, DType: DType(dtype)}}
	if e.DType.size() == 0 {
		return bad("unknown dtype ", fault.Quote(dtype))
	}
	shape, ok := naturals(get(m.Value, "shape"))
	if !ok || len(shape) > 8 {
		return bad("shape is not a list of at most 8 natural numbers")
	}
	offsets, ok := naturals(get(m.Value, "data_offsets"))
	if !ok || len(offsets) != 2 || offsets[0] > offsets[1] {
		return bad("data_offsets is not [begin, end]")
	}
	n := e.DType.size()
	for _, d := range shape {
		if d != 0 && n > math.MaxInt64/d {
			return bad("size of ", shape, " overflows")
		}
		n *= d
		e.Shape = append(e.Shape, int(d))
	}
	e.begin, e.end = offsets[0], offsets[1]
	if n != e.end-e.begin {
		return bad(dtype, " ", shape, " needs ", n, " bytes, its extent has ", e.end-e.begin)
	}
	return e, nil
}

func get(v jsonvalue.Value, key string) jsonvalue.Value {
	x, _ := v.Get(key)
	return x
}

// naturals reads a list of integers in 0..2⁵³, the range JSON can carry.
func naturals(v jsonvalue.Value) ([]uint64, bool) {
	list, ok := v.Array()
	if !ok {
		return nil, false
	}
	var out []uint64
	for _, x := range list {
		n, ok := x.Int()
		if !ok || n < 0 || n > 1<<53 {
			return nil, false
		}
		out = append(out, uint64(n))
	}
	return out, true
}

// before orders extents by where they lie; empty ones at one place by name.
func (e *extent) before(f *extent) bool {
	switch {
	case e.begin != f.begin:
		return e.begin < f.begin
	case e.end != f.end:
		return e.end < f.end
	}
	return e.Name < f.Name
}

// cut gives every tensor its bytes. The extents must tile the data exactly.
func (f *File) cut(extents []extent, data []byte) error {
	order.By(len(extents), func(i, j int) bool { return extents[i].before(&extents[j]) },
		func(i, j int) { extents[i], extents[j] = extents[j], extents[i] })
	var at uint64
	for _, e := range extents {
		if e.begin != at || e.end > uint64(len(data)) {
			return fault.New(fault.BadFile, "safetensors: tensor ", fault.Quote(e.Name), ": extent ", e.begin, "..", e.end,
				" where offset ", at, " of ", len(data), " is next")
		}
		e.Data = data[e.begin:e.end:e.end]
		f.Tensors = append(f.Tensors, e.Tensor)
		at = e.end
	}
	if at != uint64(len(data)) {
		return fault.New(fault.BadFile, "safetensors: ", uint64(len(data))-at, " bytes after the last tensor")
	}
	return nil
}

// NElems is the number of elements.
func (t *Tensor) NElems() int { return int(uint64(len(t.Data)) / t.DType.size()) }

// Floats converts the data to float32; exact for the three types it knows.
//
// Errors: fault.UnsupportedType for every other type.
func (t *Tensor) Floats() ([]float32, error) {
	from, ok := floatTypes[t.DType]
	if !ok {
		return nil, fault.New(fault.UnsupportedType, "safetensors: tensor ", fault.Quote(t.Name), ": cannot read ", string(t.DType), " as floats")
	}
	out := make([]float32, t.NElems())
	if len(out) == 0 {
		return out, nil
	}
	return out, tensor.Dequantize(from, out, t.Data)
}

var floatTypes = map[DType]tensor.Type{F32: tensor.F32, F16: tensor.F16, BF16: tensor.BF16}
