package tokenizer

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"pastel/fault"
)

// spaceMark stands for a space inside SentencePiece and WordPiece tokens.
const spaceMark = "▁" // U+2581

// spmRules are the scores of a SentencePiece BPE vocabulary.
type spmRules struct {
	ranks   []uint32 // by id: 0 for the highest score, equal for equal scores
	longest int      // bytes of the longest token
	perWord bool     // no token spans a space mark after another character
}

func (t *Tokenizer) readSPM(md Metadata) error {
	scores, err := md.Floats(keyScores)
	if err != nil {
		return err
	}
	if scores != nil && len(scores) != len(t.tokens) {
		return fault.New(fault.BadFile, "tokenizer: ", len(scores), " scores for ", len(t.tokens), " tokens")
	}
	if scores == nil {
		scores = make([]float32, len(t.tokens))
	}
	for id, score := range scores {
		if score != score {
			return fault.New(fault.BadFile, "tokenizer: the score of token ", id, " is not a number")
		}
	}
	for b := range t.byteID {
		t.byteID[b] = t.findByte(byte(b))
	}
	t.dropSpecials()
	t.spm = spmRules{ranks: rankScores(scores), longest: t.longest(), perWord: true}
	for text := range t.ids {
		t.spm.perWord = t.spm.perWord && !spansWords(text)
	}
	return nil
}

// findByte returns the token of a byte: <0x0A>, or the character itself.
func (t *Tokenizer) findByte(b byte) int32 {
	const hex = "0123456789ABCDEF"
	if id := t.find("<0x" + string([]byte{hex[b>>4], hex[b&15]}) + ">"); id >= 0 {
		return id
	}
	return t.find(string([]byte{b}))
}

// rankScores turns scores into ranks: the highest score is 0.
func rankScores(scores []float32) []uint32 {
	order := make([]int32, len(scores))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch sa, sb := scores[a], scores[b]; {
		case sa > sb:
			return -1
		case sa < sb:
			return 1
		}
		return 0
	})
	ranks := make([]uint32, len(scores))
	rank := uint32(0)
	for i, id := range order {
		if i > 0 && scores[id] != scores[order[i-1]] {
			rank++
		}
		ranks[id] = rank
	}
	return ranks
}

// spansWords reports whether a space mark follows another character in text.
func spansWords(text string) bool {
	for i := strings.LastIndex(text, spaceMark); i > 0; i = strings.LastIndex(text[:i], spaceMark) {
		if !strings.HasSuffix(text[:i], spaceMark) {
			return true
		}
	}
	return false
}

type spmRanker Tokenizer

// rank implements pairRanker: a pair merges when its text is a token, the one
// with the highest score first.
func (t *spmRanker) rank(word []byte, left, right *symbol) (uint32, int32) {
	if int(right.end-left.start) > t.spm.longest {
		return noRank, -1
	}
	id, ok := t.ids[string(word[left.start:right.end])]
	if !ok {
		return noRank, -1
	}
	return t.spm.ranks[id], id
}

// spm encodes text as SentencePiece does: spaces become marks, characters merge.
// Where no token can span them, words are merged apart from each other: the
// result is the same and the heap stays small.
func (e *encoder) spm(text string, prefix bool) {
	e.buf = slices.Grow(e.buf[:0], len(text)+(len(spaceMark)-1)*strings.Count(text, " ")+len(spaceMark))
	if prefix {
		e.buf = append(e.buf, spaceMark...)
	}
	for i := range len(text) {
		if text[i] == ' ' {
			e.buf = append(e.buf, spaceMark...)
		} else {
			e.buf = append(e.buf, text[i])
		}
	}
	rest := e.buf
	for len(rest) > 0 {
		n := len(rest)
		if e.t.spm.perWord {
			n = wordEnd(rest)
		}
		e.spmWord(rest[:n])
		rest = rest[n:]
	}
}

// wordEnd returns where the first space mark after another character begins.
func wordEnd(text []byte) int {
	mark := []byte(spaceMark)
	i := 0
	for bytes.HasPrefix(text[i:], mark) {
		i += len(mark)
	}
	if j := bytes.Index(text[i:], mark); j >= 0 {
		return i + j
	}
	return len(text)
}

func (e *encoder) spmWord(word []byte) {
	e.m.reset(word, utf8.RuneCount(word))
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRune(word[i:])
		e.m.add(i, i+n, -1)
		i += n
	}
	e.m.run((*spmRanker)(e.t))
	for i := int32(0); i >= 0; i = e.m.symbols[i].next {
		e.spmSymbol(&e.m.symbols[i])
	}
}

// spmSymbol appends a merged symbol; or, for a character that the vocabulary does
// not have, its bytes; or UNK, if it does not have these either.
func (e *encoder) spmSymbol(s *symbol) {
	text := e.m.word[s.start:s.end]
	id, ok := s.id, s.id >= 0
	if !ok {
		id, ok = e.t.ids[string(text)]
	}
	if ok {
		e.out = append(e.out, id)
		return
	}
	before := len(e.out)
	for _, b := range text {
		if id = e.t.byteID[b]; id < 0 {
			e.out = e.out[:before]
			e.unknown()
			return
		}
		e.out = append(e.out, id)
	}
}

func (e *encoder) unknown() {
	if e.t.unk >= 0 {
		e.out = append(e.out, e.t.unk)
	}
}
