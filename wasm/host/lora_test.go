package host

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/keys"
	"pastel/blend/pool"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
	"pastel/wasm/protocol"
)

// startQuantised loads a trained model in Q4_0, beside which adapters have eight bits.
func startQuantised(t *testing.T, o Options) (*Engine, uint32) {
	t.Helper()
	e := start(t, o, "stories260K.gguf")
	model := testmodel.TinyStories(t, tensor.Q4_0)
	if _, err := e.LoadModel(t.Context(), asFiles([][]byte{model}), nil); err != nil {
		t.Fatal(err)
	}
	return e, open(t, e, "")
}

// loraMaps are the linear maps of TinyStories-656K: dim 128, ffn 384.
var loraMaps = []struct {
	name    string
	in, out int
}{
	{"attn_q", 128, 128}, {"attn_k", 128, 64}, {"attn_v", 128, 64}, {"attn_output", 128, 128},
	{"ffn_gate", 128, 384}, {"ffn_up", 128, 384}, {"ffn_down", 384, 128},
}

// randomLoRA has one rank on every map; every outliers-th value is 20 times as large, 0: none.
func randomLoRA(t *testing.T, seed uint64, rank, outliers int) *blend.Adapter {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 0.1
			if outliers > 0 && i%outliers == 0 {
				x[i] *= 20
			}
		}
		return x
	}
	var pairs []blend.Pair
	for l := range 2 {
		for _, m := range loraMaps {
			pairs = append(pairs, blend.Pair{Target: "blk." + strconv.Itoa(l) + "." + m.name + ".weight", Rank: rank, In: m.in, Out: m.out,
				A: fill(rank * m.in), B: fill(m.out * rank), Scaling: 0.5})
		}
	}
	a, err := blend.NewAdapter("random", pairs)
	if err != nil {
		t.Fatal(err)
	}
	a.Arch = "llama"
	return a
}

// effect is what adapters add to the logits of a prompt.
func effect(t *testing.T, e *Engine, session uint32, adapters ...protocol.Adapter) []float32 {
	t.Helper()
	logits := func(adapters []protocol.Adapter) []float32 {
		rows, err := e.Logits(t.Context(), &protocol.Logits{Session: session, Tokens: []uint32{1, 403, 407, 20, 31, 12, 500}, Adapters: adapters})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(rows[0])
	}
	base, with := logits(nil), logits(adapters)
	for i := range with {
		with[i] -= base[i]
	}
	return with
}

// apart is the distance of two vectors divided by the length of the second.
func apart(a, b []float32) float64 {
	var d, n float64
	for i := range a {
		d += float64(a[i]-b[i]) * float64(a[i]-b[i])
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / n)
}

// TestEightBitAdapters: beside quantised weights an adapter moves the logits as the reference's float32
// factors do. Kernels also round the base's inputs, which is most of what is allowed (with factors of float16
// it is 0.05 to 0.47); a factor in a wrong place moves them elsewhere, by more than 1. What eight bits alone may
// do is package kernels' to test.
func TestEightBitAdapters(t *testing.T) {
	adapters := map[string]*blend.Adapter{"rank 5": randomLoRA(t, 1, 5, 0), "rank 20": randomLoRA(t, 2, 20, 0), "outliers": randomLoRA(t, 3, 16, 97)}
	sets := []struct {
		name     string
		adapters []protocol.Adapter
		bound    float64
	}{
		{"rank not a multiple of 16", []protocol.Adapter{{ID: "rank 5", Scale: 1}}, 0.6},
		{"more than 16 ranks", []protocol.Adapter{{ID: "rank 20", Scale: 1}}, 0.25},
		{"half scale", []protocol.Adapter{{ID: "rank 20", Scale: 0.5}}, 0.5},
		{"negative scale", []protocol.Adapter{{ID: "rank 5", Scale: -1}}, 0.7},
		{"two adapters", []protocol.Adapter{{ID: "rank 5", Scale: 0.7}, {ID: "rank 20", Scale: -0.4}}, 0.6},
		{"outliers", []protocol.Adapter{{ID: "outliers", Scale: 1}}, 0.1},
	}
	var want [][]float32
	for _, x := range executors {
		e, session := startQuantised(t, x.options)
		for name, a := range adapters {
			file, err := gguflora.Write(a, "llama", tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.LoadAdapter(t.Context(), name, asFiles([][]byte{file})); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range sets {
			got := effect(t, e, session, s.adapters...)
			if x.options.Reference {
				want = append(want, got)
				continue
			}
			t.Run(x.name+"/"+s.name, func(t *testing.T) {
				if d := apart(got, want[i]); !(d <= s.bound) {
					t.Errorf("the logits move by %.2g of what they should", d)
				}
			})
		}
	}
}

// TestEightBitBlends: what customize places acts as its file does when that is loaded. Both are the same sum, the
// file's rounded to float16 before, and in the delta space other ranks share a scale. The model makes 0.07 and 0.14
// of that; a factor in a wrong place makes more than 1.
func TestEightBitBlends(t *testing.T) {
	for _, space := range []blend.Space{blend.FactorSpace, blend.DeltaSpace} {
		files := randomPool(t, space)
		for _, x := range executors[1:] {
			t.Run(string(space)+"/"+x.name, func(t *testing.T) {
				e, session := startQuantised(t, x.options)
				if _, err := e.LoadPool(t.Context(), "", files); err != nil {
					t.Fatal(err)
				}
				got, err := e.Customize(t.Context(), &protocol.Customize{ID: "mine", Session: session, Weights: []float64{0.6, -0.5, 0.9}, Save: true})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.LoadAdapter(t.Context(), "file", asFiles([][]byte{got.File})); err != nil {
					t.Fatal(err)
				}
				placed, loaded := effect(t, e, session, protocol.Adapter{ID: "mine", Scale: 1}), effect(t, e, session, protocol.Adapter{ID: "file", Scale: 1})
				if d := apart(placed, loaded); !(d <= 0.3) {
					t.Errorf("the blend's effect is %.2g of it away from its file's", d)
				}
			})
		}
	}
}

// randomPool has three adapters of rank 6.
func randomPool(t *testing.T, space blend.Space) []File {
	t.Helper()
	var adapters []*blend.Adapter
	k := &keys.Keys{Mu: make([]float32, 128)}
	for i := range 3 {
		a := randomLoRA(t, uint64(i+10), 6, 0)
		for n := range a.Pairs {
			a.Pairs[n].Scaling = 1
		}
		key := make([]float32, 128)
		key[i] = 1
		adapters, k.Centroids = append(adapters, a), append(k.Centroids, key)
	}
	made, err := pool.Build(pool.Spec{Name: "random", Licence: "MIT", Space: space, Embedding: pool.Embedding{Pooling: "mean"},
		Base: pool.Base{Arch: "llama", Name: "random", Digest: blendDigest}}, adapters, k)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := readPool(t, func(name string) []byte { return made[name] })
	return files
}
