package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var allVocabs = []string{"llama-spm", "phi-3", "gpt-2", "qwen2", "deepseek-coder", "falcon", "refact", "bert-bge", "minueza"}

// TestRoundTrip is the law decode(encode(x)) = x for the vocabularies that lose
// nothing, whatever the bytes.
func TestRoundTrip(t *testing.T) {
	texts := append(randomTexts(200), "\xff\xfe", "a\xe6\x97b", "\xed\xa0\x80\xed\xb0\x80", "\x00\x01\x7f", " leading", "  two", "trailing ", "\n", "<s>not a token</s>",
		string(allBytes()))
	for _, name := range allVocabs {
		if name == "bert-bge" { // drops spaces, cases and accents by design
			continue
		}
		tok := load(t, name)
		for _, text := range texts {
			if !tok.hasBytes(text) { // falcon, refact and deepseek-coder lack those that UTF-8 never has
				continue
			}
			ids := tok.Encode(text, Options{})
			want := text
			if strings.Contains(text, spaceMark) && tok.kind == kindSPM {
				want = strings.ReplaceAll(text, spaceMark, " ") // SentencePiece cannot tell them apart
			}
			if got := tok.Decode(ids, DecodeOptions{}); got != want {
				t.Errorf("%s: Decode(Encode(%q)) = %q by %v", name, text, got, ids)
			}
		}
	}
}

