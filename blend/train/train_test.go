package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"

	"pastel/blend"
	"pastel/engine/gguf"
	"pastel/engine/testmodel"
	"pastel/engine/tokenizer"
	"pastel/fault"
)

// toy returns sequences a model can learn by heart.
func toy() []Example {
	return []Example{{[]int{1, 2, 3, 4, 5}, 1}, {[]int{1, 6, 7, 8, 9}, 2}, {[]int{1, 3, 5, 7, 9, 2}, 1}}
}

func meanLoss(m *Model, l *LoRA) float64 {
	sum := 0.0
	for _, e := range toy() {
		sum += m.Loss(e, l) / float64(len(toy()))
	}
	return sum
}

func TestBaseLearns(t *testing.T) {
	m := New(tiny)
	m.Init(1)
	before := meanLoss(m, nil)
	if err := Base(context.Background(), m, toy(), Options{Steps: 150, Batch: 4, Rate: 1e-2}); err != nil {
		t.Fatal(err)
	}
	// The first tokens of a sequence are a coin between the three; the rest is certain.
	if after := meanLoss(m, nil); after > 0.35*before {
		t.Errorf("loss %v after training, %v before", after, before)
	}
}

// Joint training lowers the loss of the blends and leaves the base alone; an
// adapter whose weight is always zero stays as it was.
func TestJointLearns(t *testing.T) {
	m := New(tiny)
	m.Init(1)
	frozen := m.Clone()
	p := NewPool(tiny, 3, Shape{Linears: []int{AttnQ, FFNDown}, Rank: 2, Scaling: 2}, 1)
	start := append([]float64(nil), p.Flat...)
	alpha := [][]float64{{0.7, 0.3, 0}, {0.2, 0.8, 0}, {0.5, 0.5, 0}}
	blended := func() (sum float64) {
		for i, e := range toy() {
			sum += m.Loss(e, p.blend(tiny, alpha[i]))
		}
		return sum
	}
	before := blended()
	if err := p.Joint(context.Background(), m, toy(), alpha, Options{Steps: 100, Batch: 3, Rate: 2e-2}); err != nil {
		t.Fatal(err)
	}
	if after := blended(); after > 0.8*before {
		t.Errorf("loss %v after training, %v before", after, before)
	}
	if !reflect.DeepEqual(m.Flat, frozen.Flat) {
		t.Error("the base changed")
	}
	size := len(p.Adapters[0].Flat)
	if !reflect.DeepEqual(p.Flat[2*size:], start[2*size:]) {
		t.Error("an adapter of weight zero changed")
	}
	if reflect.DeepEqual(p.Flat[:size], start[:size]) || &p.Adapters[0].Flat[0] != &p.Flat[0] {
		t.Error("the first adapter did not change in place")
	}
}

// The gradient of a blend reaches adapter n times αₙ (crayon.md eq. 7).
func TestJointGradient(t *testing.T) {
	m := New(tiny)
	m.Init(1)
	p := NewPool(tiny, 2, Shape{Linears: []int{AttnV}, Rank: 2, Scaling: 1}, 3)
	for i := range p.Flat {
		p.Flat[i] += 0.1 * math.Sin(float64(i))
	}
	alpha := []float64{0.3, 0.7}
	e := toy()[0]
	g := p.blend(tiny, alpha).Like(tiny)
	m.LossGrad(e, p.blend(tiny, alpha), 1, Gradients{LoRA: g})
	size := len(g.Flat)
	for i := 0; i < len(p.Flat); i += 7 {
		const h = 1e-5
		old := p.Flat[i]
		p.Flat[i] = old + h
		up := m.Loss(e, p.blend(tiny, alpha))
		p.Flat[i] = old - h
		down := m.Loss(e, p.blend(tiny, alpha))
		p.Flat[i] = old
		want := alpha[i/size] * g.Flat[i%size]
		if got := (up - down) / (2 * h); math.Abs(got-want) > 1e-8 {
			t.Fatalf("gradient of value %d is %v, want %v", i, got, want)
		}
	}
}

