package engine_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pastel/engine"
	"pastel/engine/sample"
	"pastel/fault"
)

// storyPrompt is "Once upon a time" and more, as tokens of stories260K.
var storyPrompt = []int32{1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408}

func story(t testing.TB) *engine.Model {
	return loadModel(t, engine.Reference(), "../testdata/models/stories260K.gguf")
}

// TestPrefillSplits: prefill in any split equals one prefill, and decode after
// prefill equals a longer prefill. The bound is float32 noise: the reference
// sums in float64, so only the cache's rounding order differs, which is none.
func TestPrefillSplits(t *testing.T) {
	for _, kv := range []engine.KVChoice{engine.KVF32, engine.KVF16} {
		m := story(t)
		whole := newSession(t, m, engine.SessionOptions{ContextLength: 64, KV: kv})
		if err := whole.Prefill(storyPrompt); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(whole.Logits(0))
		for _, cuts := range [][]int{{1}, {22}, {5, 6, 17}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}} {
			t.Run(fmt.Sprint(kv, cuts), func(t *testing.T) {
				s := newSession(t, m, engine.SessionOptions{ContextLength: 64, KV: kv})
				from := 0
				for _, to := range append(cuts, len(storyPrompt)) {
					if err := s.Prefill(storyPrompt[from:to]); err != nil {
						t.Fatal(err)
					}
					from = to
				}
				if d := maxDiff(want, s.Logits(0)); d > 1e-6 {
					t.Errorf("logits differ by %g", d)
				}
			})
		}
	}
}

// TestTruncateForgets: what follows a truncation does not depend on what was cut.
func TestTruncateForgets(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 64})
	if err := s.Prefill(storyPrompt); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(s.Logits(0))
	s.Truncate(7)
	if err := s.Prefill([]int32{9, 9, 9, 300}); err != nil {
		t.Fatal(err)
	}
	s.Truncate(7)
	if err := s.Prefill(storyPrompt[7:]); err != nil {
		t.Fatal(err)
	}
	if d := maxDiff(want, s.Logits(0)); d != 0 {
		t.Errorf("logits differ by %g", d)
	}
}

func TestContextFullIsAnError(t *testing.T) {
	s := newSession(t, story(t), engine.SessionOptions{ContextLength: 8})
	if err := s.Prefill(storyPrompt[:8]); err != nil {
		t.Fatal(err)
	}
	if err := s.Forward([]int32{5}, 1); fault.CodeOf(err) != fault.Context {
		t.Errorf("Forward in a full context = %v, want %s", err, fault.Context)
	}
	if s.Len() != 8 {
		t.Errorf("a refused pass changed the length to %d", s.Len())
	}
	if _, err := s.Generate(engine.Request{Prompt: storyPrompt[:8]}); fault.CodeOf(err) != fault.Context {
		t.Errorf("Generate without room = %v, want %s", err, fault.Context)
	}
	if err := s.Forward([]int32{1 << 20}, 1); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("a token outside the vocabulary = %v", err)
	}
}

// generate runs a request to its end.
func generate(t testing.TB, s *engine.Session, req engine.Request) (text string, ids []int32, why engine.FinishReason) {
	t.Helper()
	g, err := s.Generate(req)
	if err != nil {
		t.Fatal(err)
	}
	for why == "" {
		e, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Token >= 0 {
			ids = append(ids, e.Token)
		}
		text += string(e.Text)
		why = e.Finish
	}
	return text, ids, why
}

func TestGenerationEnds(t *testing.T) {
	m := story(t)
	prompt := storyPrompt[:5]
	for _, tt := range []struct {
		name    string
		context int
		req     engine.Request
		text    string
		why     engine.FinishReason
	}{
		{"length", 64, engine.Request{MaxTokens: 7}, ", there was a little gir", engine.FinishLength},
		{"end of context", 10, engine.Request{}, ", there was a little g", engine.FinishLength},
		{"stop string", 64, engine.Request{Stop: []string{"girl"}}, ", there was a little ", engine.FinishStop},
		{"stop string held back", 64, engine.Request{MaxTokens: 7, Stop: []string{"girls"}}, ", there was a little gir", engine.FinishLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Prompt = prompt
			s := newSession(t, m, engine.SessionOptions{ContextLength: tt.context})
			text, _, why := generate(t, s, tt.req)
			if text != tt.text || why != tt.why {
				t.Errorf("Generate = %q, %s, want %q, %s", text, why, tt.text, tt.why)
			}
		})
	}
}

// TestPrefixIsReused: a second request computes only what is new and answers alike.
func TestPrefixIsReused(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 64})
	generate(t, s, engine.Request{Prompt: storyPrompt[:10], MaxTokens: 5})
	g, err := s.Generate(engine.Request{Prompt: storyPrompt, MaxTokens: 5})
	if err != nil {
		t.Fatal(err)
	}
	if g.Cached() < 10 {
		t.Errorf("cached %d prompt tokens, want at least 10", g.Cached())
	}
	_, got, _ := generate(t, s, engine.Request{Prompt: storyPrompt, MaxTokens: 8})
	_, want, _ := generate(t, newSession(t, m, engine.SessionOptions{ContextLength: 64}), engine.Request{Prompt: storyPrompt, MaxTokens: 8})
	if !slices.Equal(got, want) {
		t.Errorf("with reuse %v, without %v", got, want)
	}
}

