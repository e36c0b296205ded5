package host

import (
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

// BenchmarkCustomize embeds 10 samples and blends 8 adapters of rank 16 on one of the 16
// layers of the 1B shape: the embedding needs no more of the model, the rest is per layer.
func BenchmarkCustomize(b *testing.B) {
	model, err := testmodel.Config{Dim: 2048, HiddenDim: 8192, NLayers: 1, NHeads: 32, NKVHeads: 8, HeadDim: 64, VocabSize: 512, Type: tensor.Q4_0, Seed: 1}.Bytes()
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
	if _, err := e.LoadPool(b.Context(), "", asFiles(syntheticPool(b, model))); err != nil {
		b.Fatal(err)
	}
	session, err := e.OpenSession(b.Context(), &protocol.OpenSession{ContextLength: 256})
	if err != nil {
		b.Fatal(err)
	}
	var embed, sum, pack []float64
	for range 7 {
		got, err := e.Customize(b.Context(), &protocol.Customize{ID: "x", Session: session.Session, Samples: banking})
		if err != nil {
			b.Fatal(err)
		}
		embed, sum, pack = append(embed, got.EmbedMs), append(sum, got.BlendMs), append(pack, got.PackMs)
	}
	b.ReportMetric(slices.Min(embed), "embed-ms")
	b.ReportMetric(slices.Min(sum), "blend-ms/layer")
	b.ReportMetric(slices.Min(pack), "pack-ms/layer")
}

func syntheticPool(b *testing.B, model []byte) (contents [][]byte) {
	b.Helper()
	var adapters []*blend.Adapter
	k := &keys.Keys{Mu: make([]float32, 2048)}
	a, err := gguflora.Read("a", randomAdapter(b, model, 16), "llama")
	if err != nil {
		b.Fatal(err)
	}
	for n := range 8 {
		key := make([]float32, 2048)
		key[n] = 1
		k.Centroids = append(k.Centroids, key)
		one := *a
		one.Name = strconv.Itoa(n)
		adapters = append(adapters, &one)
	}
	spec := pool.Spec{Name: "synthetic", Licence: "MIT", Base: pool.Base{Arch: "llama", Name: "1b", Digest: blendDigest},
		Embedding: pool.Embedding{Pooling: "mean"}, Space: blend.FactorSpace}
	files, err := pool.Build(spec, adapters, k)
	if err != nil {
		b.Fatal(err)
	}
	contents = [][]byte{files[pool.ManifestName], files["keys.f32"]}
	for n := range adapters {
		contents = append(contents, files["adapter-"+strconv.Itoa(n)+".f16"])
	}
	return contents
}
