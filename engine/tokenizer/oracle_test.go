package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naiveBPE merges a word as the paper says: find the best pair of neighbours,
// merge its leftmost occurrence, start again. rank returns a pair's priority,
// smaller first, or -1.
//
// Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
func naiveBPE(symbols []string, rank func(left, right string) int) []string {
	for {
		best, at := -1, -1
		for i := 0; i+1 < len(symbols); i++ {
			if r := rank(symbols[i], symbols[i+1]); r >= 0 && (best < 0 || r < best) {
				best, at = r, i
			}
		}
		if at < 0 {
			return symbols
		}
		merged := symbols[at] + symbols[at+1]
		symbols = append(append(slices.Clone(symbols[:at]), merged), symbols[at+2:]...)
	}
}

// randomTexts are short texts over alphabets that make words long, merges
// overlap and bytes fall back.
func randomTexts(n int) []string {
	alphabets := []string{
		"ab", "aaab ", "the and of ", "  \n\t", "éèaäœ ñ", "日本語テスト。", "🙂🦙🇩a ", "abcdefghijklmnopqrstuvwxyz      ",
		"0123456789.", "ABCdef'st", "\u0301\u200d\ufe0f", "▁ ▁a",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", " ", "a"}
	for range n {
		alphabet := []rune(alphabets[rng.IntN(len(alphabets))])
		var sb strings.Builder
		for range rng.IntN(80) {
			sb.WriteRune(alphabet[rng.IntN(len(alphabet))])
		}
		texts = append(texts, sb.String())
	}
	return texts
}

// TestSentencePieceAgainstHuggingFace compares scores with merges: Hugging Face
// keeps the same vocabulary as a list of merges, and its algorithm is the naive
// one over the whole text.
func TestSentencePieceAgainstHuggingFace(t *testing.T) {
	hf := minuezaTokenizer(t)
	ranks := make(map[string]int)
	for i, m := range hf.Model.Merges {
		ranks[m] = i
	}
	rank := func(left, right string) int {
		if r, ok := ranks[left+" "+right]; ok {
			return r
		}
		return -1
	}
	tok := load(t, "minueza")
	for _, text := range append(randomTexts(300), "Once upon a time, in a café (naïve!), 3 cats said: \"Hello, wörld\".") {
		if text == "" {
			continue
		}
		var want []int32
		for _, s := range naiveBPE(strings.Split("▁"+strings.ReplaceAll(text, " ", "▁"), ""), rank) {
			want = append(want, hf.ids(s)...)
		}
		if got := tok.Encode(text, plain); !slices.Equal(got, want) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", text, got, want)
		}
	}
}

// ids is a token's id, or those of its bytes.
func (hf *hfTokenizer) ids(text string) (ids []int32) {
	if id, ok := hf.Model.Vocab[text]; ok {
		return []int32{id}
	}
	for i := range len(text) {
		const hex = "0123456789ABCDEF"
		ids = append(ids, hf.Model.Vocab["<0x"+string(hex[text[i]>>4])+string(hex[text[i]&15])+">"])
	}
	return ids
}

// TestByteLevelAgainstNaive compares the heap and the short scan with the
// algorithm of the paper, word by word.
func TestByteLevelAgainstNaive(t *testing.T) {
	md := readMetadata(t, readTestdata(t, "gpt-2.gguf.gz"))
	tok := newTokenizer(t, md)
	merges, err := md.Strings(keyMerges)
	if err != nil {
		t.Fatal(err)
	}
	ranks := make(map[string]int)
	for i, m := range merges {
		ranks[m] = i
	}
	ids := make(map[string]int32)
	for id, text := range tok.tokens {
		ids[text] = int32(id)
	}
	rank := func(left, right string) int {
		if r, ok := ranks[left+" "+right]; ok {
			return r
		}
		return -1
	}
	for _, text := range randomTexts(300) {
		var want []int32
		for _, word := range cut(text, pieces(text, tok.bpe.stages)) {
			var symbols []string
			for i := range len(word) {
				symbols = append(symbols, string(byteRune(word[i])))
			}
			for _, s := range naiveBPE(symbols, rank) {
				want = append(want, ids[s])
			}
		}
		if got := tok.Encode(text, plain); !slices.Equal(got, want) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", text, got, want)
		}
	}
}

// TestWordsMergeApart checks that cutting SentencePiece text at spaces changes
// nothing.
func TestWordsMergeApart(t *testing.T) {
	tok := load(t, "llama-spm")
	if !tok.spm.perWord {
		t.Fatal("the vocabulary has a token that spans words")
	}
	whole := *tok
	whole.spm.perWord = false
	for _, text := range append(randomTexts(300), english()[:1<<14]) {
		if got, want := tok.Encode(text, plain), whole.Encode(text, plain); !slices.Equal(got, want) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", text, got, want)
		}
	}
}

// TestHeap sorts with the heap.
func TestHeap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 70 {
		want := make([]uint64, n)
		for i := range want {
			want[i] = rng.Uint64N(40)
		}
		h := slices.Clone(want[:n/2])
		heapify(h)
		for _, x := range want[n/2:] {
			h = push(h, x)
		}
		var got []uint64
		for len(h) > 0 {
			var x uint64
			x, h = pop(h)
			got = append(got, x)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%d elements: %v, want %v", n, got, want)
		}
	}
}
