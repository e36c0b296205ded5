package constrain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// realisticSize is that of Qwen2.5's vocabulary.
const realisticSize = 151665

// realisticVocab imitates a byte-level BPE vocabulary of today: words with and
// without a space before them, suffixes, capitals, digits, punctuation of
// programs, runs of spaces, and pieces of UTF-8.
func realisticVocab() (*Vocab, int32) {
	rng := rand.New(rand.NewPCG(7, 7))
	seen := map[string]bool{}
	var tokens [][]byte
	add := func(s string) {
		if !seen[s] && len(tokens) < realisticSize {
			seen[s] = true
			tokens = append(tokens, []byte(s))
		}
	}
	for c := range 256 {
		add(string([]byte{byte(c)}))
	}
	for n := 2; n <= 80; n++ {
		add(string(slices.Repeat([]byte(" "), n)))
		add("\n" + string(slices.Repeat([]byte(" "), n)))
	}
	for _, a := range `"'(){}[]<>,.;:/\=+-*&|!?#$%_` + "\n" {
		for _, b := range `"'(){}[]<>,.;:/\=+-*&|!?#$%_` + "\n " {
			add(string(a) + string(b))
			add(" " + string(a) + string(b))
			add(string(a) + string(b) + "\n")
		}
	}
	for n := range 1000 {
		add(fmt.Sprint(n))
	}
	letters := "etaoinshrdlucmfwypvbgkjqxz"
	for len(tokens) < realisticSize-1 {
		word := make([]byte, 2+rng.IntN(4)+rng.IntN(5))
		for i := range word {
			word[i] = letters[min(rng.IntN(26), rng.IntN(26))]
		}
		switch rng.IntN(12) {
		case 0:
			word[0] -= 'a' - 'A'
		case 1:
			word = append([]byte{"\"._-('</"[rng.IntN(8)]}, word...)
		case 2:
			word = append(word, "\"._:('>,"[rng.IntN(8)])
		case 3, 4:
			word = word[:0]
			for range 1 + rng.IntN(4) {
				word = append(word, string(rune(0x80+rng.IntN(0x9000)))...)
			}
		}
		if rng.IntN(2) == 0 {
			word = append([]byte(" "), word...)
		}
		add(string(word))
	}
	eos := int32(len(tokens))
	tokens = append(tokens, nil)
	return NewVocab(len(tokens), func(id int32) []byte { return tokens[id] }), eos
}

// documents are what a model would write under a schema.
var documents = []struct{ name, schema, text string }{
	{"json mode", `{"type":"object"}`, `{"title": "A walk", "tags": ["sun", "rain", "wind"], "place": {"city": "Lisbon", "lat": 38.72, "lon": -9.14}, "open": true, "notes": "Bring water, and a hat: it was 31 degrees yesterday.\nDogs are welcome.", "count": 12}`},
	{"tool call", schemas[len(schemas)-1].schema, `{"name": "get_weather", "arguments": {"city": "San Francisco", "days": 5, "units": "c"}}`},
	{"100 properties", manyProperties(100), `{"p3": "one", "p77": "two words", "p12": "three", "p99": "the last one of them"}`},
	{"length limits", `{"type":"object","properties":{"s":{"type":"string","maxLength":200}},"required":["s"],"additionalProperties":false}`, `{"s": "It was a bright cold day in April, and the clocks were striking thirteen."}`},
}

func manyProperties(n int) string {
	s := `{"type":"object","properties":{`
	for i := range n {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf(`"p%d":{"type":"string"}`, i)
	}
	return s + `},"additionalProperties":false}`
}

// longest cuts text into the longest tokens, as BPE roughly does.
func longest(v *Vocab, text string) []int32 {
	byText := map[string]int32{}
	for id := range int32(v.Size()) {
		byText[string(v.token(id))] = id
	}
	var ids []int32
	for len(text) > 0 {
		n := min(len(text), 24)
		for ; n > 1; n-- {
			if _, ok := byText[text[:n]]; ok {
				break
			}
		}
		ids = append(ids, byText[text[:n]])
		text = text[n:]
	}
	return ids
}

// BenchmarkDocument masks one whole document. The time per token, µs/token, is
// what decoding a token must be compared with. cache=cold makes a new Masker per
// document, cache=warm goes on with one.
func BenchmarkDocument(b *testing.B) {
	v, eos := realisticVocab()
	for _, d := range documents {
		ids := longest(v, d.text)
		g := mustCompile(b, d.schema)
		for _, cold := range []bool{true, false} {
			name := "warm"
			if cold {
				name = "cold"
			}
			b.Run("schema="+d.name+"/cache="+name, func(b *testing.B) {
				m := NewMasker(g, v, []int32{eos})
				for b.Loop() {
					if m.Reset(); cold {
						m = NewMasker(g, v, []int32{eos})
					}
					for _, id := range ids {
						if !bit(m.Mask(), id) {
							b.Fatalf("token %q is masked", v.token(id))
						}
						if err := m.Accept(id); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(ids)), "µs/token")
			})
		}
	}
}

// BenchmarkNewVocab builds the trie of 150 000 tokens.
func BenchmarkNewVocab(b *testing.B) {
	v, _ := realisticVocab()
	for b.Loop() {
		NewVocab(v.Size(), func(id int32) []byte { return v.token(id) })
	}
}
