package gguflora

import (
	"archive/zip"
	"bytes"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/fault"
)

// zoo reads one file of the conformance zoo.
func zoo(t testing.TB, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader("../../testdata/zoo/zoo.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadZooAdapters(t *testing.T) {
	for _, tt := range []struct {
		file    string
		pairs   int
		rank    int
		scaling float32
	}{
		{"llama-plain.A-r4", 4, 4, 2}, {"llama-plain.B-r8", 14, 8, 2}, {"llama-plain.C-r4", 5, 4, 0.5}, {"llama-q256.D-r8", 7, 8, 2},
	} {
		a, err := Read(tt.file, zoo(t, "lora/"+tt.file+".gguf"), "llama")
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		if len(a.Pairs) != tt.pairs || a.Rank() != tt.rank || a.Pairs[0].Scaling != tt.scaling {
			t.Errorf("%s: %d pairs, rank %d, scaling %v", tt.file, len(a.Pairs), a.Rank(), a.Pairs[0].Scaling)
		}
		base := baseShapes(t, "models/"+strings.Split(tt.file, ".")[0]+map[bool]string{true: ".Q8_0.gguf", false: ".F32.gguf"}[strings.Contains(tt.file, "q256")])
		if err := a.Check(base); err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
	}
}

func baseShapes(t testing.TB, file string) blend.Shapes {
	t.Helper()
	b := zoo(t, file)
	f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) (out, in int, ok bool) {
		info, ok := f.Tensor(name)
		if !ok || len(info.Shape) != 2 {
			return 0, 0, false
		}
		return info.Shape[0], info.Shape[1], true
	}
}

// A spec is a GGUF file to write for a test.
type spec struct {
	meta    map[string]any
	tensors map[string][]int
}

func plain() spec {
	return spec{
		meta:    map[string]any{"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora", "adapter.lora.alpha": float32(8)},
		tensors: map[string][]int{"blk.0.attn_q.weight.lora_a": {2, 8}, "blk.0.attn_q.weight.lora_b": {6, 2}},
	}
}

func (s spec) bytes(t testing.TB) []byte {
	t.Helper()
	var f gguf.File
	for k, v := range s.meta {
		f.Metadata.Set(k, v)
	}
	for name, shape := range s.tensors {
		if err := f.Add(name, tensor.F32, shape...); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err := gguf.Write(&out, &f, func(w io.Writer, info gguf.TensorInfo) error {
		_, err := w.Write(make([]byte, info.NBytes))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		code       fault.Code
		change     func(*spec)
	}{
		{"a model", "general.type", fault.LoRAMismatch, func(s *spec) { s.meta["general.type"] = "model" }},
		{"no type", "general.type", fault.LoRAMismatch, func(s *spec) { delete(s.meta, "general.type") }},
		{"control vector", "adapter.type", fault.LoRAMismatch, func(s *spec) { s.meta["adapter.type"] = "controlvector" }},
		{"other architecture", "general.architecture", fault.LoRAMismatch, func(s *spec) { s.meta["general.architecture"] = "qwen2" }},
		{"type is a number", "general.type", fault.BadFile, func(s *spec) { s.meta["general.type"] = uint32(3) }},
		{"aLoRA", "invocation_tokens", fault.LoRAMismatch, func(s *spec) { s.meta["adapter.alora.invocation_tokens"] = []uint32{1} }},
		{"alpha is a string", "alpha", fault.BadFile, func(s *spec) { s.meta["adapter.lora.alpha"] = "8" }},
		{"alpha is NaN", "alpha", fault.BadFile, func(s *spec) { s.meta["adapter.lora.alpha"] = nan() }},
		{"stray tensor", "no LoRA factor", fault.LoRAMismatch, func(s *spec) { s.tensors["blk.0.attn_q.weight"] = []int{6, 8} }},
		{"only A", "only one", fault.BadFile, func(s *spec) { delete(s.tensors, "blk.0.attn_q.weight.lora_b") }},
		{"A not transposed", "share a rank", fault.BadFile, func(s *spec) { s.tensors["blk.0.attn_q.weight.lora_a"] = []int{8, 2} }},
		{"three dimensions", "two-dimensional", fault.BadFile, func(s *spec) { s.tensors["blk.0.attn_q.weight.lora_a"] = []int{2, 8, 1} }},
		{"rank 257", "rank", fault.BadFile, func(s *spec) {
			s.tensors["blk.0.attn_q.weight.lora_a"], s.tensors["blk.0.attn_q.weight.lora_b"] = []int{257, 8}, []int{6, 257}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			tt.change(&s)
			_, err := Read("x", s.bytes(t), "llama")
			if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Read = %v, want %s with %q", err, tt.code, tt.says)
			}
		})
	}
}

func nan() float32 { z := float32(0); return z / z }

func TestReadAccepts(t *testing.T) {
	s := plain()
	s.tensors["blk.0.attn_norm.weight"] = []int{8}
	s.meta["adapter.lora.alpha"] = float32(0)
	a, err := Read("x", s.bytes(t), "llama")
	if err != nil || len(a.Pairs) != 1 || a.Pairs[0].Scaling != 1 {
		t.Errorf("norms and alpha 0: %+v, %v", a, err)
	}
}

func TestWriteIsInverseOfRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var pairs []blend.Pair
	for i, name := range []string{"blk.0.attn_q.weight", "output.weight", "token_embd.weight"} {
		p := blend.Pair{Target: name, Rank: 1 << i, In: 4, Out: 6, Scaling: []float32{0.5, 2, 1}[i]}
		p.A, p.B = make([]float32, p.Rank*4), make([]float32, 6*p.Rank)
		for _, x := range [][]float32{p.A, p.B} {
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
		}
		pairs = append(pairs, p)
	}
	want, err := blend.NewAdapter("w", pairs)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Write(want, "llama", tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read("w", b, "llama")
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Pairs {
		p, q := &want.Pairs[i], &got.Pairs[i]
		if p.Target != q.Target || !reflect.DeepEqual(p.A, q.A) {
			t.Errorf("%s: A changed", p.Target)
		}
		for j := range p.B { // powers of two, so exact
			if p.B[j]*p.Scaling != q.B[j]*q.Scaling {
				t.Fatalf("%s: B[%d]·s = %v, want %v", p.Target, j, q.B[j]*q.Scaling, p.B[j]*p.Scaling)
			}
		}
	}
	if _, err := Write(want, "llama", tensor.Type(9999)); err == nil {
		t.Error("an unknown type was written")
	}
}

// llama.cpp adds B·A[token] to the embedding: the flipped factors.
func TestEmbeddingIsFlipped(t *testing.T) {
	s := plain()
	s.tensors = map[string][]int{"token_embd.weight.lora_a": {10, 2}, "token_embd.weight.lora_b": {4, 2}}
	a, err := Read("x", s.bytes(t), "llama")
	if err != nil {
		t.Fatal(err)
	}
	if p := a.Pair("token_embd.weight"); p.Out != 10 || p.In != 4 || p.Rank != 2 {
		t.Errorf("pair [%d %d] of rank %d, want [10 4] of rank 2", p.Out, p.In, p.Rank)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(plain().bytes(f))
	f.Add(zoo(f, "lora/llama-plain.A-r4.gguf"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read("fuzz", b, "llama")
		if err != nil {
			return
		}
		if _, err := Write(a, "llama", tensor.F32); err != nil && fault.CodeOf(err) != fault.BadRequest {
			t.Fatal(err)
		}
	})
}
