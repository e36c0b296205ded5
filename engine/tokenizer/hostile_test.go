package tokenizer

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pastel/fault"
)

// small returns metadata of a small SentencePiece or byte-level vocabulary.
func small(model string) fields {
	f := fields{keyModel: model, keyTokens: []string{"<unk>", "<s>", "</s>", "a", "b", "ab"}, keyTypes: []int32{2, 3, 3, 1, 1, 1}}
	if model == "gpt2" {
		f[keyMerges] = []string{"a b"}
		f[keyPre] = "gpt-2"
	} else {
		f[keySpacePrefix] = false
		f[keyScores] = []float32{0, 0, 0, -1, -2, -3}
	}
	return f
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		model string
		key   string
		value any // nil takes the key away
		want  fault.Code
	}{
		{"no model", "llama", keyModel, nil, fault.BadFile},
		{"model we do not have", "llama", keyModel, "rwkv", fault.UnsupportedArch},
		{"unigram", "llama", keyModel, "t5", fault.UnsupportedArch},
		{"no vocabulary at all", "llama", keyModel, "none", fault.UnsupportedArch},
		{"pre-tokenizer we do not have", "gpt2", keyPre, "quantum-bpe", fault.UnsupportedArch},
		{"no tokens", "llama", keyTokens, nil, fault.BadFile},
		{"empty vocabulary", "llama", keyTokens, []string{}, fault.BadFile},
		{"fewer tokens than types", "llama", keyTokens, []string{"a", "b"}, fault.BadFile},
		{"duplicate token", "llama", keyTokens, []string{"<unk>", "<s>", "</s>", "a", "b", "a"}, fault.BadFile},
		{"duplicate of the name of an empty token", "llama", keyTokens, []string{"<unk>", "<s>", "</s>", "[EMPTY_4]", "", "ab"}, fault.BadFile},
		{"token too long", "llama", keyTokens, []string{"<unk>", "<s>", "</s>", "a", "b", strings.Repeat("x", maxTokenBytes+1)}, fault.BadFile},
		{"special token too long", "llama", keyTokens, []string{"<unk>", strings.Repeat("x", maxSpecialBytes+1), "</s>", "a", "b", "ab"}, fault.BadFile},
		{"fewer types", "llama", keyTypes, []int32{1}, fault.BadFile},
		{"fewer scores", "llama", keyScores, []float32{1}, fault.BadFile},
		{"score that is no number", "llama", keyScores, []float32{0, 0, 0, float32(math.NaN()), 0, 0}, fault.BadFile},
		{"BOS outside", "llama", keyBOS, uint64(6), fault.BadFile},
		{"EOS far outside", "gpt2", keyEOS, uint64(1) << 40, fault.BadFile},
		{"no merges", "gpt2", keyMerges, nil, fault.BadFile},
		{"merge of one token", "gpt2", keyMerges, []string{"ab"}, fault.BadFile},
		{"empty merge", "gpt2", keyMerges, []string{""}, fault.BadFile},
		{"merge with nothing on the right", "gpt2", keyMerges, []string{"a "}, fault.BadFile},
		{"wrong type of a key", "llama", keyAddBOS, "yes", fault.Internal}, // the test's Metadata has no codes
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := small(tt.model)
			if tt.value == nil {
				delete(f, tt.key)
			} else {
				f[tt.key] = tt.value
			}
			if _, err := New(f); fault.CodeOf(err) != tt.want {
				t.Errorf("New = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		model string
		key   string
		value any
	}{
		{"no types", "gpt2", keyTypes, nil},
		{"types we do not know", "llama", keyTypes, []int32{2, 3, 3, -5, 1000, 9}},
		{"no scores", "llama", keyScores, nil},
		{"infinite scores", "llama", keyScores, []float32{0, 0, 0, float32(math.Inf(1)), float32(math.Inf(-1)), 0}},
		{"merge of unknown tokens", "gpt2", keyMerges, []string{"x y", "a b"}},
		{"merge into an unknown token", "gpt2", keyMerges, []string{"b a", "a b"}},
		{"merge listed twice", "gpt2", keyMerges, []string{"a b", "a b"}},
		{"no pre-tokenizer", "gpt2", keyPre, nil},
		{"EOS of -1 as u32", "llama", keyEOS, uint64(1<<32 - 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := small(tt.model)
			if tt.value == nil {
				delete(f, tt.key)
			} else {
				f[tt.key] = tt.value
			}
			tok := newTokenizer(t, f)
			got := tok.Encode("abab", plain)
			if s := tok.Decode(got, DecodeOptions{}); s != "abab" {
				t.Errorf("Encode = %v, which decodes to %q", got, s)
			}
		})
	}
}

// TestPairTable compares with a map; a table of pairs that all collide is refused
// in bounded time.
func TestPairTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 10, 1000, 50000} {
		table, want := newPairTable(n), make(map[[2]int32]uint32)
		for rank := range n {
			p := pairSlot{rng.Int32N(300), rng.Int32N(300), uint32(rank), int32(rank)}
			if !table.add(p) {
				t.Fatalf("%d pairs: pair %d is refused", n, rank)
			}
			if _, ok := want[[2]int32{p.left, p.right}]; !ok {
				want[[2]int32{p.left, p.right}] = p.rank
			}
		}
		for left := range int32(300) {
			for right := range int32(300) {
				w, ok := want[[2]int32{left, right}]
				if !ok {
					w = noRank
				}
				if got, _ := table.find(left, right); got != w {
					t.Fatalf("%d pairs: find(%d, %d) = %d, want %d", n, left, right, got, w)
				}
			}
		}
	}
	table, added := newPairTable(1<<14), 0
	for left := int32(0); added <= maxProbes; left++ {
		if hashPair(left, 7)&0x7FFF == 5 {
			if ok := table.add(pairSlot{left: left, right: 7}); ok != (added < maxProbes) {
				t.Fatalf("collision %d: add = %v", added, ok)
			}
			added++
		}
	}
}

