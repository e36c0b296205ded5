package gguf_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// everyKind is a small file with one value of every kind and two tensors.
func everyKind(version uint32) raw {
	r := header(version, 2, 17).
		key("u8", u8).bytes(255).
		key("i8", i8).bytes(0x80).
		key("u16", u16).bytes(0xff, 0xff).
		key("i16", i16).bytes(0xfe, 0xff).
		key("u32", u32).u32(math.MaxUint32).
		key("i32", i32).u32(math.MaxUint32).
		key("u64", u64).u64(math.MaxUint64).
		key("i64", i64).u64(math.MaxUint64).
		key("f32", f32).u32(math.Float32bits(0.1)).
		key("f64", f64).u64(math.Float64bits(0.1)).
		key("bool", boolean).bytes(1).
		key("str", str).str("héllo\n").
		key("empty", str).str("").
		key("strs", array).u32(str).u64(3).str("a").str("").str("ccc").
		key("i32s", array).u32(i32).u64(2).u32(7).u32(math.MaxUint32).
		key("f32s", array).u32(f32).u64(1).u32(math.Float32bits(-1.5)).
		key("bools", array).u32(boolean).u64(2).bytes(1, 0)
	r = r.tensor("mat", 2, 0, 64, 3).tensor("vec", 0, 128, 5)
	return r.padTo(32, 128+20)
}

func decode(t *testing.T, b []byte) *gguf.File {
	t.Helper()
	f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryKind(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		b := everyKind(version)
		f := decode(t, b)
		m := &f.Metadata
		for _, tt := range []struct {
			key  string
			get  func(key string) (any, error)
			want any
		}{
			{"u8", uintOf(m), uint64(255)},
			{"i8", intOf(m), int64(-128)},
			{"u16", uintOf(m), uint64(65535)},
			{"i16", intOf(m), int64(-2)},
			{"u32", uintOf(m), uint64(math.MaxUint32)},
			{"u32", intOf(m), int64(math.MaxUint32)},
			{"i32", intOf(m), int64(-1)},
			{"u64", uintOf(m), uint64(math.MaxUint64)},
			{"i64", intOf(m), int64(-1)},
			{"f32", floatOf(m), float64(float32(0.1))},
			{"f64", floatOf(m), 0.1},
			{"bool", func(k string) (any, error) { return m.Bool(k, false) }, true},
			{"str", func(k string) (any, error) { return m.String(k, "") }, "héllo\n"},
			{"empty", func(k string) (any, error) { return m.String(k, "x") }, ""},
			{"strs", func(k string) (any, error) { return m.Strings(k) }, []string{"a", "", "ccc"}},
			{"i32s", func(k string) (any, error) { return m.Ints(k) }, []int32{7, -1}},
			{"f32s", func(k string) (any, error) { return m.Floats(k) }, []float32{-1.5}},
			{"bools", func(k string) (any, error) { return m.Bools(k) }, []bool{true, false}},
		} {
			if got, err := tt.get(tt.key); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("v%d %s = %v, %v, want %v", version, tt.key, got, err, tt.want)
			}
		}
		want := []gguf.TensorInfo{
			{Name: "mat", Type: tensor.Q4_0, Shape: []int{3, 64}, Offset: f.DataOffset, NBytes: 108},
			{Name: "vec", Type: tensor.F32, Shape: []int{5}, Offset: f.DataOffset + 128, NBytes: 20},
		}
		if !reflect.DeepEqual(f.Tensors, want) {
			t.Errorf("tensors = %+v, want %+v", f.Tensors, want)
		}
		if got, ok := f.Tensor("vec"); !ok || !reflect.DeepEqual(got, want[1]) {
			t.Errorf("Tensor(vec) = %+v, %v", got, ok)
		}
		if _, ok := f.Tensor("nothing"); ok {
			t.Error("Tensor(nothing) is there")
		}
		if f.Version != version || f.Alignment != 32 || f.DataOffset+148 != uint64(len(b)) {
			t.Errorf("version %d, alignment %d, data at %d of %d", f.Version, f.Alignment, f.DataOffset, len(b))
		}
	}
}

func uintOf(m *gguf.Metadata) func(string) (any, error) {
	return func(k string) (any, error) { return m.Uint(k, 0) }
}

func intOf(m *gguf.Metadata) func(string) (any, error) {
	return func(k string) (any, error) { return m.Int(k, 0) }
}

func floatOf(m *gguf.Metadata) func(string) (any, error) {
	return func(k string) (any, error) { return m.Float(k, 0) }
}

