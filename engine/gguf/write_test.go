package gguf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// copyOf writes f again, taking the tensors' bytes from the file it came from.
func copyOf(t *testing.T, f *gguf.File, from []byte) []byte {
	t.Helper()
	var out gguf.File
	for _, key := range f.Metadata.Keys() {
		out.Metadata.Copy(key, &f.Metadata)
	}
	for _, ti := range f.Tensors {
		if err := out.Add(ti.Name, ti.Type, ti.Shape...); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if err := gguf.Write(&buf, &out, bytesOf(f, from)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// bytesOf is a data source for Write over a file in memory.
func bytesOf(f *gguf.File, file []byte) func(io.Writer, gguf.TensorInfo) error {
	return func(w io.Writer, t gguf.TensorInfo) error {
		src, _ := f.Tensor(t.Name)
		_, err := w.Write(file[src.Offset : src.Offset+src.NBytes])
		return err
	}
}

// TestWriteReadsBack: real files written again are the same bytes, up to the
// padding after the last tensor, which writers differ about.
func TestWriteReadsBack(t *testing.T) {
	names, err := filepath.Glob("../../testdata/models/*.gguf")
	if err != nil || len(names) < 4 {
		t.Fatalf("models: %v, %v", names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got := copyOf(t, decode(t, b), b)
		n := min(len(got), len(b))
		if !bytes.Equal(got[:n], b[:n]) || max(len(got), len(b))-n >= 32 {
			t.Errorf("%s: %d bytes became %d others", filepath.Base(name), len(b), len(got))
		}
	}
}

func TestSetReadsBack(t *testing.T) {
	values := []any{
		uint8(1), int8(-1), uint16(2), int16(-2), uint32(3), int32(-3), uint64(math.MaxUint64), int64(math.MinInt64),
		float32(0.5), 0.25, true, false, "text", "",
		[]uint32{1, math.MaxUint32},
		[]int32{-1, 2},
		[]float32{1.5},
		[]bool{true, false},
		[]string{"a", "", "b"},
		[]string{},
		[]int32{},
	}
	var f gguf.File
	for i, v := range values {
		f.Metadata.Set(string(rune('a'+i)), v)
	}
	f.Metadata.Set("a", uint8(9)) // replaced in its place
	var buf bytes.Buffer
	if err := gguf.Write(&buf, &f, nil); err != nil {
		t.Fatal(err)
	}
	got := decode(t, buf.Bytes())
	if !reflect.DeepEqual(got.Metadata.Keys(), f.Metadata.Keys()) {
		t.Errorf("keys %v, want %v", got.Metadata.Keys(), f.Metadata.Keys())
	}
	if a, b := got.AppendJSON(nil, 0), f.AppendJSON(nil, 0); !bytes.Equal(a, b) {
		t.Errorf("read back %s, want %s", a, b)
	}
}

func TestSetRefusesNonsense(t *testing.T) {
	for name, set := range map[string]func(m *gguf.Metadata){
		"empty key": func(m *gguf.Metadata) { m.Set("", true) },
		"long key":  func(m *gguf.Metadata) { m.Set(strings.Repeat("k", 1<<16), true) },
		"int":       func(m *gguf.Metadata) { m.Set("k", 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			set(&gguf.Metadata{})
		}()
	}
}

func TestAddErrors(t *testing.T) {
	var f gguf.File
	for _, tt := range []struct {
		name  string
		typ   tensor.Type
		shape []int
	}{
		{"", tensor.F32, []int{1}},
		{strings.Repeat("n", 65), tensor.F32, []int{1}},
		{"none", tensor.F32, nil},
		{"five", tensor.F32, []int{1, 1, 1, 1, 1}},
		{"zero", tensor.F32, []int{4, 0}},
		{"negative", tensor.F32, []int{-4}},
		{"part block", tensor.Q4_0, []int{32, 31}},
		{"overflow", tensor.F32, []int{1 << 40, 1 << 40}},
		{"unknown", tensor.Type(99), []int{32}},
	} {
		if err := f.Add(tt.name, tt.typ, tt.shape...); err == nil {
			t.Errorf("Add(%q, %s, %v) is accepted", tt.name, tt.typ, tt.shape)
		}
	}
	if err := f.Add("once", tensor.F32, 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Add("once", tensor.F32, 1); err == nil {
		t.Error("a name is accepted twice")
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{ left int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return 0, errFull
	}
	d.left -= len(p)
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	newFile := func() *gguf.File {
		var f gguf.File
		f.Metadata.Set("general.alignment", uint32(64))
		if err := f.Add("a", tensor.F32, 3); err != nil {
			t.Fatal(err)
		}
		return &f
	}
	zeros := func(n int) func(io.Writer, gguf.TensorInfo) error {
		return func(w io.Writer, _ gguf.TensorInfo) error { _, err := w.Write(make([]byte, n)); return err }
	}
	for n := range 192 {
		if err := gguf.Write(&fullDisk{n}, newFile(), zeros(12)); !errors.Is(err, errFull) {
			t.Fatalf("a disk of %d bytes: %v", n, err)
		}
	}
	if err := gguf.Write(&fullDisk{192}, newFile(), zeros(12)); err != nil {
		t.Errorf("a disk of just enough: %v", err)
	}
	for _, n := range []int{11, 13} {
		if err := gguf.Write(io.Discard, newFile(), zeros(n)); err == nil || !strings.Contains(err.Error(), "bytes written, want 12") {
			t.Errorf("%d bytes for a tensor of 12: %v", n, err)
		}
	}
	bad := newFile()
	bad.Metadata.Set("general.alignment", uint32(3))
	if err := gguf.Write(io.Discard, bad, zeros(12)); err == nil {
		t.Error("alignment 3 is written")
	}
}

// TestWriteRandomFiles: write → read is the identity on whatever Add takes.
func TestWriteRandomFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	types := []tensor.Type{tensor.F32, tensor.F16, tensor.Q8_0, tensor.Q4_K, tensor.I8}
	for range 50 {
		var f gguf.File
		if rng.IntN(2) == 0 {
			f.Metadata.Set("general.alignment", uint32(8)<<rng.IntN(6))
		}
		want := map[string][]byte{}
		for i := range rng.IntN(6) {
			typ := types[rng.IntN(len(types))]
			shape := make([]int, 1+rng.IntN(4))
			for j := range shape {
				shape[j] = 1 + rng.IntN(3)
			}
			shape[len(shape)-1] *= typ.BlockElems()
			name := string(rune('a' + i))
			if err := f.Add(name, typ, shape...); err != nil {
				t.Fatal(err)
			}
			want[name] = make([]byte, f.Tensors[i].NBytes)
			for j := range want[name] {
				want[name][j] = byte(rng.Uint32())
			}
		}
		var buf bytes.Buffer
		err := gguf.Write(&buf, &f, func(w io.Writer, t gguf.TensorInfo) error { _, err := w.Write(want[t.Name]); return err })
		if err != nil {
			t.Fatal(err)
		}
		if size, err := f.Layout(); err != nil || size != uint64(buf.Len()) {
			t.Fatalf("Layout() = %d, %v for %d bytes written", size, err, buf.Len())
		}
		got := decode(t, buf.Bytes())
		if !reflect.DeepEqual(got, &f) {
			t.Fatalf("read back %+v, want %+v", got, f)
		}
		for name, data := range want {
			ti, _ := got.Tensor(name)
			if !bytes.Equal(buf.Bytes()[ti.Offset:ti.Offset+ti.NBytes], data) {
				t.Fatalf("tensor %s holds other bytes", name)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	f := decode(t, everyKind(3))
	f.Metadata.Set("nan", float32(math.NaN()))
	f.Metadata.Set("nasty", "\"\\\x00\x1f\t\xff<é")
	f.Metadata.Set("many", make([]int32, 100))
	b := f.AppendJSON(nil, 16)
	var got struct {
		Version  int
		Metadata map[string]any
		Tensors  []struct {
			Name, Type string
			Shape      []int
			Bytes      int
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	for key, want := range map[string]any{
		"u8": 255.0, "i16": -2.0, "bool": true, "str": "héllo\n", "nan": nil, "nasty": "\"\\\x00\x1f\t\ufffd<é",
		"strs": []any{"a", "", "ccc"}, "f32s": []any{-1.5}, "bools": []any{true, false}, "f32": 0.1,
	} {
		if !reflect.DeepEqual(got.Metadata[key], want) {
			t.Errorf("%s = %v, want %v", key, got.Metadata[key], want)
		}
	}
	many, _ := got.Metadata["many"].(map[string]any)
	if many["count"] != 100.0 || many["elem"] != "i32" || len(many["head"].([]any)) != 16 {
		t.Errorf("a long array is %v", many)
	}
	if len(got.Tensors) != 2 || got.Tensors[0].Name != "mat" || got.Tensors[0].Type != "Q4_0" || !reflect.DeepEqual(got.Tensors[0].Shape, []int{3, 64}) || got.Tensors[0].Bytes != 108 {
		t.Errorf("tensors %+v", got.Tensors)
	}
	if !bytes.Contains(b, []byte(`"u64":18446744073709551615`)) {
		t.Error("the largest u64 is not written whole")
	}
}
