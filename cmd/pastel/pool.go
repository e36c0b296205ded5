package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/engine/tensor"
)

// poolCommands is the table of pool's verbs.
var poolCommands = []command{
	{"train", "MODEL.gguf --data TEXTS", "train a pool on texts", poolTrain},
	{"build", "MODEL.gguf --adapter ...", "make a pool of PEFT adapters", poolBuild},
	{"inspect", "DIR", "print a pool and verify its digests", poolInspect},
	{"blend", "DIR --out ADAPTER.gguf", "blend a pool into one adapter", poolBlend},
	{"planted", "", "measure blending on planted tasks", poolPlanted},
	{"ablate", "MODEL.gguf --data TEXTS", "measure where texts are best placed", poolAblate},
}

// poolCommand runs one of the verbs on adapter pools.
func poolCommand(ctx context.Context, e env, args []string) error {
	return runVerb(ctx, e, "pool", poolCommands, args)
}

// readPool opens the pool in dir and, when all is true, loads every adapter.
func readPool(dir string, ranks int, all bool) (*pool.Pool, error) {
	manifest, err := os.ReadFile(filepath.Join(dir, pool.ManifestName))
	if err != nil {
		return nil, err
	}
	m, err := pool.ParseManifest(manifest, "")
	if err != nil {
		return nil, err
	}
	keysFile, err := os.ReadFile(filepath.Join(dir, m.Keys.Name))
	if err != nil {
		return nil, err
	}
	p, err := pool.Open(m, keysFile, pool.Options{Ranks: ranks})
	if err != nil {
		return nil, err
	}
	for n := range m.Adapters {
		if !all {
			break
		}
		data, err := os.ReadFile(filepath.Join(dir, m.Adapters[n].File.Name))
		if err != nil {
			return nil, err
		}
		if err := p.Load(n, data); err != nil {
			return nil, err
		}
	}
	return p, nil
}

var poolingWords = map[string]string{"mean": "mean over tokens", "last": "last token"}

// poolInspect prints what a pool holds and verifies every digest.
func poolInspect(_ context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("pool inspect", flag.ContinueOnError)
	key := fs.String("key", "", "public `KEY` that must have signed the pool: 64 hex digits or a PEM file")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if *key != "" {
		if err := checkPool(positional[0], *key); err != nil {
			return err
		}
	}
	p, err := readPool(positional[0], 0, true)
	if err != nil {
		return err
	}
	e.printf("pool       %s\nid         %s\nlicence    %s\n", p.Name, p.ID, p.Licence)
	e.printf("base       %s (%s) %s\n", p.Base.Name, p.Base.Arch, p.Base.Digest)
	e.printf("embedding  layer %d, %s, %d dimensions\n", p.Embedding.Layer, poolingWords[p.Embedding.Pooling], p.Embedding.Dim)
	e.printf("blend      %s space, %s, temperature %g\n", p.Space, p.Weighting.Kind, p.Weighting.Tau)
	e.printf("factors    rank %d on %d tensors, %d bytes a rank, %d an adapter\n", p.Rank, len(p.Targets), p.SliceBytes(), p.PrefixBytes(p.Rank))
	for k, v := range p.Provenance {
		e.printf("%-10s %s\n", k, v)
	}
	e.printf("\nadapter              examples  cosine of its key with the others\n")
	for n, a := range p.Adapters {
		e.printf("%-20s %8d ", a.Name, a.Examples)
		for _, s := range p.Keys.Scores(p.Keys.Centroids[n]) {
			e.printf(" %5.2f", s)
		}
		e.printf("\n")
	}
	e.printf("\nall digests match\n")
	if *key != "" {
		e.printf("signed with the key\n")
	}
	return nil
}

