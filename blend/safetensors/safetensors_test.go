package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pastel/fault"
)

// file builds a container around a header text, independent of File.Append.
func file(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestParseReadsTheFormat(t *testing.T) {
	f, err := Parse(file(`{"__metadata__":{"format":"pt"},
		"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},
		"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
		"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[12,12]},
		"scalar":{"dtype":"BF16","shape":[],"data_offsets":[12,14]}}  `,
		0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0x00, 0x3C, 0x00, 0xC0, 0x40, 0x40))
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["format"] != "pt" || len(f.Tensors) != 4 {
		t.Fatalf("Parse = %+v", f)
	}
	want := map[string][]float32{"a": {1, -2}, "b": {1, -2}, "empty": {}, "scalar": {3}}
	for i := range f.Tensors {
		got, err := f.Tensors[i].Floats()
		if err != nil || !reflect.DeepEqual(got, want[f.Tensors[i].Name]) {
			t.Errorf("tensor %q = %v (%v), want %v", f.Tensors[i].Name, got, err, want[f.Tensors[i].Name])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	one := func(entry string) []byte { return file(`{"a":`+entry+`}`, 1, 2, 3, 4) }
	for _, tt := range []struct {
		name, says string
		data       []byte
	}{
		{"empty file", "no header length", nil},
		{"seven bytes", "no header length", make([]byte, 7)},
		{"header past the end", "header of 99", binary.LittleEndian.AppendUint64(nil, 99)},
		{"header longer than allowed", "header of", binary.LittleEndian.AppendUint64(nil, 1<<63)},
		{"header is no JSON", "header", file("nope")},
		{"header is an array", "not an object", file("[]")},
		{"same name twice", "header", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`)},
		{"metadata not strings", "__metadata__", file(`{"__metadata__":{"x":1}}`)},
		{"metadata a list", "__metadata__", file(`{"__metadata__":[]}`)},
		{"unknown dtype", "dtype", one(`{"dtype":"F31","shape":[1],"data_offsets":[0,4]}`)},
		{"no dtype", "dtype", one(`{"shape":[1],"data_offsets":[0,4]}`)},
		{"entry is a number", "dtype", one(`7`)},
		{"negative extent", "shape", one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`)},
		{"fractional extent", "shape", one(`{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}`)},
		{"product overflows", "overflows", one(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}`)},
		{"product wraps to the length", "overflows", one(`{"dtype":"F32","shape":[4294967296,4294967296,4294967296,2],"data_offsets":[0,0]}`)},
		{"nine dimensions", "shape", one(`{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}`)},
		{"shape disagrees with extent", "needs 8 bytes", one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`)},
		{"one offset", "data_offsets", one(`{"dtype":"F32","shape":[1],"data_offsets":[0]}`)},
		{"offsets backwards", "data_offsets", one(`{"dtype":"F32","shape":[1],"data_offsets":[4,0]}`)},
		{"past the end", "extent 0..8", one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`)},
		{"hole before", "extent 2..4", one(`{"dtype":"F16","shape":[1],"data_offsets":[2,4]}`)},
		{"bytes after", "2 bytes after", one(`{"dtype":"F16","shape":[1],"data_offsets":[0,2]}`)},
		{"overlap", "extent 2..6", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 1, 2, 3, 4, 5, 6)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.data)
			if !errors.Is(err, fault.Sentinel(fault.BadFile)) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Parse = %v, want ERR_BAD_FILE with %q", err, tt.says)
			}
		})
	}
}

func TestFloatsRefusesIntegers(t *testing.T) {
	f, err := Parse(file(`{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tensors[0].Floats(); !errors.Is(err, fault.Sentinel(fault.UnsupportedType)) {
		t.Errorf("Floats of I32 = %v", err)
	}
}

func TestAppendIsInverseOfParse(t *testing.T) {
	var f File
	f.Metadata = map[string]string{"format": "pt", "a": "ü\"\n"}
	for _, tt := range []struct {
		name  string
		dtype DType
		shape []int
		vals  []float32
	}{
		{"x.lora_A.weight", F32, []int{2, 3}, []float32{1, -2, 3.25, float32(math.Inf(1)), 1e-30, 0}},
		{"x.lora_B.weight", F16, []int{3, 1}, []float32{1, -0.5, 65504}},
		{"none", F32, []int{0}, nil},
	} {
		tensor, err := NewTensor(tt.name, tt.dtype, tt.shape, tt.vals)
		if err != nil {
			t.Fatal(err)
		}
		f.Tensors = append(f.Tensors, tensor)
	}
	b := f.Append(nil)
	if !json.Valid(b[8 : 8+binary.LittleEndian.Uint64(b)]) {
		t.Error("the header is no JSON for encoding/json")
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for i, tensor := range got.Tensors {
		want := f.Tensors[i]
		if tensor.Name != want.Name || tensor.DType != want.DType || !reflect.DeepEqual(tensor.Shape, want.Shape) || string(tensor.Data) != string(want.Data) {
			t.Errorf("tensor %d = %+v, want %+v", i, tensor, want)
		}
	}
	if !reflect.DeepEqual(got.Metadata, f.Metadata) {
		t.Errorf("metadata = %v", got.Metadata)
	}
}

func TestNewTensorChecksShape(t *testing.T) {
	if _, err := NewTensor("a", F32, []int{2, 2}, make([]float32, 3)); err == nil {
		t.Error("3 values for [2 2] were accepted")
	}
	if _, err := NewTensor("a", "I8", []int{3}, make([]float32, 3)); err == nil {
		t.Error("I8 was accepted")
	}
}

// Whatever Parse accepts must survive a round trip and convert without panic.
func FuzzParse(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Add(file(`{"__metadata__":{"x":"y"},"a":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}`))
	f.Add(file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err != nil {
			return
		}
		for i := range got.Tensors {
			got.Tensors[i].Floats()
		}
		again, err := Parse(got.Append(nil))
		if err != nil || len(again.Tensors) != len(got.Tensors) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
