package engine_test

import (
	"os"
	"strings"
	"testing"

	"pastel/engine"
	"pastel/engine/tokenizer"
)

// TestGoldLlama2C continues greedily and compares the text with llama2.c's, an
// engine that shares nothing with llama.cpp. Its steps count prompt tokens and
// the begin-of-sequence token, and it stops at the end of a story.
func TestGoldLlama2C(t *testing.T) {
	m := story(t)
	for _, tt := range []struct {
		name, file, prompt string
		steps              int
	}{
		{"from nothing", "stories260K.greedy256.txt", "", 256},
		{"from a prompt", "stories260K.prompt-big-dog.greedy128.txt", "One day, a big dog", 128},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, err := os.ReadFile("../testdata/gold-llama2c/" + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			s := newSession(t, m, engine.SessionOptions{ContextLength: 512})
			prompt := m.Tokenizer().Encode(tt.prompt, tokenizer.Options{})
			text, _, _ := generate(t, s, engine.Request{Prompt: prompt, MaxTokens: tt.steps - len(prompt)})
			got := strings.TrimSpace(tt.prompt + text)
			if !strings.HasPrefix(strings.TrimSpace(string(want)), got) && !strings.HasPrefix(got, strings.TrimSpace(string(want))) {
				t.Errorf("text = %q, want %q", got, want)
			}
			if len(got) < len(strings.TrimSpace(string(want)))-8 {
				t.Errorf("text of %d bytes, want about %d", len(got), len(want))
			}
		})
	}
}
