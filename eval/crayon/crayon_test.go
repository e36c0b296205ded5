package crayon

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/train"
)

// zipped is a corpus file of lines.
func zipped(t *testing.T, lines ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// miniature has two domains of two intents, every text telling its intent by a word.
func miniature(t *testing.T) *Corpus {
	t.Helper()
	var lines []string
	texts := func(word string, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"please %s %c"`, word, 'a'+i%3))
		}
		return strings.Join(list, ",")
	}
	for _, i := range [][2]string{{"bank", "freeze"}, {"bank", "pay"}, {"car", "oil"}, {"car", "gas"}, {"", "oos"}} {
		lines = append(lines, fmt.Sprintf(`{"domain":%q,"intent":%q,"train":[%s],"held":[%s]}`, i[0], i[1], texts(i[1], 8), texts(i[1], 10)))
	}
	c, err := ReadCorpus(zipped(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var small = Sizes{Words: 20, Dim: 16, Layers: 1, BaseTexts: 20, BaseSteps: 5, Batch: 4, Tasks: 4, Adapters: 2, Rank: 1, PoolSteps: 60, Rate: 2e-2, Tau: 0.2,
	TaskSteps: 20, ServerDim: 16, ServerLayers: 1, ServerSteps: 60, Users: 4, Tests: 4, Strangers: 2, Samples: []int{1, 10}}

func TestReadCorpus(t *testing.T) {
	const good = `{"domain":"d","intent":"i","train":["a"],"held":["b","c"]}`
	for _, tt := range []struct{ name, says, lines string }{
		{"no request outside", "outside", good},
		{"no domain", "no domains", `{"domain":"","intent":"i","train":["a"],"held":["b","c"]}`},
		{"two without a domain", "second", `{"domain":"","intent":"i","train":["a"],"held":["b","c"]}` + "\n" + `{"domain":"","intent":"j","train":["a"],"held":["b","c"]}`},
		{"nothing held out", "line 2", good + "\n" + `{"domain":"d","intent":"j","train":["a"],"held":[]}`},
		{"no JSON", "line 1", "x"},
	} {
		if _, err := ReadCorpus(zipped(t, tt.lines)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
	if _, err := ReadCorpus(strings.NewReader("plain")); err == nil {
		t.Error("a file that is not gzipped was read")
	}
}

// The bundled corpus: ten domains of fifteen intents, and no text is both trained on and
// held out.
func TestBundledCorpus(t *testing.T) {
	f, err := os.Open("../../testdata/eval/intents.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := ReadCorpus(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Domains) != 10 || len(c.Intents) != 150 || len(c.Outside.Held) != 400 {
		t.Errorf("%d domains, %d intents, %d requests outside", len(c.Domains), len(c.Intents), len(c.Outside.Held))
	}
	trained := map[string]bool{}
	for _, i := range append(c.Intents, c.Outside) {
		for _, text := range i.Train {
			trained[text] = true
		}
	}
	for _, i := range append(c.Intents, c.Outside) {
		for _, text := range i.Held {
			if trained[text] {
				t.Errorf("%s: %q is trained on and held out", i.Name, text)
			}
		}
	}
}

// Nothing a user is tested with is what the user shows, or what anybody trains on.
func TestUsers(t *testing.T) {
	c := miniature(t)
	for i := range c.Intents {
		for k := range c.Intents[i].Held { // texts that tell themselves apart
			c.Intents[i].Held[k] = fmt.Sprintf("w%d", 10*i+k)
			c.Intents[i].Train = append(c.Intents[i].Train, c.Intents[i].Held[k]) // only for the vocabulary
		}
	}
	x := &experiment{Sizes: small, corpus: c, vocab: newVocabulary(c, 100), seed: 3}
	for n, u := range x.users(rand.New(rand.NewPCG(3, 3))) {
		if u.domain != n%2 || len(u.intents) != 2 || len(u.stream) != len(u.tests)+small.Strangers || len(u.samples) != 10 || len(u.tests) != 4 {
			t.Fatalf("user %d: %+v", n, u)
		}
		for i, r := range append(u.samples, u.tests...) {
			if !slices.Contains(u.intents, r.intent) {
				t.Errorf("user %d asks for intent %d of another domain", n, r.intent)
			}
			for _, other := range append(u.samples, u.tests...)[:i] {
				if slices.Equal(other.words, r.words) {
					t.Errorf("user %d has the request %v twice", n, r.words)
				}
			}
		}
	}
}

// Arrow with one adapter is that adapter: its softmax has one weight.
func TestArrowOfOne(t *testing.T) {
	c := miniature(t)
	x := &experiment{Sizes: small, corpus: c, vocab: newVocabulary(c, 20), seed: 1}
	x.base = train.New(llama(16, 2, x.vocab.size()))
	x.base.Init(1)
	lora := train.NewLoRA(x.base.Config, everyLinear, 2, 2)
	lora.Init(5)
	for i := range lora.Flat {
		lora.Flat[i] += 0.1 * math.Sin(float64(i))
	}
	a, err := lora.Adapter("a")
	if err != nil {
		t.Fatal(err)
	}
	r := x.vocab.request("please oil a", 2)
	got, want := x.arrow([]*blend.Adapter{a})(r), x.with(a)(r)
	for i := range want {
		if d := math.Abs(got[i] - want[i]); d > 1e-9*(1+math.Abs(want[i])) {
			t.Errorf("logit %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// run is the miniature's outcome: every row is there, what must be learnt is learnt, and
// a second run gives the same.
func TestRun(t *testing.T) {
	c := miniature(t)
	var runs []*Outcome
	for _, seed := range []uint64{1, 1, 2} {
		o, err := Run(context.Background(), c, seed, small, nil)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, o)
	}
	for i, s := range runs[0].Scores {
		again := runs[1].Scores[i]
		again.Seconds = s.Seconds
		if s != again {
			t.Errorf("equal seeds give %+v and %+v", s, again)
		}
		if !(s.Loss > 0) || s.Domain < s.All-1e-12 {
			t.Errorf("%+v", s)
		}
	}
	names := summary{runs}.methods()
	if len(names) != 17 {
		t.Errorf("%d methods: %v", len(names), names)
	}
	base, _ := at(runs[0], "base, no adapter", 10)
	for _, name := range []string{"one LoRA on everything, full rank", perTask, serverOnly} {
		if s, ok := at(runs[0], name, 10); !ok || s.Loss > base.Loss-0.2 {
			t.Errorf("%s: loss %.2f, the base's is %.2f: nothing was learnt", name, s.Loss, base.Loss)
		}
	}
	checkHybrid(t, runs[0].Hybrid)
	checkReport(t, runs[:1:1], runs[2])
	o, err := runs[0].Line()
	if err != nil {
		t.Fatal(err)
	}
	known, err := ReadOutcomes(bytes.NewReader(append(o, o[:20]...)))
	if err != nil || len(known) != 1 || known[Digest(c, small, 1)] == nil {
		t.Errorf("%d outcomes, %v", len(known), err)
	}
}

func checkHybrid(t *testing.T, h Hybrid) {
	t.Helper()
	last := len(Usages) - 1
	for name, curve := range h.Curves {
		if len(curve) != len(Usages) || curve[0] != h.Curves[AtRandom][0] || math.Abs(curve[last]-h.Curves[AtRandom][last]) > 1e-12 {
			t.Errorf("%s does not run from the device's accuracy to the server's: %v", name, curve)
		}
		for i, v := range curve {
			if v > h.Curves[ByOracle][i]+1e-12 {
				t.Errorf("%s at %v is above the oracle", name, Usages[i])
			}
		}
	}
	for i, b := range h.Budgets {
		if i > 0 && b.Used < h.Budgets[i-1].Used-1e-12 {
			t.Errorf("more budget, less use: %+v", h.Budgets)
		}
	}
}

func checkReport(t *testing.T, runs []*Outcome, other *Outcome) {
	t.Helper()
	text := Report(append(runs, other), small)
	for _, want := range []string{"**" + Crayon + "**", "LoRAHub", "Arrow", "| 50% |", "same |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	cells := 0 // of the row above, 0 outside tables
	for line := range strings.Lines(text) {
		n := strings.Count(line, "|")
		if cells > 0 && n > 0 && n != cells {
			t.Errorf("a row of %d cells under one of %d: %s", n-1, cells-1, line)
		}
		cells = n
	}
	d := xml.NewDecoder(bytes.NewReader(Picture(append(runs, other))))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDigest(t *testing.T) {
	c := miniature(t)
	other := small
	other.Tau = 0.3
	d := map[string]bool{}
	for _, s := range []string{Digest(c, small, 1), Digest(c, small, 2), Digest(c, other, 1), Digest(&Corpus{Digest: "x"}, small, 1)} {
		d[s] = true
	}
	if len(d) != 4 {
		t.Error("different experiments have equal digests")
	}
}
