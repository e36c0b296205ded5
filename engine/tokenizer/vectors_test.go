package tokenizer

import (
	"slices"
	"testing"
)

// plain encodes nothing but the text.
var plain = Options{AddBOS: Never, AddEOS: Never}

func TestGGMLVocabVectors(t *testing.T) {
	for _, name := range []string{"llama-spm", "phi-3", "gpt-2", "qwen2", "deepseek-coder", "falcon", "refact", "bert-bge"} {
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			texts, ids := vectors(t, name)
			for i, text := range texts {
				if got := tok.Encode(text, plain); !slices.Equal(got, ids[i]) {
					t.Errorf("Encode(%q)\n got %v\nwant %v", text, got, ids[i])
				}
			}
		})
	}
}
