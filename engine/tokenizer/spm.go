package tokenizer

import (
	"math"
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
	t.spm = spmRules{ranks: rankScores(scores), longest: t.longest(), perWord: true}
	for _, text := range t.tokens {
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

// rankScores turns scores into ranks: the highest score is 0. It sorts with the
// heap that merging uses.
func rankScores(scores []float32) []uint32 {
	order := make([]uint64, len(scores))
	for id, score := range scores {
		order[id] = uint64(descending(score))<<32 | uint64(id)
	}
	heapify(order)
	ranks := make([]uint32, len(scores))
	rank, last := uint32(0), order[0]>>32
	for len(order) > 0 {
		var top uint64
		top, order = pop(order)
		if top>>32 != last {
			rank, last = rank+1, top>>32
		}
		ranks[uint32(top)] = rank
	}
	return ranks
}

// descending maps scores to integers of the opposite order.
func descending(score float32) uint32 {
	bits := math.Float32bits(score + 0) // -0 becomes 0
	if bits>>31 == 0 {
		bits |= 1 << 31
	} else {
		bits = ^bits
	}
	return ^bits
}

// spansWords reports whether a space mark follows another character in text.
func spansWords(text string) bool {
	return wordEnd([]byte(text)) < len(text)
}

type spmRanker Tokenizer

// rank implements pairRanker: a pair merges when its text is a token, the one
// with the highest score first.
func (t *spmRanker) rank(word []byte, left, right *symbol) (uint32, int32) {
	if int(right.end-left.start) > t.spm.longest {
		return noRank, -1
	}
	id, ok := t.plain(word[left.start:right.end])
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
	inside := false // past the marks that begin a word
	for i := 0; i < len(text); i++ {
		switch {
		case !isMark(text[i:]):
			inside = true
		case inside:
			return i
		default:
			i += len(spaceMark) - 1
		}
	}
	return len(text)
}

func isMark(text []byte) bool {
	return len(text) >= 3 && text[0] == spaceMark[0] && text[1] == spaceMark[1] && text[2] == spaceMark[2]
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
		id, ok = e.t.plain(text)
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
