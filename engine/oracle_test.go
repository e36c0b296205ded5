package engine_test

import (
	"math"
	"os"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// firstQueries evaluates Σ_t W_q·rmsnorm(E[t]) in float64 straight from a file.
func firstQueries(t *testing.T, path string, ids []int32) []float64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	h, err := gguf.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) ([]float32, []int) {
		ti, ok := h.Tensor(name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		raw := make([]byte, ti.NBytes)
		if _, err := f.ReadAt(raw, int64(ti.Offset)); err != nil {
			t.Fatal(err)
		}
		out := make([]float32, ti.NElems())
		if err := tensor.Dequantize(ti.Type, out, raw); err != nil {
			t.Fatal(err)
		}
		return out, ti.Shape
	}
	embd, shape := read("token_embd.weight")
	norm, _ := read("blk.0.attn_norm.weight")
	wq, qShape := read("blk.0.attn_q.weight")
	dim := shape[1]
	sum := make([]float64, qShape[0])
	for _, id := range ids {
		row := embd[int(id)*dim:][:dim]
		var sq float64
		for _, v := range row {
			sq += float64(v) * float64(v)
		}
		scale := 1 / math.Sqrt(sq/float64(dim)+1e-5)
		for r := range sum {
			for c, v := range row {
				sum[r] += float64(wq[r*dim+c]) * float64(v) * scale * float64(norm[c])
			}
		}
	}
	return sum
}