// hasBytes reports whether every byte of text is in the vocabulary.
func (t *Tokenizer) hasBytes(text string) bool {
	for i := range len(text) {
		if t.byteID[text[i]] < 0 {
			return utf8.ValidString(text) // a loss then
		}
	}
	return true
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// TestBOSAndEOS tables what is added to a text.
func TestBOSAndEOS(t *testing.T) {
	spm, gpt2, bert := load(t, "llama-spm"), load(t, "gpt-2"), load(t, "bert-bge")
	for _, tt := range []struct {
		name string
		tok  *Tokenizer
		opts Options
		want []int32
	}{
		{"spm asks for BOS", spm, Options{}, []int32{1, 22172}},
		{"spm without", spm, Options{AddBOS: Never}, []int32{22172}},
		{"spm with EOS too", spm, Options{AddEOS: Always}, []int32{1, 22172, 2}},
		{"gpt-2 asks for nothing", gpt2, Options{}, []int32{31373}},
		{"gpt-2 with both", gpt2, Options{AddBOS: Always, AddEOS: Always}, []int32{50256, 31373, 50256}},
		{"bert asks for CLS and SEP", bert, Options{}, []int32{101, 7592, 102}},
		{"bert without", bert, plain, []int32{7592}},
	} {
		if got := tt.tok.Encode("hello", tt.opts); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := spm.Encode("", Options{}); !slices.Equal(got, []int32{1}) {
		t.Errorf("empty text: %v, want BOS alone", got)
	}
}

// TestSpecialTokens tables what their text turns into.
func TestSpecialTokens(t *testing.T) {
	qwen, phi, refact := load(t, "qwen2"), load(t, "phi-3"), load(t, "refact")
	im := Options{AddBOS: Never, ParseSpecial: true}
	start, end := qwen.ID("<|im_start|>"), qwen.ID("<|im_end|>")
	hi := qwen.Encode("hi", plain)[0]
	if got := qwen.Encode("<|im_start|>hi<|im_end|>", im); !slices.Equal(got, []int32{start, hi, end}) {
		t.Errorf("parsed: %v, want %v", got, []int32{start, hi, end})
	}
	if got := qwen.Encode("<|im_start|>", plain); slices.Contains(got, start) {
		t.Errorf("not parsed: %v has the control token %d", got, start)
	}
	if got, want := qwen.Decode([]int32{start, hi, end}, DecodeOptions{}), "hi"; got != want {
		t.Errorf("Decode = %q, want %q", got, want)
	}
	if got, want := qwen.Decode([]int32{start, hi, end}, DecodeOptions{Special: true}), "<|im_start|>hi<|im_end|>"; got != want {
		t.Errorf("Decode with special tokens = %q, want %q", got, want)
	}
	// phi-3 strips white space to the right of special tokens, but for <s>.
	user := phi.ID("<|user|>")
	if a, b := phi.Encode("<|user|>\n hi", im), phi.Encode("<|user|>hi", im); !slices.Equal(a, b) || a[0] != user {
		t.Errorf("phi-3 strips: %v and %v", a, b)
	}
	if a, b := phi.Encode("<s> hi", im), phi.Encode("<s>hi", im); slices.Equal(a, b) {
		t.Errorf("phi-3 does not strip after <s>: %v and %v", a, b)
	}
	if refact.ID("<fim_prefix>") < 0 || refact.ID("fim") >= 0 {
		t.Error("ID finds special tokens and nothing else")
	}
}

// TestUserDefinedTokens are found without ParseSpecial, the longest first.
func TestUserDefinedTokens(t *testing.T) {
	tok := newTokenizer(t, fields{
		keyModel: "gpt2", keyPre: "gpt-2", keyMerges: []string{},
		keyTokens: []string{"a", "Ġ", "  ", "   ", "<tool>", "<ctl>", "<", ">"},
		keyTypes:  []int32{1, 1, 4, 4, 4, 3, 1, 1},
	})
	for _, tt := range []struct {
		name, text string
		want       []int32
	}{
		{"run of spaces", "a     a", []int32{0, 3, 2, 0}},
		{"one space is none", "a a", []int32{0, 1, 0}},
		{"text around", "a<tool>a", []int32{0, 4, 0}},
		{"control stays text", "<ctl>", []int32{6, 7}},
		{"prefix of a token", "<too", []int32{6}},
	} {
		if got := tok.Encode(tt.text, plain); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Encode(%q) = %v, want %v", tt.name, tt.text, got, tt.want)
		}
	}
	if got := tok.Decode([]int32{0, 3, 4}, DecodeOptions{}); got != "a   <tool>" {
		t.Errorf("Decode = %q", got)
	}
}

// TestPlainTextMakesNoControlTokens builds a vocabulary whose merges spell a
// control token.
func TestPlainTextMakesNoControlTokens(t *testing.T) {
	tok := newTokenizer(t, fields{
		keyModel: "llama", keySpacePrefix: false,
		keyTokens: []string{"<unk>", "<s>", "</s>", "<", "/", "s", ">", "</", "s>"},
		keyTypes:  []int32{2, 3, 3, 1, 1, 1, 1, 1, 1},
		keyScores: []float32{0, 0, 0, -9, -9, -9, -9, -1, -1},
	})
	if got := tok.Encode("</s>", plain); !slices.Equal(got, []int32{7, 8}) {
		t.Errorf("Encode(</s>) = %v", got)
	}
}

// TestEncodeIsLinear gives every vocabulary a quarter of a megabyte of what makes
// naive algorithms quadratic: minutes then, tenths of a second now.
func TestEncodeIsLinear(t *testing.T) {
	const n = 1 << 18
	texts := map[string]string{
		"spaces":          strings.Repeat(" ", n),
		"a":               strings.Repeat("a", n),
		"ab":              strings.Repeat("ab", n/2),
		"newlines":        strings.Repeat("\n", n),
		"lone surrogates": strings.Repeat("\xed\xa0\x80", n/3),
		"not UTF-8":       strings.Repeat("\xff\x80", n/2),
		"space marks":     strings.Repeat(spaceMark, n/3),
		"Han":             strings.Repeat("日本語", n/9),
		"almost special":  strings.Repeat("<|im_en", n/7),
		"special":         strings.Repeat("<|im_end|>", n/10),
	}
	for _, name := range allVocabs {
		tok := load(t, name)
		for what, text := range texts {
			start := time.Now()
			ids := tok.Encode(text, Options{ParseSpecial: true})
			if d := time.Since(start); d > 15*time.Second {
				t.Errorf("%s, %s: %v for 256 KB", name, what, d)
			}
			for _, id := range ids {
				if !tok.valid(id) {
					t.Fatalf("%s, %s: id %d", name, what, id)
				}
			}
		}
	}
}

// TestEncodeAllocatesLittle bounds allocations by a constant: none for each
// character or word.
func TestEncodeAllocatesLittle(t *testing.T) {
	text := english()[:1<<16]
	for _, name := range allVocabs {
		tok := load(t, name)
		if n := testing.AllocsPerRun(3, func() { tok.Encode(text, Options{}) }); n > 40 {
			t.Errorf("%s: %v allocations for %d bytes", name, n, len(text))
		}
	}
}

// TestStream pushes ids one by one: only whole characters come out, and together
// they are the text.
func TestStream(t *testing.T) {
	text := "naïve 日本語 🦙🙂 ok"
	for _, name := range allVocabs {
		if name == "bert-bge" {
			continue
		}
		tok := load(t, name)
		s := tok.NewStream(DecodeOptions{})
		var out strings.Builder
		for _, id := range tok.Encode(text, plain) {
			piece := s.Push(id)
			if !utf8.ValidString(piece) {
				t.Errorf("%s: Push(%d) = %q", name, id, piece)
			}
			out.WriteString(piece)
		}
		out.WriteString(s.Flush())
		if got := strings.TrimPrefix(out.String(), " "); got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
}

func TestStreamOfBrokenText(t *testing.T) {
	tok := load(t, "llama-spm")
	b := func(bytes ...byte) (ids []int32) {
		for _, c := range bytes {
			ids = append(ids, tok.byteID[c])
		}
		return ids
	}
	for _, tt := range []struct {
		name  string
		ids   []int32
		steps []string
		flush string
	}{
		{"character in three bytes", b(0xE6, 0x97, 0xA5), []string{"", "", "日"}, ""},
		{"cut at the end", b('a', 0xE6, 0x97), []string{"a", "", ""}, "\uFFFD"},
		{"never a character", b(0xFF, 'a'), []string{"\uFFFD", "a"}, ""},
		{"continuation without a start", b(0x80, 'a'), []string{"\uFFFD", "a"}, ""},
		{"broken off by a letter", b(0xE6, 'a'), []string{"", "\uFFFDa"}, ""},
		{"control tokens are silent", []int32{1, tok.byteID['a'], 2, -1, 1 << 30}, []string{"", "a", "", "", ""}, ""},
	} {
		s := tok.NewStream(DecodeOptions{})
		for i, id := range tt.ids {
			if got := s.Push(id); got != tt.steps[i] {
				t.Errorf("%s: step %d = %q, want %q", tt.name, i, got, tt.steps[i])
			}
		}
		if got := s.Flush(); got != tt.flush {
			t.Errorf("%s: Flush = %q, want %q", tt.name, got, tt.flush)
		}
	}
}

func TestStreamAllocatesNothing(t *testing.T) {
	tok := load(t, "gpt-2")
	ids := tok.Encode("naïve 日本語 🦙 ok, and some more", plain)
	s, dst := tok.NewStream(DecodeOptions{}), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(20, func() {
		for _, id := range ids {
			dst = s.Append(dst[:0], id)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