// A run stopped and resumed from its checkpoint ends where an unbroken run does.
func TestResume(t *testing.T) {
	trainTo := func(ctx context.Context, o Options) (*Model, error) {
		m := New(tiny)
		m.Init(1)
		o.Steps, o.Batch, o.Seed = 20, 4, 9
		return m, Base(ctx, m, toy(), o)
	}
	whole, err := trainTo(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var saved []byte
	ctx, cancel := context.WithCancel(context.Background())
	_, err = trainTo(ctx, Options{SaveEvery: 7, Save: func(state []byte) error { saved = state; cancel(); return nil }})
	if !errors.Is(err, fault.Sentinel(fault.Aborted)) {
		t.Fatalf("cancelled run: %v", err)
	}
	resumed, err := trainTo(context.Background(), Options{Resume: saved})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(whole.Flat, resumed.Flat) {
		t.Error("the resumed run ends elsewhere")
	}

	broken := append([]byte(nil), saved...)
	broken[40] ^= 1
	other := append([]byte(nil), saved...)
	for _, tt := range []struct {
		name  string
		state []byte
		seed  uint64
		code  fault.Code
	}{{"flipped bit", broken, 9, fault.Hash}, {"cut", saved[:50], 9, fault.BadFile}, {"no checkpoint", make([]byte, 500), 9, fault.BadFile}, {"other seed", other, 8, fault.BadRequest}} {
		m := New(tiny)
		if err := Base(context.Background(), m, toy(), Options{Seed: tt.seed, Resume: tt.state}); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
}

func TestProgressAndErrors(t *testing.T) {
	m := New(tiny)
	m.Init(1)
	steps := 0
	err := Base(context.Background(), m, toy(), Options{Steps: 3, Progress: func(step, of int, loss float64) {
		if steps++; step != steps || of != 3 || !(loss > 0) {
			t.Errorf("progress %d of %d, loss %v", step, of, loss)
		}
	}})
	if err != nil || steps != 3 {
		t.Errorf("%d steps, %v", steps, err)
	}
	if err := Base(context.Background(), m, nil, Options{}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("no examples: %v", err)
	}
	full := errors.New("disk full")
	if err := Base(context.Background(), m, toy(), Options{Steps: 2, SaveEvery: 1, Save: func([]byte) error { return full }}); !errors.Is(err, full) {
		t.Errorf("failed save: %v", err)
	}
	p := NewPool(tiny, 2, Shape{Linears: []int{AttnV}, Rank: 1, Scaling: 1}, 3)
	for _, alpha := range [][][]float64{nil, {{1, 0}, {1, 0}, {1}}} {
		if err := p.Joint(context.Background(), m, toy(), alpha, Options{Steps: 1}); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("weights %v: %v", alpha, err)
		}
	}
}

func TestFitPool(t *testing.T) {
	m := New(tiny)
	m.Init(1)
	var texts []Text
	for i := range 12 {
		texts = append(texts, Text{Tokens: []int{1, 2 + i%3, 5 + i%4, 9}, From: 2, Embed: []int{2 + i%3}, Task: []string{"a", "b", ""}[i%3]})
	}
	for _, mode := range []Mode{Joint, Cluster} {
		spec := PoolSpec{Mode: mode, N: 3, Shape: Shape{Linears: allLinears, Rank: 2, Scaling: 1}}
		f, err := FitPool(context.Background(), m, texts, spec, func(n int) string { return "x" }, Options{Steps: 2, Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Adapters) != 3 || len(f.Keys.Centroids) != 3 || f.Examples[0]+f.Examples[1]+f.Examples[2] != 12 {
			t.Errorf("%s: %+v", mode, f)
		}
		if err := f.Adapters[0].Check(m.Shapes); err != nil {
			t.Error(err)
		}
	}
	spec := PoolSpec{Mode: Joint, N: 3, Shape: Shape{Linears: allLinears, Rank: 2, Scaling: 1}}
	for _, tt := range []struct {
		name   string
		change func(*PoolSpec, *Text)
	}{
		{"mode", func(s *PoolSpec, _ *Text) { s.Mode = "ring" }}, {"layer", func(s *PoolSpec, _ *Text) { s.Recipe.Layer = 9 }},
		{"too many adapters", func(s *PoolSpec, _ *Text) { s.N = 13 }}, {"weighting", func(s *PoolSpec, _ *Text) { s.Weighting = blend.Weighting{Kind: "x"} }},
		{"nothing to predict", func(_ *PoolSpec, x *Text) { x.From = 4 }}, {"predicts the start", func(_ *PoolSpec, x *Text) { x.From = 0 }},
		{"token outside the vocabulary", func(_ *PoolSpec, x *Text) { x.Tokens = []int{1, 99} }}, {"nothing to embed", func(_ *PoolSpec, x *Text) { x.Embed = nil }},
	} {
		s, list := spec, append([]Text(nil), texts...)
		tt.change(&s, &list[0])
		list[0].From = min(list[0].From, 4)
		if _, err := FitPool(context.Background(), m, list, s, func(int) string { return "" }, Options{Steps: 1}); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: %v, want ERR_BAD_REQUEST", tt.name, err)
		}
	}
}

// The layer-0 query is W_q·rmsnorm(embedding) averaged: computed here by hand.
func TestQuery(t *testing.T) {
	m := New(tiny)
	m.Init(2)
	tokens := []int{3, 7, 7}
	want := make([]float64, tiny.Heads*tiny.HeadDim)
	var last []float64
	for _, id := range tokens {
		x := m.Embed[id*tiny.Dim : (id+1)*tiny.Dim]
		square := 0.0
		for _, v := range x {
			square += v * v
		}
		last = make([]float64, len(want))
		for o := range want {
			for i, v := range x {
				last[o] += m.Layers[0].Linear[AttnQ][o*tiny.Dim+i] * v / math.Sqrt(square/float64(tiny.Dim)+tiny.Eps)
			}
			want[o] += last[o] / 3
		}
	}
	for name, pair := range map[string][2][]float64{
		"mean": {widenFloats(m.Query(tokens, Recipe{})), want}, "last": {widenFloats(m.Query(tokens, Recipe{Last: true})), last},
	} {
		if d := maxAbsDiff(pair[0], pair[1]); d > 1e-6 {
			t.Errorf("%s: off by %v", name, d)
		}
	}
	if a, b := m.Query(tokens, Recipe{Layer: 1}), m.Query(tokens, Recipe{}); reflect.DeepEqual(a, b) {
		t.Error("layer 1 embeds like layer 0")
	}
}

func widenFloats(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// TestSaveIsLoadsInverse: what is saved is loaded again, to the last bit of a float32,
// tied or not, with the tokenizer of another file.
func TestSaveIsLoadsInverse(t *testing.T) {
	data, err := os.ReadFile(testmodel.Path("models", "stories260K.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tied := range []bool{false, true} {
		c := Config{Dim: 24, HiddenDim: 40, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6, VocabSize: 512, RopeBase: 500, Eps: 0x1p-10, Tied: tied}
		m := New(c)
		m.Init(3)
		for i, w := range m.Flat {
			m.Flat[i] = float64(float32(w))
		}
		var file bytes.Buffer
		if err := m.Save(&file, "toy", &f.Metadata); err != nil {
			t.Fatal(err)
		}
		back, err := Load(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if back.Config != c || !slices.Equal(back.Flat, m.Flat) {
			t.Errorf("tied %v: config %+v, want %+v, or other weights", tied, back.Config, c)
		}
		saved, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if tok, err := tokenizer.New(&saved.Metadata); err != nil || tok.VocabSize() != 512 {
			t.Errorf("tied %v: tokenizer %v", tied, err)
		}
	}
}