// TestWrongTypes: a getter never reinterprets, llama.cpp #26690.
func TestWrongTypes(t *testing.T) {
	f := decode(t, everyKind(3))
	m := &f.Metadata
	getters := map[string]func(key string) error{
		"Uint":    func(k string) error { _, err := m.Uint(k, 0); return err },
		"Int":     func(k string) error { _, err := m.Int(k, 0); return err },
		"Float":   func(k string) error { _, err := m.Float(k, 0); return err },
		"Bool":    func(k string) error { _, err := m.Bool(k, false); return err },
		"String":  func(k string) error { _, err := m.String(k, ""); return err },
		"Strings": func(k string) error { _, err := m.Strings(k); return err },
		"Floats":  func(k string) error { _, err := m.Floats(k); return err },
		"Ints":    func(k string) error { _, err := m.Ints(k); return err },
		"Bools":   func(k string) error { _, err := m.Bools(k); return err },
	}
	takes := map[string]string{
		"Uint": "u8 u16 u32 u64", "Int": "u8 i8 u16 i16 u32 i32 i64", "Float": "f32 f64", "Bool": "bool",
		"String": "str empty", "Strings": "strs", "Floats": "f32s", "Ints": "i32s", "Bools": "bools",
	}
	for name, get := range getters {
		for _, key := range m.Keys() {
			ok := bytes.Contains([]byte(" "+takes[name]+" "), []byte(" "+key+" "))
			if err := get(key); (err == nil) != ok {
				t.Errorf("%s(%s) error = %v, want success %v", name, key, err, ok)
			}
		}
		if err := get("absent"); err != nil {
			t.Errorf("%s(absent) error = %v", name, err)
		}
	}
	if x, _ := m.Uint("absent", 9); x != 9 {
		t.Errorf("default = %d", x)
	}
	if _, err := m.Uint("i8", 0); err == nil || err.Error() != `gguf: key "i8": -128 is negative` {
		t.Errorf("Uint of a negative: %v", err)
	}
	if m.IsArray("i32") || !m.IsArray("i32s") || m.IsArray("absent") || m.Has("absent") {
		t.Error("IsArray or Has is wrong")
	}
}

// TestSplitAnywhere: the same header whatever the pieces, and never a byte more.
func TestSplitAnywhere(t *testing.T) {
	b := everyKind(3)
	want := decode(t, b)
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range 200 {
		d := gguf.NewDecoder(uint64(len(b)))
		at, taken := 0, 0
		for at < len(b) {
			n := 1
			if trial > 0 {
				n = 1 + rng.IntN(40)
			}
			end := min(len(b), at+n)
			k, err := d.Write(b[at:end])
			if err != nil {
				t.Fatal(err)
			}
			if !d.Done() && k != end-at {
				t.Fatalf("Write took %d of %d bytes before the header's end", k, end-at)
			}
			taken += k
			at = end
		}
		got, err := d.File()
		if err != nil {
			t.Fatal(err)
		}
		if uint64(taken) != want.DataOffset || !reflect.DeepEqual(got, want) {
			t.Fatalf("trial %d: took %d bytes, want %d; or another header", trial, taken, want.DataOffset)
		}
	}
}

func TestTruncatedStream(t *testing.T) {
	b := everyKind(3)
	whole := decode(t, b)
	for n := range int(whole.DataOffset) {
		d := gguf.NewDecoder(uint64(len(b)))
		if k, err := d.Write(b[:n]); k != n || err != nil || d.Done() {
			t.Fatalf("Write of the first %d bytes = %d, %v, done %v", n, k, err, d.Done())
		}
		if _, err := d.File(); err == nil {
			t.Fatalf("File after %d of %d bytes: no error", n, whole.DataOffset)
		}
		if _, err := gguf.Read(bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Fatalf("a file cut to %d bytes is read", n)
		}
	}
}

func TestErrorsStay(t *testing.T) {
	d := gguf.NewDecoder(100)
	_, err := d.Write([]byte("nonsense, and enough of it to fill"))
	if err == nil {
		t.Fatal("nonsense is taken")
	}
	n, again := d.Write([]byte("GGUF"))
	if _, ferr := d.File(); n != 0 || again != err || ferr != err || d.Done() {
		t.Errorf("after an error: Write = %d, %v, File: %v, done %v", n, again, ferr, d.Done())
	}
}

// failing is a file whose disk breaks after n bytes.
type failing struct{ n int64 }

