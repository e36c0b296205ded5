package train

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/pool"
	"pastel/engine/gguf"
	"pastel/engine/testmodel"
	"pastel/engine/tokenizer"
)

// bundled opens the trained pool of the repository and its base.
func bundled(t testing.TB) (*pool.Pool, *Model, *tokenizer.Tokenizer) {
	t.Helper()
	read := func(elem ...string) []byte {
		b, err := os.ReadFile(testmodel.Path(elem...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	file := read("models", "stories260K.gguf")
	m, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.New(&f.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := pool.ParseManifest(read("pool", pool.ManifestName), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.CheckBase(digest.Hex(file), m.Shapes); err != nil {
		t.Fatal(err)
	}
	p, err := pool.Open(manifest, read("pool", manifest.Keys.Name), pool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, a := range manifest.Adapters {
		if err := p.Load(n, read("pool", a.File.Name)); err != nil {
			t.Fatal(err)
		}
	}
	return p, m, tok
}

// heldOut reads texts of intents that the pool was not trained on, by intent.
func heldOut(t testing.TB, tok *tokenizer.Tokenizer) (names []string, texts map[string][][]int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testmodel.Path("pool"), "heldout.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	texts = map[string][][]int{}
	for line := range strings.Lines(string(b)) {
		var l struct{ Text, Task string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		var ids []int
		for _, id := range tok.Encode(l.Text, tokenizer.Options{AddBOS: tokenizer.Never, AddEOS: tokenizer.Never}) {
			ids = append(ids, int(id))
		}
		if texts[l.Task] == nil {
			names = append(names, l.Task)
		}
		texts[l.Task] = append(texts[l.Task], ids)
	}
	return names, texts
}

// On intents nobody trained on, customised from 10 texts each and tested on
// others, the bundled pool's blend must beat no adapter, the uniform blend and
// the nearest adapter.
func TestBundledPool(t *testing.T) {
	p, m, tok := bundled(t)
	names, texts := heldOut(t, tok)
	loss := map[string]float64{}
	tested := 0.0
	for _, name := range names {
		list := texts[name]
		var shown [][]float32
		for _, ids := range list[:10] {
			shown = append(shown, m.Query(ids, Recipe{}))
		}
		scores, weights, err := p.Customise(shown)
		if err != nil {
			t.Fatal(err)
		}
		methods := map[string]*LoRA{"no adapter": nil}
		for method, w := range map[string]blend.Weighting{"blended": p.Weighting, "uniform": {Kind: blend.Uniform}, "nearest": {Kind: blend.OneHot}} {
			if weights, err = w.Weights(scores); err != nil {
				t.Fatal(err)
			}
			a, err := p.Blend("user", weights, nil)
			if err != nil {
				t.Fatal(err)
			}
			methods[method] = FromAdapter(m.Config, a)
		}
		for _, ids := range list[10:] {
			tokens := append(append([]int{int(tok.BOS())}, ids...), int(tok.EOS()))
			tested++
			for method, lora := range methods {
				loss[method] += m.Loss(Example{Tokens: tokens, From: 1}, lora)
			}
		}
	}
	for method := range loss {
		loss[method] /= tested
	}
	t.Logf("mean loss in nats a token on %d texts of %d unseen intents: %v", int(tested), len(names), loss)
	for _, rival := range []string{"no adapter", "uniform", "nearest"} {
		if loss["blended"] >= loss[rival] {
			t.Errorf("blended %v, %s %v", loss["blended"], rival, loss[rival])
		}
	}
}
