package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// pieces cuts text with all stages and returns the lengths of the words.
func pieces(text string, stages []splitter) []int {
	if len(stages) == 0 {
		return []int{len(text)}
	}
	var lens []int
	for len(text) > 0 {
		n := stages[0](text)
		lens = append(lens, pieces(text[:n], stages[1:])...)
		text = text[n:]
	}
	return lens
}

// splitCase is what Python's package regex makes of texts with a pre-tokenizer's
// expressions.
type splitCase struct {
	Texts []string
	Pre   string
	Exprs []string
	Cuts  [][]int
}

func TestSplittersAgainstExpressions(t *testing.T) {
	var texts []string
	for line := range bytes.Lines(readTestdata(t, "splits.jsonl.gz")) {
		var c splitCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if c.Texts != nil {
			texts = c.Texts
			continue
		}
		t.Run(c.Pre, func(t *testing.T) {
			pre := preTokenizerNamed(c.Pre)
			if pre == nil {
				t.Fatal("not known")
			}
			for i, text := range texts {
				if got := pieces(text, pre.stages); !slices.Equal(got, c.Cuts[i]) {
					t.Errorf("%q\n got %q\nwant %q\nby %s", text, cut(text, got), cut(text, c.Cuts[i]), c.Exprs)
				}
			}
		})
	}
}

func cut(text string, lens []int) (words []string) {
	for _, n := range lens {
		n = min(n, len(text))
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

// preNames has one name of every rule.
var preNames = []string{
	"default", "llama-bpe", "dbrx", "qwen2", "qwen35", "minicpm5", "ufakzeka", "seed-coder", "laguna", "gpt-2", "starcoder",
	"falcon", "bloom", "viking", "tekken", "gpt-4o", "granite-embed-multi-97m", "youtu", "deepseek-llm", "deepseek-coder", "deepseek-v3",
}

// TestSplittersAreLinear runs every splitter over texts of 256 KB that
// make expressions backtrack. A quadratic splitter takes minutes for one.
func TestSplittersAreLinear(t *testing.T) {
	const n = 1 << 18
	texts := map[string]string{
		"spaces":              strings.Repeat(" ", n),
		"spaces, then a word": strings.Repeat(" ", n) + "x",
		"letters":             strings.Repeat("a", n),
		"digits":              strings.Repeat("1", n),
		"newlines and spaces": strings.Repeat("\n ", n/2),
		"symbols":             strings.Repeat("!", n),
		"control":             strings.Repeat("\x01", n),
		"apostrophes":         strings.Repeat("'", n),
		"capitals after Han":  strings.Repeat("中AA", n/5),
		"Han, then capitals":  "中" + strings.Repeat("A", n),
		"marks":               strings.Repeat("\u0301", n/2),
		"marks and spaces":    strings.Repeat(" \u0301", n/3),
		"not UTF-8":           strings.Repeat("\x97", n),
		"lone surrogates":     strings.Repeat("\xed\xa0\x80", n/3),
		"wide spaces":         strings.Repeat("\u3000", n/3),
		"stops of bloom":      strings.Repeat(" .", n/2),
	}
	for _, name := range preNames {
		pre := preTokenizerNamed(name)
		if pre == nil {
			t.Fatalf("%s is not known", name)
		}
		for what, text := range texts {
			start := time.Now()
			total := 0
			count(text, pre.stages, &total)
			if total != len(text) {
				t.Errorf("%s, %s: %d bytes of %d", name, what, total, len(text))
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%s, %s: %v for 256 KB", name, what, d)
			}
		}
	}
}

func count(text string, stages []splitter, total *int) {
	if len(stages) == 0 {
		*total += len(text)
		return
	}
	for len(text) > 0 {
		n := stages[0](text)
		count(text[:n], stages[1:], total)
		text = text[n:]
	}
}