// poolBlend writes one adapter as GGUF, from weights or from a user's samples.
func poolBlend(_ context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("pool blend", flag.ContinueOnError)
	list := fs.String("weights", "", "blend weights, one for each adapter: `0.5,0.5,0`")
	samples := fs.String("samples", "", "`FILE` with one of the user's texts a line, instead of weights")
	model := fs.String("model", "", "the base `MODEL.gguf`, needed for samples")
	ranks := fs.Int("ranks", 0, "use only the first so many ranks; 0 means all")
	out := fs.String("out", "", "`FILE.gguf` to write")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if *out == "" || (*list == "") == (*samples == "") {
		return usagef("pool blend needs --out and one of --weights and --samples")
	}
	if *samples != "" && *model == "" {
		return usagef("--samples needs --model, the base that places them")
	}
	p, err := readPool(positional[0], *ranks, true)
	if err != nil {
		return err
	}
	weights, err := parseWeights(*list)
	if *samples != "" {
		weights, err = sampleWeights(p, *model, *samples)
	}
	if err != nil {
		return err
	}
	a, err := p.Blend(p.Name+", blended", weights)
	if err != nil {
		return err
	}
	data, err := gguflora.Write(a, p.Base.Arch, tensor.F32)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, data, 0o644); err != nil {
		return err
	}
	for n, w := range weights {
		e.printf("%-20s %.4f\n", p.Adapters[n].Name, w)
	}
	return nil
}

func parseWeights(list string) ([]float64, error) {
	var weights []float64
	for _, field := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		w, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, usagef("%q is not a weight", field)
		}
		weights = append(weights, w)
	}
	return weights, nil
}

func sampleWeights(p *pool.Pool, model, samples string) ([]float64, error) {
	b, err := openPlacer(model)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := p.CheckBase(b.digest, b.shapes); err != nil {
		return nil, err
	}
	points, err := b.placeLines(samples, p.Embedding)
	if err != nil {
		return nil, err
	}
	_, weights, err := p.Customise(points)
	return weights, err
}

// write writes the files of a pool, signed if that was asked for, and tells where.
func (f *poolFlags) write(e env, files map[string][]byte) error {
	dir := f.out
	if f.sign != "" {
		public, err := signManifest(files, f.sign)
		if err != nil {
			return err
		}
		e.printf("signed, public key %s\n", public)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	total := 0
	for name, data := range files {
		total += len(data)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	e.printf("wrote %s: %d files, %d bytes, id %s\n", dir, len(files), total, digest.Hex(files[pool.ManifestName]))
	return nil
}

// poolFlags are the flags of the commands that write a pool.
type poolFlags struct {
	out, name, licence, source string
	weighting                  blend.Weighting
	kind                       string
	embedding                  pool.Embedding
	sign                       string
	last                       bool
}

func (f *poolFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.out, "out", "", "`DIR` to write the pool to")
	fs.StringVar(&f.name, "name", "pool", "name of the pool")
	fs.StringVar(&f.licence, "licence", "NOASSERTION", "SPDX licence `expression` of the adapters")
	fs.StringVar(&f.source, "source", "", "where the data or adapters come from, for the manifest")
	fs.StringVar(&f.sign, "sign", "", "sign the manifest with the Ed25519 private key in this PEM `FILE`")
	fs.StringVar(&f.kind, "weighting", string(blend.Softmax), "softmax, topk_softmax, relu_norm, onehot or uniform")
	fs.Float64Var(&f.weighting.Tau, "tau", 0.1, "temperature of the softmax")
	fs.IntVar(&f.embedding.Layer, "embed-layer", 0, "layer whose query places a text; 0 needs no attention")
	fs.BoolVar(&f.last, "embed-last", false, "place a text by its last token instead of the mean")
	fs.IntVar(&f.weighting.TopK, "top-k", 0, "adapters that topk_softmax keeps")
}

func (f *poolFlags) check() error {
	f.weighting.Kind = blend.WeightingKind(f.kind)
	f.embedding.Pooling = "mean"
	if f.last {
		f.embedding.Pooling = "last"
	}
	if f.out == "" {
		return usagef("--out is missing")
	}
	return f.weighting.Validate()
}
