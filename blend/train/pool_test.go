package train

import (
	"bytes"
	"encoding/json"
	"os"
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

// tasks reads a file of texts, by task.
func tasks(t testing.TB, tok *tokenizer.Tokenizer, file string) (names []string, texts map[string][][]int) {
	t.Helper()
	b, err := os.ReadFile(testmodel.Path("pool", file))
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

// testsPerTask is how many texts of a task are tested: 4 of the 10 there are keep the test
// short; docs/planted-tasks.md has the result for all.
const testsPerTask = 4

// evaluate customises the pool from the first 10 texts of every task and returns
// each method's mean loss, in nats a token, on some others.
func evaluate(t *testing.T, file string) map[string]float64 {
	p, m, tok := bundled(t)
	names, texts := tasks(t, tok, file)
	loss := map[string]float64{}
	tested := 0.0
	for _, name := range names {
		var shown [][]float32
		for _, ids := range texts[name][:10] {
			shown = append(shown, m.Query(ids, Recipe{}))
		}
		scores, _, err := p.Customise(shown)
		if err != nil {
			t.Fatal(err)
		}
		methods := map[string]*LoRA{"no adapter": nil}
		for method, w := range map[string]blend.Weighting{"blended": p.Weighting, "uniform": {Kind: blend.Uniform}, "nearest": {Kind: blend.OneHot}} {
			methods[method] = userAdapter(t, p, m, w, scores)
		}
		for _, ids := range texts[name][10 : 10+testsPerTask] {
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
	t.Logf("%s: mean loss in nats a token on %d texts of %d tasks: %v", file, int(tested), len(names), loss)
	return loss
}

func userAdapter(t *testing.T, p *pool.Pool, m *Model, w blend.Weighting, scores []float64) *LoRA {
	t.Helper()
	weights, err := w.Weights(scores)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Blend("user", weights)
	if err != nil {
		t.Fatal(err)
	}
	return FromAdapter(m.Config, a)
}

// On new texts of the intents it was trained for, the bundled pool's blend beats
// no adapter, the uniform blend and the nearest adapter.
func TestBundledPool(t *testing.T) {
	loss := evaluate(t, "heldout.jsonl")
	for _, rival := range []string{"no adapter", "uniform", "nearest"} {
		if loss["blended"] >= loss[rival] {
			t.Errorf("blended %v, %s %v", loss["blended"], rival, loss[rival])
		}
	}
}

// On intents nobody trained on it still beats no adapter and the nearest one.
// The uniform blend is a little better there (docs/planted-tasks.md).
func TestBundledPoolOnUnseenIntents(t *testing.T) {
	loss := evaluate(t, "unseen.jsonl")
	for _, rival := range []string{"no adapter", "nearest"} {
		if loss["blended"] >= loss[rival] {
			t.Errorf("blended %v, %s %v", loss["blended"], rival, loss[rival])
		}
	}
}
