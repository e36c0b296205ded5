package tokenizer

import (
	"strings"
	"testing"
)

// english is a megabyte of ordinary text.
func english() string {
	const line = "The quick brown fox didn't jump over 3 lazy dogs; it walked around them, twice!\n\tif (x == 42) { return \"naïve café\"; } // Größe 1234567 — 日本語\n"
	return strings.Repeat(line, 1<<20/len(line)+1)[:1<<20]
}

func BenchmarkEncode(b *testing.B) {
	texts := map[string]string{"mixed": english(), "spaces": strings.Repeat(" ", 1<<20), "letters": strings.Repeat("a", 1<<20)}
	for _, name := range []string{"llama-spm", "gpt-2", "qwen2", "deepseek-coder", "bert-bge"} {
		tok := load(b, name)
		for _, what := range []string{"mixed", "spaces", "letters"} {
			b.Run("vocab="+name+"/text="+what, func(b *testing.B) {
				b.SetBytes(1 << 20)
				b.ReportAllocs()
				for b.Loop() {
					tok.Encode(texts[what], plain)
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, name := range []string{"llama-spm", "gpt-2"} {
		md := readMetadata(b, readTestdata(b, name+".gguf.gz"))
		b.Run("vocab="+name, func(b *testing.B) {
			for b.Loop() {
				newTokenizer(b, md)
			}
		})
	}
	md := qwen2Metadata(b)
	b.Run("vocab=qwen2", func(b *testing.B) {
		for b.Loop() {
			newTokenizer(b, md)
		}
	})
}
