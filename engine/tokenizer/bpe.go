package tokenizer

import (
	"strings"
	"unicode/utf8"

	"pastel/fault"
)

// bpeRules are the merges of a byte-level BPE vocabulary.
type bpeRules struct {
	stages       []splitter
	ignoreMerges bool // a word that is a token is that token, whatever its merges
	merges       pairTable
}

func (t *Tokenizer) readBPE(md Metadata, pre *preTokenizer) error {
	merges, err := md.Strings(keyMerges)
	if err != nil {
		return err
	}
	if merges == nil {
		return fault.New(fault.BadFile, "tokenizer: key ", fault.Quote(keyMerges), " is missing")
	}
	t.bpe = bpeRules{stages: pre.stages, ignoreMerges: pre.ignoreMerges, merges: newPairTable(len(merges))}
	for b := range t.byteID {
		t.byteID[b] = t.find(string(byteRune(byte(b))))
		if id := t.byteID[b]; id >= 0 && t.types[id] == typeUserDefined {
			t.byteID[b] = -1 // deepseek-coder's "ÿ" is that letter, not the byte 0xFF
		}
	}
	var buf []byte
	for rank, m := range merges {
		cut := -1
		if m != "" {
			cut = strings.IndexByte(m[1:], ' ') + 1
		}
		if cut < 1 || cut+1 >= len(m) {
			return fault.New(fault.BadFile, "tokenizer: merge ", rank, " ", fault.Quote(m), " is not two tokens with a space between")
		}
		left, right := m[:cut], m[cut+1:]
		buf = append(append(buf[:0], left...), right...)
		if !t.addMerge(uint32(rank), left, right, buf) {
			return fault.New(fault.BadFile, "tokenizer: merge ", rank, " collides with ", maxProbes, " others")
		}
	}
	if !pre.ignoreMerges {
		t.ids = nil // Encode looks nothing up by text
	}
	return nil
}

// addMerge adds a merge of two tokens. One that names a token which the
// vocabulary does not have can never be used and is left out: real files hold
// such merges. Of a merge listed twice the first counts.
func (t *Tokenizer) addMerge(rank uint32, left, right string, both []byte) bool {
	l, r := t.find(left), t.find(right)
	merged, ok := t.ids[string(both)]
	if l < 0 || r < 0 || !ok {
		return true
	}
	return t.bpe.merges.add(pairSlot{l, r, rank, merged})
}

type bpeRanker Tokenizer

// rank implements pairRanker: a pair merges when the merges list it, the first
// listed first.
func (t *bpeRanker) rank(_ []byte, left, right *symbol) (uint32, int32) {
	if left.id < 0 || right.id < 0 {
		return noRank, -1
	}
	return t.bpe.merges.find(left.id, right.id)
}

// split cuts text with the first stage, each piece with the next, and encodes
// the words that come out of the last.
func (e *encoder) split(text string, stages []splitter) {
	if len(stages) == 0 {
		e.bpeWord(text)
		return
	}
	for len(text) > 0 {
		n := stages[0](text)
		e.split(text[:n], stages[1:])
		text = text[n:]
	}
}

// bpeWord merges the bytes of a word. A byte that the vocabulary does not have
// is left out, as in llama.cpp.
func (e *encoder) bpeWord(word string) {
	if e.t.bpe.ignoreMerges && e.wholeWord(word) {
		return
	}
	e.m.reset(nil, len(word))
	for i := range len(word) {
		e.m.add(i, i+1, e.t.byteID[word[i]])
	}
	e.m.run((*bpeRanker)(e.t))
	for i := int32(0); i >= 0; i = e.m.symbols[i].next {
		if id := e.m.symbols[i].id; id >= 0 {
			e.out = append(e.out, id)
		}
	}
}

// wholeWord appends word if it is a token.
func (e *encoder) wholeWord(word string) bool {
	if len(word) > maxTokenBytes {
		return false
	}
	e.buf = e.buf[:0]
	for i := range len(word) {
		e.buf = utf8.AppendRune(e.buf, byteRune(word[i]))
	}
	id, ok := e.t.plain(e.buf)
	if ok {
		e.out = append(e.out, id)
	}
	return ok
}

// byteRune is GPT-2's printable character for a byte: itself where it prints,
// otherwise the next free one from U+0100 on.
//
// Source: Radford et al. 2019, code release, bytes_to_unicode.
func byteRune(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b >= 0x7F && b <= 0xA0:
		return 0x121 + rune(b-0x7F)
	case b == 0xAD:
		return 0x143
	}
	return rune(b)
}

// runeByte is the inverse of byteRune.
func runeByte(r rune) (byte, bool) {
	switch {
	case r >= 0x100 && r <= 0x120:
		return byte(r - 0x100), true
	case r >= 0x121 && r <= 0x142:
		return byte(r - 0x121 + 0x7F), true
	case r == 0x143:
		return 0xAD, true
	case r <= ' ' || r >= 0x7F && r <= 0xA0 || r == 0xAD || r > 0xFF:
		return 0, false
	}
	return byte(r), true
}