func TestEndOfGeneration(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    fields
		want []string
	}{
		{"EOS alone", fields{keyTokens: []string{"a", "END"}, keyEOS: uint64(1)}, []string{"END"}},
		{"chat markers", fields{keyTokens: []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>", "x"}, keyEOS: uint64(0)}, []string{"<|endoftext|>", "<|im_end|>"}},
		{"llama 3", fields{keyTokens: []string{"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"}}, []string{"<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"}},
		{"gemma", fields{keyTokens: []string{"<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"}}, []string{"<eos>", "<end_of_turn>"}},
		{"named in metadata", fields{keyTokens: []string{"a", "b", "c"}, keyEOT: uint64(1), keyEOM: uint64(2)}, []string{"b", "c"}},
		{"harmony keeps <|end|>", fields{keyTokens: []string{"<|end|>", "<|return|>", "<|call|>"}}, []string{"<|return|>", "<|call|>"}},
		{"fill in the middle", fields{keyTokens: []string{"<|fim_prefix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}}, []string{"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}},
		{"none", fields{keyTokens: []string{"a"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.f[keyModel], tt.f[keyMerges] = "gpt2", []string{}
			tok := newTokenizer(t, tt.f)
			var got []string
			for id := range int32(tok.VocabSize()) {
				if tok.IsEndOfGeneration(id) {
					got = append(got, tok.Text(id))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzEncode checks the round trip and that nothing panics, for one vocabulary of
// each kind.
func FuzzEncode(f *testing.F) {
	texts, _ := vectors(f, "gpt-2")
	for _, text := range texts {
		f.Add(text, true)
	}
	f.Add("\xed\xa0\x80 \xff<|endoftext|></s>", false)
	toks := []*Tokenizer{load(f, "llama-spm"), load(f, "gpt-2"), load(f, "deepseek-coder"), load(f, "bert-bge")}
	f.Fuzz(func(t *testing.T, text string, special bool) {
		for _, tok := range toks {
			ids := tok.Encode(text, Options{AddBOS: Never, AddEOS: Never, ParseSpecial: special})
			got := tok.Decode(ids, DecodeOptions{Special: true})
			if tok.kind == kindWPM || special || !tok.hasBytes(text) { // WordPiece loses text, special tokens lose space
				continue
			}
			if want := strings.ReplaceAll(text, spaceMark, " "); strings.ReplaceAll(got, spaceMark, " ") != want {
				t.Fatalf("Decode(Encode(%q)) = %q by %v", text, got, ids)
			}
		}
	})
}

// FuzzNew builds tokenizers from arbitrary vocabularies and uses what is accepted.
func FuzzNew(f *testing.F) {
	f.Add("a\nb\nab\n<s>", "a b\nb a", "gpt2", []byte{1, 1, 1, 3}, "abab<s>", uint16(3))
	f.Add("<unk>\n<s>\n</s>\n▁a\n<0x41>", "", "llama", []byte{2, 3, 3, 1, 6}, "a A<s>", uint16(1))
	f.Add("[UNK]\n▁a\nb", "", "bert", []byte{3, 1, 1}, "ab ba", uint16(0))
	f.Fuzz(func(t *testing.T, tokens, merges, model string, types []byte, text string, eos uint16) {
		fs := fields{keyModel: model, keyTokens: strings.Split(tokens, "\n"), keyMerges: strings.Split(merges, "\n"), keyEOS: uint64(eos), keyUNK: uint64(types0(types))}
		var list []int32
		var scores []float32
		for i, b := range types {
			list = append(list, int32(b))
			scores = append(scores, float32(b)*float32(i&3)-7)
		}
		fs[keyTypes], fs[keyScores] = list, scores
		tok, err := New(fs)
		if err != nil {
			return
		}
		for _, special := range []bool{false, true} {
			ids := tok.Encode(text, Options{AddBOS: Always, AddEOS: Always, ParseSpecial: special})
			for _, id := range ids {
				if !tok.valid(id) {
					t.Fatalf("Encode(%q) has id %d of %d", text, id, tok.VocabSize())
				}
			}
			tok.Decode(ids, DecodeOptions{Special: special})
		}
	})
}

func types0(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}
