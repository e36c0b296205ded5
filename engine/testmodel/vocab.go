package testmodel

import (
	"fmt"

	"pastel/engine/gguf"
)

// Token types of GGUF vocabularies.
const (
	normalToken  = 1
	unknownToken = 2
	controlToken = 3
	byteToken    = 6
)

// chatML is the template of the BPE vocabulary, which has its marks.
const chatML = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}" +
	"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

// setTokenizer writes the vocabulary. Every token decodes to printable text, and
// every string of printable ASCII can be encoded.
func (c Config) setTokenizer(m *gguf.Metadata) {
	if c.Vocab == BPE {
		c.setBPE(m)
		return
	}
	c.setSPM(m)
}

// setSPM makes <unk> <s> </s>, 256 byte tokens, "▁" and letters, then
// syllables, which merge from letters because they score below them.
func (c Config) setSPM(m *gguf.Metadata) {
	v := vocab{seen: map[string]bool{}}
	v.add("<unk>", unknownToken)
	v.add("<s>", controlToken)
	v.add("</s>", controlToken)
	for b := range 256 {
		v.add(fmt.Sprintf("<0x%02X>", b), byteToken)
	}
	v.add("▁", normalToken)
	for _, r := range "etaoinshrdlucmfwypvbgkqjxz.,!?'\"-0123456789" {
		v.add(string(r), normalToken)
	}
	v.fill(c.VocabSize, "▁", func(_, _ string) {})
	scores := make([]float32, len(v.tokens))
	for i := range scores {
		if v.types[i] == normalToken {
			scores[i] = float32(-i)
		}
	}
	m.Set("tokenizer.ggml.model", "llama")
	m.Set("tokenizer.ggml.tokens", v.tokens)
	m.Set("tokenizer.ggml.scores", scores)
	m.Set("tokenizer.ggml.token_type", v.types)
	m.Set("tokenizer.ggml.unknown_token_id", uint32(0))
	m.Set("tokenizer.ggml.bos_token_id", uint32(1))
	m.Set("tokenizer.ggml.eos_token_id", uint32(2))
	m.Set("tokenizer.ggml.add_bos_token", true)
}

// setBPE makes three control tokens, the 256 bytes, then merged syllables.
func (c Config) setBPE(m *gguf.Metadata) {
	v := vocab{seen: map[string]bool{}}
	for _, s := range []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"} {
		v.add(s, controlToken)
	}
	for b := range 256 {
		v.add(byteRune(byte(b)), normalToken)
	}
	var merges []string
	v.fill(c.VocabSize, "Ġ", func(a, b string) { merges = append(merges, a+" "+b) })
	m.Set("tokenizer.ggml.model", "gpt2")
	m.Set("tokenizer.ggml.pre", map[string]string{"llama": "llama-bpe", "qwen2": "qwen2"}[c.Arch])
	m.Set("tokenizer.ggml.tokens", v.tokens)
	m.Set("tokenizer.ggml.token_type", v.types)
	m.Set("tokenizer.ggml.merges", merges)
	m.Set("tokenizer.ggml.bos_token_id", uint32(0))
	m.Set("tokenizer.ggml.eos_token_id", uint32(2))
	m.Set("tokenizer.ggml.add_bos_token", false)
	m.Set("tokenizer.chat_template", chatML)
}

// byteRune is GPT-2's printable stand-in for a byte: itself where Latin-1 has a
// visible character, else the next free code point from 256 on.
func byteRune(b byte) string {
	n := rune(256)
	for c := range 256 {
		visible := c >= '!' && c <= '~' || c >= 0xa1 && c <= 0xac || c >= 0xae
		switch {
		case c == int(b) && visible:
			return string(rune(c))
		case c == int(b):
			return string(n)
		case !visible:
			n++
		}
	}
	return ""
}

// A vocab grows without repeating itself.
type vocab struct {
	tokens []string
	types  []int32
	seen   map[string]bool
}

// add appends a token unless it is there.
func (v *vocab) add(token string, typ int32) bool {
	if v.seen[token] {
		return false
	}
	v.seen[token] = true
	v.tokens = append(v.tokens, token)
	v.types = append(v.types, typ)
	return true
}

// fill adds syllables up to n tokens: consonant and vowel, the same after space,
// then words of two, three … syllables. Each is the merge of two tokens before it.
func (v *vocab) fill(n int, space string, merge func(a, b string)) {
	grow := func(a, b string) {
		if len(v.tokens) < n && v.add(a+b, normalToken) {
			merge(a, b)
		}
	}
	var syllables []string
	for _, c := range "tnshrdlcmfwpbgkvjz" {
		for _, vow := range "eaoiu" {
			grow(string(c), string(vow))
			syllables = append(syllables, string(c)+string(vow))
		}
	}
	for _, s := range syllables {
		grow(space, s)
	}
	for heads := syllables; len(v.tokens) < n; {
		var words []string
		for _, h := range heads {
			for _, s := range syllables {
				grow(h, s)
				words = append(words, h+s)
			}
			if len(v.tokens) >= n {
				return
			}
		}
		heads = words
	}
}