// TestAdapterLaws: no adapter and scale 0 equal the base, two halves equal one
// whole, and a change of adapters empties the cache.
func TestAdapterLaws(t *testing.T) {
	m := story(t)
	pair := engine.LoRAPair{Target: "blk.1.attn_q.weight", Rank: 2, In: 64, Out: 64, Scale: 0.5, A: make([]float32, 128), B: make([]float32, 128)}
	for i := range pair.A {
		pair.A[i], pair.B[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
	}
	if err := m.AddAdapter("a", []engine.LoRAPair{pair}); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, m, engine.SessionOptions{ContextLength: 64})
	logits := func(active ...engine.ActiveAdapter) []float32 {
		t.Helper()
		if err := s.SetAdapters(active); err != nil {
			t.Fatal(err)
		}
		if s.Len() != 0 {
			t.Errorf("the cache holds %d tokens of other adapters", s.Len())
		}
		if err := s.Prefill(storyPrompt); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Logits(0))
	}
	base := logits()
	one := logits(engine.ActiveAdapter{ID: "a", Scale: 1})
	if d := maxDiff(base, one); d < 0.01 {
		t.Errorf("the adapter moves the logits by %g only", d)
	}
	if d := maxDiff(base, logits(engine.ActiveAdapter{ID: "a"})); d > 1e-6 {
		t.Errorf("scale 0 differs from the base by %g", d)
	}
	half := engine.ActiveAdapter{ID: "a", Scale: 0.5}
	if d := maxDiff(one, logits(half, half)); d > 1e-4 {
		t.Errorf("two halves differ from one by %g", d)
	}
	bad := pair
	bad.In = 32
	if err := m.AddAdapter("b", []engine.LoRAPair{bad}); fault.CodeOf(err) != fault.LoRAMismatch {
		t.Errorf("a misshapen adapter = %v", err)
	}
	if err := s.SetAdapters([]engine.ActiveAdapter{{ID: "nobody", Scale: 1}}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("an unknown adapter = %v", err)
	}
}

// TestDecodeDoesNotAllocate: a token costs no memory, sampled or greedy.
func TestDecodeDoesNotAllocate(t *testing.T) {
	s := newSession(t, story(t), engine.SessionOptions{ContextLength: 512})
	for _, temperature := range []float32{0, 0.8} {
		g, err := s.Generate(engine.Request{Prompt: storyPrompt, IgnoreEnd: true, Sampling: sample.Options{Temperature: temperature, TopK: 40, TopP: 0.9, Seed: 7}})
		if err != nil {
			t.Fatal(err)
		}
		step := func() {
			if _, err := g.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for range 60 { // buffers reach their size
			step()
		}
		if n := testing.AllocsPerRun(50, step); n != 0 {
			t.Errorf("temperature %g: %g allocations per token", temperature, n)
		}
	}
}

// TestEmbedIsTheFirstQuery compares with an independent evaluation: the
// embedding rows, normalised and multiplied with W_q, averaged.
func TestEmbedIsTheFirstQuery(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 64})
	got, err := s.Embed(storyPrompt, engine.Recipe{})
	if err != nil {
		t.Fatal(err)
	}
	want := firstQueries(t, "../testdata/models/stories260K.gguf", storyPrompt)
	for i := range want {
		if d := math.Abs(want[i]/float64(len(storyPrompt)) - float64(got[i])); d > 1e-5 {
			t.Fatalf("embedding[%d] = %g, want %g", i, got[i], want[i])
		}
	}
}

// everyThird forbids two of three tokens, others at every step.
type everyThird struct{ step int }

func (c *everyThird) Accept(int32) error { c.step++; return nil }

func (c *everyThird) Mask() []uint64 {
	mask := make([]uint64, 8)
	for id := c.step % 3; id < 512; id += 3 {
		mask[id/64] |= 1 << (id % 64)
	}
	return mask
}

// TestConstrainedGreedy: the likeliest of the allowed tokens comes, whether the kernels'
// choice is allowed or the sampler has to look, which a bias of zero makes it do.
func TestConstrainedGreedy(t *testing.T) {
	m := story(t)
	var got [2][]int32
	for i, bias := range []map[int32]float32{nil, {7: 0}} {
		s, err := m.NewSession(engine.SessionOptions{ContextLength: 64})
		if err != nil {
			t.Fatal(err)
		}
		req := engine.Request{Prompt: storyPrompt, MaxTokens: 40, IgnoreEnd: true, Sampling: sample.Options{LogitBias: bias}, Constraint: &everyThird{}}
		_, got[i], _ = generate(t, s, req)
		s.Close()
	}
	for i, id := range got[0] {
		if int(id)%3 != i%3 {
			t.Errorf("token %d is %d, which was forbidden", i, id)
		}
	}
	if len(got[0]) != 40 || !slices.Equal(got[0], got[1]) {
		t.Errorf("kernels' choice %v, sampler's %v", got[0], got[1])
	}
}
