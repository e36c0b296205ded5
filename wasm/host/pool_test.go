package host

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// banking are ten requests as a customer types them, none of them from the pool's data.
var banking = []string{
	"please freeze my account", "how much money do i have", "what is the routing number of my bank", "pay my electric bill",
	"move money into savings", "my card was declined", "when is my bill due", "order new checks for me", "is there a hold on my account",
	"what are the interest rates",
}

// poolFiles are the files of testdata/pool, and the pool as package pool reads it.
func poolFiles(t testing.TB) ([]File, *pool.Pool) {
	t.Helper()
	return readPool(t, func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(testdata, "pool", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

func readPool(t testing.TB, read func(name string) []byte) ([]File, *pool.Pool) {
	t.Helper()
	manifest := read(pool.ManifestName)
	m, err := pool.ParseManifest(manifest, "")
	if err != nil {
		t.Fatal(err)
	}
	contents := [][]byte{manifest, read(m.Keys.Name)}
	p, err := pool.Open(m, contents[1], pool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, a := range m.Adapters {
		contents = append(contents, read(a.File.Name))
		if err := p.Load(n, contents[2+n]); err != nil {
			t.Fatal(err)
		}
	}
	return asFiles(contents), p
}

func asFiles(contents [][]byte) (files []File) {
	for _, b := range contents {
		files = append(files, File{Name: "pool", Size: uint64(len(b)), Reader: bytes.NewReader(b)})
	}
	return files
}

// TestCustomize: every executor weighs and blends the pool as package blend does.
func TestCustomize(t *testing.T) {
	files, p := poolFiles(t)
	deltaFiles, deltas := deltaPool(t, p)
	for _, x := range executors {
		customizeWith(t, x.name, x.options, "stories260K.gguf", files, p, 1e-4)
		customizeWith(t, x.name+", delta", x.options, "stories260K.gguf", deltaFiles, deltas, 1e-4)
		// Beside float16 weights factors are float32, too.
		customizeWith(t, x.name+", float16", x.options, "stories260K-F16.gguf", files, p, 1e-4)
		customizeWith(t, x.name+", float16, delta", x.options, "stories260K-F16.gguf", deltaFiles, deltas, 1e-4)
	}
}

// deltaPool is the same adapters as a pool of the delta space.
func deltaPool(t *testing.T, p *pool.Pool) ([]File, *pool.Pool) {
	t.Helper()
	var adapters []*blend.Adapter
	for n, a := range p.Adapters {
		weights := make([]float64, len(p.Adapters))
		weights[n] = 1
		one, err := p.Blend(a.Name, weights)
		if err != nil {
			t.Fatal(err)
		}
		adapters = append(adapters, one)
	}
	files, err := pool.Build(pool.Spec{Name: "deltas", Base: p.Base, Embedding: p.Embedding, Space: blend.DeltaSpace, Weighting: p.Weighting}, adapters, p.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return readPool(t, func(name string) []byte { return files[name] })
}

func customizeWith(t *testing.T, name string, o Options, model string, files []File, p *pool.Pool, bound float64) {
	t.Run(name, func(t *testing.T) {
		e := start(t, o, model)
		session := open(t, e, "")
		info, err := e.LoadPool(t.Context(), p.ID, files)
		if err != nil {
			t.Fatal(err)
		}
		if info.ID != p.ID || !info.CanBlend || len(info.Adapters) != len(p.Adapters) {
			t.Errorf("LoadPool = %+v", info)
		}
		got, err := e.Customize(t.Context(), &protocol.Customize{ID: "mine", Session: session, Samples: banking, Save: true})
		if err != nil {
			t.Fatal(err)
		}
		checkWeights(t, e, p, session, got)
		checkBlend(t, p, got)
		checkLogits(t, e, session, got.File, bound)
	})
}

// checkWeights compares with embeddings that are asked for one by one. They come from
// the same kernels, so that only float64 sums in another order differ.
func checkWeights(t *testing.T, e *Engine, p *pool.Pool, session uint32, got *protocol.Customized) {
	t.Helper()
	var samples [][]float32
	for _, text := range banking {
		ids, err := e.Tokenize(t.Context(), &protocol.Tokenize{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		q, err := e.Embed(t.Context(), &protocol.Embed{Session: session, Tokens: ids})
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, q)
	}
	scores, weights, err := p.Customise(samples)
	if err != nil {
		t.Fatal(err)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-12 } // exp in WebAssembly may round the other way
	if !slices.EqualFunc(got.Scores, scores, near) || !slices.EqualFunc(got.Weights, weights, near) {
		t.Errorf("scores and weights\n%v %v, want\n%v %v", got.Scores, got.Weights, scores, weights)
	}
	if !slices.Equal(got.Samples, slices.Concat(samples...)) || !slices.Equal(got.Mean, p.Keys.Mu) || got.Layer != 0 || got.Last {
		t.Errorf("the samples lie elsewhere: %d numbers around %d, recipe %d %v", len(got.Samples), len(got.Mean), got.Layer, got.Last)
	}
}

// checkBlend compares factors with the plain blend. Both add 8 products in float32 in
// the same order; a fused multiply-add rounds once less, so the bound is 8 roundings of
// the sum of magnitudes.
func checkBlend(t *testing.T, p *pool.Pool, got *protocol.Customized) {
	t.Helper()
	want, err := p.Blend("want", got.Weights)
	if err != nil {
		t.Fatal(err)
	}
	a, err := gguflora.Read("got", got.File, "llama")
	if err != nil {
		t.Fatal(err)
	}
	if int(got.NModules) != len(want.Pairs) || len(a.Pairs) != len(want.Pairs) {
		t.Fatalf("%d modules, %d in the file, want %d", got.NModules, len(a.Pairs), len(want.Pairs))
	}
	for i := range want.Pairs {
		w, g := &want.Pairs[i], a.Pair(want.Pairs[i].Target)
		sameFactors(t, w.Target, g.A, w.A, 1)
		sameFactors(t, w.Target, g.B, w.B, float64(w.Scaling/g.Scaling))
	}
}

// sameFactors allows the 512 that writers scale factors to at most, times 8 roundings.
func sameFactors(t *testing.T, target string, got, want []float32, scale float64) {
	t.Helper()
	bound := 8 * 512 * 0x1p-24 * scale
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])*scale); !(d <= bound) {
			t.Fatalf("%s: factor %d is %v, want %v", target, i, got[i], float64(want[i])*scale)
		}
	}
}

// checkLogits: the adapter that Customize placed acts as its file does when that is loaded.
func checkLogits(t *testing.T, e *Engine, session uint32, file []byte, bound float64) {
	t.Helper()
	if _, err := e.LoadAdapter(t.Context(), "file", asFiles([][]byte{file})); err != nil {
		t.Fatal(err)
	}
	with := func(adapters ...protocol.Adapter) []float32 {
		rows, err := e.Logits(t.Context(), &protocol.Logits{Session: session, Tokens: []uint32{1, 403, 407}, Adapters: adapters})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(rows[0])
	}
	base, placed, loaded := with(), with(protocol.Adapter{ID: "mine", Scale: 1}), with(protocol.Adapter{ID: "file", Scale: 1})
	compare(t, placed, loaded, bound)
	if slices.Equal(base, placed) {
		t.Error("the adapter changes nothing")
	}
}

// TestCustomizeRecipes: a pool's recipe decides how samples are embedded.
func TestCustomizeRecipes(t *testing.T) {
	_, p := poolFiles(t)
	e := start(t, Options{Threads: 1}, "stories260K.gguf")
	session := open(t, e, "")
	seen := map[float64]string{}
	for _, r := range []pool.Embedding{{Pooling: "mean"}, {Pooling: "last"}, {Layer: 2, Pooling: "mean"}, {Layer: 4, Pooling: "last"}} {
		files := withRecipe(t, p, r)
		if _, err := e.LoadPool(t.Context(), "", files); err != nil {
			t.Fatal(err)
		}
		got, err := e.Customize(t.Context(), &protocol.Customize{Session: session, Samples: banking, ScoresOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[got.Scores[0]]; ok {
			t.Errorf("layer %d, %s: the scores of %s", r.Layer, r.Pooling, other)
		}
		seen[got.Scores[0]] = r.Pooling
	}
	if _, err := e.LoadPool(t.Context(), "", withRecipe(t, p, pool.Embedding{Layer: 5, Pooling: "mean"})); fault.CodeOf(err) != fault.LoRAMismatch {
		t.Errorf("a layer that the model has not: %v", err)
	}
}

// withRecipe is the pool's manifest with another recipe, and its keys.
func withRecipe(t *testing.T, p *pool.Pool, r pool.Embedding) []File {
	t.Helper()
	m := *p.Manifest
	m.Embedding.Layer, m.Embedding.Pooling = r.Layer, r.Pooling
	keys, err := os.ReadFile(filepath.Join(testdata, "pool", m.Keys.Name))
	if err != nil {
		t.Fatal(err)
	}
	return asFiles([][]byte{m.Append(nil), keys})
}

// TestCustomizeScores: the manifest and the keys are enough for scores, and only for them.
func TestCustomizeScores(t *testing.T) {
	e := start(t, Options{Reference: true}, "stories260K.gguf")
	session := open(t, e, "")
	files, p := poolFiles(t)
	info, err := e.LoadPool(t.Context(), "", files[:2])
	if err != nil || info.CanBlend {
		t.Fatalf("LoadPool = %+v, %v", info, err)
	}
	got, err := e.Customize(t.Context(), &protocol.Customize{Session: session, Samples: banking, ScoresOnly: true})
	if err != nil || len(got.Scores) != len(p.Adapters) || len(got.File) != 0 || got.NModules != 0 {
		t.Errorf("scores only: %+v, %v", got, err)
	}
	_, err = e.Customize(t.Context(), &protocol.Customize{ID: "mine", Session: session, Samples: banking})
	if fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("blend without adapters: %v", err)
	}
}

// TestRefine: the loss never rises, the search stops where it is told, and the refined
// weights are the ones that act.
func TestRefine(t *testing.T) {
	e := start(t, Options{Threads: 1}, "stories260K.gguf")
	session := open(t, e, "")
	files, p := poolFiles(t)
	if _, err := e.LoadPool(t.Context(), p.ID, files); err != nil {
		t.Fatal(err)
	}
	request := &protocol.Customize{ID: "mine", Session: session, Samples: banking[:3], Save: true, MaxEvals: 24, Seed: 1}
	for _, text := range banking[:3] {
		request.Labelled = append(request.Labelled, protocol.Labelled{Prompt: text[:8], Answer: text[8:]})
	}
	got, err := e.Customize(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if got.Evals != 24 || !(got.Loss <= got.StartLoss) || got.StartLoss <= 0 {
		t.Errorf("loss %v after %d evaluations, from %v", got.Loss, got.Evals, got.StartLoss)
	}
	t.Logf("loss %.3f from %.3f in %.0f ms", got.Loss, got.StartLoss, got.RefineMs)
	checkBlend(t, p, got)
	checkLogits(t, e, session, got.File, 1e-4)

	request.MaxEvals, request.MaxMs = 1<<20, 50
	if got, err = e.Customize(t.Context(), request); err != nil || got.RefineMs > 5000 {
		t.Errorf("a search of 50 ms took %v ms, %v", got.RefineMs, err)
	}

	request.MaxMs = 0 // only the context ends it
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	got, err = e.Customize(ctx, request)
	if err != nil || got.Evals == 0 || !(got.Loss <= got.StartLoss) || got.Searching {
		t.Fatalf("stopped search: %+v, %v", got, err)
	}
	checkBlend(t, p, got)
	checkLogits(t, e, session, got.File, 1e-4)
}

// TestRefineIsDropped: any other request ends a search and leaves no adapter behind.
func TestRefineIsDropped(t *testing.T) {
	e := start(t, Options{Reference: true}, "stories260K.gguf")
	session := open(t, e, "")
	files, p := poolFiles(t)
	if _, err := e.LoadPool(t.Context(), p.ID, files); err != nil {
		t.Fatal(err)
	}
	refine := func() (*protocol.Customized, error) {
		return call[*protocol.Customized](t.Context(), e, &protocol.Refine{})
	}
	if _, err := refine(); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("Refine before Customize: %v", err)
	}
	request := &protocol.Customize{ID: "mine", Session: session, Samples: banking[:2], Labelled: []protocol.Labelled{{Prompt: "a b", Answer: " c"}}}
	got, err := call[*protocol.Customized](t.Context(), e, request)
	if err != nil || !got.Searching || got.Evals != 0 {
		t.Fatalf("Customize = %+v, %v", got, err)
	}
	if got, err = refine(); err != nil || !got.Searching || got.Evals != 1 {
		t.Fatalf("Refine = %+v, %v", got, err)
	}
	if _, err := e.Tokenize(t.Context(), &protocol.Tokenize{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := refine(); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("Refine after another request: %v", err)
	}
	_, err = e.Logits(t.Context(), &protocol.Logits{Session: session, Tokens: []uint32{1}, Adapters: []protocol.Adapter{{ID: "mine", Scale: 1}}})
	if fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("the adapter that was tried is still there: %v", err)
	}
}

// TestBadPools: nothing is installed, and the model still answers.
func TestBadPools(t *testing.T) {
	e := start(t, Options{Reference: true}, "stories260K.gguf")
	session := open(t, e, "")
	_, p := poolFiles(t)
	change := func(edit func(files [][]byte) [][]byte) []File {
		files, _ := poolFiles(t)
		var contents [][]byte
		for _, f := range files {
			b := make([]byte, f.Size)
			if _, err := f.Reader.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			contents = append(contents, b)
		}
		return asFiles(edit(contents))
	}
	for _, tt := range []struct {
		name string
		id   string
		edit func(files [][]byte) [][]byte
		want fault.Code
	}{
		{"another digest", blendDigest, func(f [][]byte) [][]byte { return f }, fault.Hash},
		{"key changed", p.ID, func(f [][]byte) [][]byte { f[1][5] ^= 1; return f }, fault.Hash},
		{"factor changed", p.ID, func(f [][]byte) [][]byte { f[4][77] ^= 1; return f }, fault.Hash},
		{"adapter short", p.ID, func(f [][]byte) [][]byte { f[9] = f[9][:100]; return f }, fault.Hash},
		{"adapter missing", p.ID, func(f [][]byte) [][]byte { return f[:9] }, fault.BadRequest},
		{"manifest alone", p.ID, func(f [][]byte) [][]byte { return f[:1] }, fault.BadRequest},
		{"no manifest", "", func(f [][]byte) [][]byte { f[0] = []byte("{}"); return f }, fault.BadFile},
		{"another base", "", func(f [][]byte) [][]byte {
			f[0] = bytes.ReplaceAll(f[0], []byte(`"in": 64`), []byte(`"in": 65`))
			return f
		}, fault.BadFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.LoadPool(t.Context(), tt.id, change(tt.edit))
			if fault.CodeOf(err) != tt.want {
				t.Errorf("LoadPool: %v, want %s", err, tt.want)
			}
			_, err = e.Customize(t.Context(), &protocol.Customize{ID: "x", Session: session, Samples: banking})
			if fault.CodeOf(err) != fault.BadRequest {
				t.Errorf("Customize without a pool: %v", err)
			}
		})
	}
}

// blendDigest is a digest that nothing has.
const blendDigest = "0000000000000000000000000000000000000000000000000000000000000000"

// TestCustomizeWeightings: the request's rule goes before the pool's.
func TestCustomizeWeightings(t *testing.T) {
	e := start(t, Options{Reference: true}, "stories260K.gguf")
	session := open(t, e, "")
	files, p := poolFiles(t)
	if _, err := e.LoadPool(t.Context(), p.ID, files); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []blend.WeightingKind{blend.Softmax, blend.TopK, blend.ReLU, blend.OneHot, blend.Uniform} {
		w := blend.Weighting{Kind: kind, Tau: 0.05, TopK: 3}
		got, err := e.Customize(t.Context(), &protocol.Customize{Session: session, Samples: banking, ScoresOnly: true, Weighting: string(kind), Tau: w.Tau, TopK: 3})
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := w.Weights(got.Scores); !slices.Equal(got.Weights, want) {
			t.Errorf("%s: %v, want %v", kind, got.Weights, want)
		}
	}
	if _, err := e.Customize(t.Context(), &protocol.Customize{Session: session, Samples: banking, ScoresOnly: true, Weighting: "best"}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("unknown weighting: %v", err)
	}
}
