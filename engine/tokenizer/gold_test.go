package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGold encodes the prompts and decodes the answers of llama.cpp's reference
// runs on the bundled models.
func TestGold(t *testing.T) {
	for _, tt := range []struct{ model, gold string }{
		{"stories260K.gguf", "stories260K-f32.jsonl"},
		{"TinyStories-656K-f32.gguf", "TinyStories-656K-f32.jsonl"},
	} {
		t.Run(tt.model, func(t *testing.T) {
			model, err := os.ReadFile(filepath.Join("../../testdata/models", tt.model))
			if err != nil {
				t.Fatal(err)
			}
			gold, err := os.ReadFile(filepath.Join("../../testdata/gold-llamacpp", tt.gold))
			if err != nil {
				t.Fatal(err)
			}
			tok := newTokenizer(t, readMetadata(t, model))
			for line := range bytes.Lines(gold) {
				row := decodeJSON[struct {
					Prompt     string
					PromptIDs  []int32 `json:"prompt_ids"`
					GreedyIDs  []int32 `json:"greedy_ids"`
					GreedyText string  `json:"greedy_text"`
				}](t, line)
				if got := tok.Encode(row.Prompt, Options{}); !slices.Equal(got, row.PromptIDs) {
					t.Errorf("Encode(%q) = %v, want %v", row.Prompt, got, row.PromptIDs)
				}
				var sb strings.Builder
				s := tok.NewStream(DecodeOptions{})
				for _, id := range row.GreedyIDs {
					sb.WriteString(s.Push(id))
				}
				sb.WriteString(s.Flush())
				if got := sb.String(); got != row.GreedyText {
					t.Errorf("after %q:\n got %q\nwant %q", row.Prompt, got, row.GreedyText)
				}
			}
		})
	}
}
