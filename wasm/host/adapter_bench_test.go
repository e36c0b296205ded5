package host

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
	"pastel/wasm/protocol"
)

// BenchmarkAdapterDecode compares one token with and without an adapter of rank 16 on
// every linear map of a synthetic model. Rounds alternate, so that a busy machine slows
// both; the ratio is of the fastest rounds.
func BenchmarkAdapterDecode(b *testing.B) {
	for _, shape := range []string{"135m", "1b"} {
		b.Run(shape, func(b *testing.B) {
			c, err := testmodel.Shape(shape, tensor.Q4_0)
			if err != nil {
				b.Fatal(err)
			}
			model, err := c.Bytes()
			if err != nil {
				b.Fatal(err)
			}
			e, err := New(b.Context(), Options{Threads: 1, CacheDir: cache()})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Close(b.Context()) }()
			if _, err := e.LoadModel(b.Context(), asFiles([][]byte{model}), nil); err != nil {
				b.Fatal(err)
			}
			begun := time.Now()
			if _, err := e.LoadAdapter(b.Context(), "a", asFiles([][]byte{randomAdapter(b, model, 16)})); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(time.Since(begun).Milliseconds()), "load-ms")
			session, err := e.OpenSession(b.Context(), &protocol.OpenSession{ContextLength: 256})
			if err != nil {
				b.Fatal(err)
			}
			var without, with []float64
			for range 5 {
				without = append(without, decodeMs(b, e, session.Session, nil))
				with = append(with, decodeMs(b, e, session.Session, []protocol.Adapter{{ID: "a", Scale: 1}}))
			}
			b.ReportMetric(slices.Min(without), "base-ms/token")
			b.ReportMetric(100*(slices.Min(with)/slices.Min(without)-1), "%-more")
		})
	}
}

// decodeMs is what one of 8 decoded tokens takes.
func decodeMs(b *testing.B, e *Engine, session uint32, adapters []protocol.Adapter) float64 {
	b.Helper()
	request := &protocol.Generate{Session: session, Tokens: []uint32{1, 2, 3}, MaxTokens: 9, IgnoreEOS: true, Adapters: adapters}
	done, err := e.Generate(b.Context(), request, func(protocol.Message) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return done.DecodeMs / 8
}

// randomAdapter is a GGUF LoRA on every linear map of a model's layers.
func randomAdapter(b *testing.B, model []byte, rank int) []byte {
	b.Helper()
	h, err := gguf.Read(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 0.01
		}
		return x
	}
	var pairs []blend.Pair
	for i := range 64 {
		for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"} {
			target := "blk." + strconv.Itoa(i) + "." + name + ".weight"
			for _, t := range h.Tensors {
				if t.Name == target {
					out, in := t.Shape[0], t.Shape[1]
					pairs = append(pairs, blend.Pair{Target: target, Rank: rank, In: in, Out: out, A: fill(rank * in), B: fill(out * rank), Scaling: 1})
				}
			}
		}
	}
	a, err := blend.NewAdapter("random", pairs)
	if err != nil {
		b.Fatal(err)
	}
	file, err := gguflora.Write(a, "llama", tensor.F32)
	if err != nil {
		b.Fatal(err)
	}
	return file
}
