package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"pastel/engine"
	"pastel/engine/chat"
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// TestSnapshotContinues: a restored session goes on with equal logits.
func TestSnapshotContinues(t *testing.T) {
	m := story(t)
	m.SetDigest("sha256:story")
	for _, kv := range []engine.KVChoice{engine.KVF32, engine.KVF16} {
		t.Run(fmt.Sprint(kv), func(t *testing.T) {
			s := newSession(t, m, engine.SessionOptions{ContextLength: 64, KV: kv})
			if err := s.Prefill(storyPrompt[:13]); err != nil {
				t.Fatal(err)
			}
			saved := s.Save()
			if err := s.Prefill(storyPrompt[13:]); err != nil {
				t.Fatal(err)
			}
			other := newSession(t, m, engine.SessionOptions{ContextLength: 50, KV: kv})
			if err := other.Restore(saved); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(other.Tokens(), storyPrompt[:13]) {
				t.Errorf("restored tokens %v", other.Tokens())
			}
			if err := other.Prefill(storyPrompt[13:]); err != nil {
				t.Fatal(err)
			}
			if d := maxDiff(s.Logits(0), other.Logits(0)); d != 0 {
				t.Errorf("logits differ by %g after a restore", d)
			}
		})
	}
}

func TestSnapshotRefuses(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 64})
	if err := s.Prefill(storyPrompt); err != nil {
		t.Fatal(err)
	}
	saved := s.Save()
	for n := range saved {
		if n%7 == 0 || n < 64 {
			if err := s.Restore(saved[:n]); err == nil || s.Len() != 0 {
				t.Fatalf("a snapshot cut at %d of %d was taken", n, len(saved))
			}
		}
	}
	small := newSession(t, m, engine.SessionOptions{ContextLength: 8})
	if err := small.Restore(saved); fault.CodeOf(err) != fault.Context {
		t.Errorf("a snapshot longer than the context = %v", err)
	}
	half := newSession(t, m, engine.SessionOptions{ContextLength: 64, KV: engine.KVF16})
	if err := half.Restore(saved); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("a snapshot of another cache type = %v", err)
	}
	m.SetDigest("another")
	if err := s.Restore(saved); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("a snapshot of another model = %v", err)
	}
}

// TestConstrainedOutputIsJSON: whatever the model would say, a schema holds. This
// model loves newlines: the grammar bounds every run of them.
func TestConstrainedOutputIsJSON(t *testing.T) {
	m := story(t)
	s := newSession(t, m, engine.SessionOptions{ContextLength: 1024})
	c, err := m.Constrain(`{"type":"object","properties":{"name":{"enum":["Lily","Tim"]},"age":{"type":"integer","minimum":1,"maximum":99}},"required":["name","age"],"additionalProperties":false}`)
	if err != nil {
		t.Fatal(err)
	}
	text, _, why := generate(t, s, engine.Request{Prompt: storyPrompt, MaxTokens: 900, Constraint: c})
	v, err := jsonvalue.Parse([]byte(text))
	if err != nil || why != engine.FinishStop {
		t.Fatalf("constrained output %q (%s): %v", text, why, err)
	}
	field, _ := v.Get("name")
	name, _ := field.String()
	if name != "Lily" && name != "Tim" {
		t.Errorf("name = %q", name)
	}
}

func TestPromptNeedsATemplateOrChatML(t *testing.T) {
	m := story(t)
	req := chat.Request{Messages: jsonvalue.OfArray([]jsonvalue.Value{chat.Message("user", "hi")}), AddGenerationPrompt: true}
	if _, err := m.Prompt(req, false); fault.CodeOf(err) != fault.Template {
		t.Errorf("Prompt without a template = %v, want %s", err, fault.Template)
	}
	got, err := m.Prompt(req, true)
	if want := "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"; err != nil || got != want {
		t.Errorf("Prompt = %q, %v, want %q", got, err, want)
	}
}
