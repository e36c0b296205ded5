package engine_test

import (
	"testing"

	"pastel/engine"
	"pastel/fault"
)

// TestShiftMovesFirstLayerExactly: the first layer's keys and values depend on
// token and position alone, so after a shift they equal those of a session that
// only ever ran the kept tokens.
func TestShiftMovesFirstLayerExactly(t *testing.T) {
	m := story(t)
	for _, kv := range []engine.KVChoice{engine.KVF32, engine.KVF16} {
		s := newSession(t, m, engine.SessionOptions{ContextLength: 32, KV: kv})
		if err := s.Prefill(storyPrompt); err != nil {
			t.Fatal(err)
		}
		if err := s.Shift(3, 7); err != nil {
			t.Fatal(err)
		}
		fresh := newSession(t, m, engine.SessionOptions{ContextLength: 32, KV: kv})
		if err := fresh.Prefill(append(append([]int32{}, storyPrompt[:3]...), storyPrompt[10:]...)); err != nil {
			t.Fatal(err)
		}
		got, want := s.FirstLayer(), fresh.FirstLayer()
		bound := 1e-5
		if kv == engine.KVF16 { // two roundings to 11 bits
			bound = 0x1p-10 * maxDiff(want, make([]float32, len(want)))
		}
		if d := maxDiff(want, got); d > bound {
			t.Errorf("first layer differs by %g, bound %g", d, bound)
		}
	}
}

func TestShiftRefuses(t *testing.T) {
	s := newSession(t, story(t), engine.SessionOptions{ContextLength: 32})
	if err := s.Prefill(storyPrompt); err != nil {
		t.Fatal(err)
	}
	for _, tt := range [][2]int{{-1, 2}, {0, 0}, {4, 100}} {
		if err := s.Shift(tt[0], tt[1]); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("Shift(%d, %d) = %v", tt[0], tt[1], err)
		}
	}
}

// TestTextOutgrowsTheContext: with shifting, a generation goes on past the end of
// the context, and a later request does not reuse what was shifted.
func TestTextOutgrowsTheContext(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 48})
	_, ids, why := generate(t, s, engine.Request{Prompt: storyPrompt[:5], MaxTokens: 150, IgnoreEnd: true, ShiftContext: true})
	if len(ids) != 150 || why != engine.FinishLength {
		t.Fatalf("%d tokens, %s", len(ids), why)
	}
	g, err := s.Generate(engine.Request{Prompt: append(append([]int32{}, s.Tokens()[:20]...), 300), MaxTokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	if g.Cached() > 4 {
		t.Errorf("%d shifted tokens were reused", g.Cached())
	}
}