var errDisk = errors.New("disk on fire")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.n {
		return 0, errDisk
	}
	b := everyKind(3)
	return copy(p[:min(int64(len(p)), f.n-off)], b[off:]), errDisk
}

func TestReadErrors(t *testing.T) {
	if _, err := gguf.Read(failing{100}, 1000); !errors.Is(err, errDisk) {
		t.Errorf("Read error = %v", err)
	}
	b := everyKind(3)
	if _, err := gguf.Read(bytes.NewReader(b[:50]), int64(len(b))); !errors.Is(err, io.EOF) {
		t.Errorf("a file shorter than told: %v", err)
	}
}

// TestProjectorHeader: a file of another kind, kept without its weights, is a
// header like any other; refusing its architecture is for others.
func TestProjectorHeader(t *testing.T) {
	b, err := os.ReadFile("../../testdata/models/mmproj-tinygemma3.gguf.head")
	if err != nil {
		t.Fatal(err)
	}
	d := gguf.NewDecoder(1039072)
	if _, err := d.Write(b); err != nil {
		t.Fatal(err)
	}
	f, err := d.File()
	if err != nil {
		t.Fatal(err)
	}
	if arch, err := f.Metadata.String("general.architecture", ""); err != nil || arch != "clip" || len(f.Tensors) != 71 {
		t.Errorf("architecture %q, %v, %d tensors", arch, err, len(f.Tensors))
	}
}

const vocabSize = 150_000

// vocabulary is a header with as many tokens as large models have.
func vocabulary() []byte {
	buf := bytes.NewBuffer(header(3, 0, 1).key("tokenizer.ggml.tokens", array).u32(str).u64(vocabSize))
	for range vocabSize {
		buf.Write(raw{}.str("token!"))
	}
	return buf.Bytes()
}

// TestVocabularyIsCompact: 150 000 tokens cost little more than their bytes.
func TestVocabularyIsCompact(t *testing.T) {
	b := vocabulary()
	var f *gguf.File
	got := allocated(func() { f = decode(t, b) })
	// 6 bytes of text and 4 of index each. append grows by a quarter at a time,
	// so all the copies it ever made add up to five times that, and a bit.
	if got > vocabSize*10*6 {
		t.Errorf("%d bytes allocated for %d tokens", got, vocabSize)
	}
	tokens, err := f.Metadata.Strings("tokenizer.ggml.tokens")
	if err != nil || len(tokens) != vocabSize || tokens[vocabSize-1] != "token!" {
		t.Errorf("Strings = %d tokens, %v", len(tokens), err)
	}
}

func TestRealFiles(t *testing.T) {
	for _, tt := range []struct {
		file     string
		arch     string
		nTensors int
		name     string
		want     gguf.TensorInfo
	}{
		{"stories260K.gguf", "llama", 48, "blk.0.attn_k.weight", gguf.TensorInfo{Type: tensor.F32, Shape: []int{32, 64}, NBytes: 8192}},
		{"stories260K-F16.gguf", "llama", 48, "blk.0.attn_k.weight", gguf.TensorInfo{Type: tensor.F16, Shape: []int{32, 64}, NBytes: 4096}},
		{"TinyStories-656K-f32.gguf", "llama", 20, "token_embd.weight", gguf.TensorInfo{Type: tensor.F32, Shape: []int{2048, 128}, NBytes: 1 << 20}},
		{"TinyStories-656K-Q4_0.gguf", "llama", 20, "blk.1.ffn_down.weight", gguf.TensorInfo{Type: tensor.Q4_0, Shape: []int{128, 384}, NBytes: 27648}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("../../testdata/models", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			f := decode(t, b)
			if arch, err := f.Metadata.String("general.architecture", ""); err != nil || arch != tt.arch {
				t.Errorf("architecture %q, %v, want %q", arch, err, tt.arch)
			}
			if len(f.Tensors) != tt.nTensors {
				t.Errorf("%d tensors, want %d", len(f.Tensors), tt.nTensors)
			}
			got, ok := f.Tensor(tt.name)
			if tt.name != "" && (!ok || got.Type != tt.want.Type || !reflect.DeepEqual(got.Shape, tt.want.Shape) || got.NBytes != tt.want.NBytes) {
				t.Errorf("Tensor(%s) = %+v, want %+v", tt.name, got, tt.want)
			}
		})
	}
}

func BenchmarkDecoder(b *testing.B) {
	file := vocabulary()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		d := gguf.NewDecoder(uint64(len(file)))
		if _, err := d.Write(file); err != nil || !d.Done() {
			b.Fatal(err)
		}
	}
}
