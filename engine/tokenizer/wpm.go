package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// wpmRules are what BERT does to text before it looks words up.
type wpmRules struct {
	lowercase bool
	base      map[rune]rune // letters without their accents; nil keeps accents
	longest   int           // bytes of the longest token
}

func (t *Tokenizer) readWPM(md Metadata) error {
	r := reader{md: md}
	t.wpm.lowercase = r.bool(keyLowercase, true)
	if r.bool(keyStripAccents, t.wpm.lowercase) {
		t.wpm.base = readBases()
	}
	t.addEOS = r.bool(keyAddSEP, true)
	t.wpm.longest = t.longest()
	return r.err
}

// readBases unpacks nfdPairs.
func readBases() map[rune]rune {
	base := make(map[rune]rune, len(nfdPairs)/4)
	composed, odd := rune(0), false
	for _, r := range nfdPairs {
		if odd {
			base[composed] = r
		}
		composed, odd = r, !odd
	}
	return base
}

// wordPieces cleans text and cuts it at white space and around punctuation and
// Chinese characters; each word becomes the longest tokens that make it up.
//
// Source: Devlin et al. 2018, code release, BasicTokenizer and
// WordpieceTokenizer.
func (e *encoder) wordPieces(text string) {
	e.startWord()
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			e.endWord()
		case r == 0 || r == utf8.RuneError || unicode.Is(unicode.C, r):
		case e.t.wpm.base != nil && unicode.Is(unicode.Mn, r):
		case standsAlone(r):
			e.endWord()
			e.letter(r)
			e.endWord()
		default:
			e.letter(r)
		}
	}
	e.endWord()
}

func (e *encoder) startWord() { e.buf = append(e.buf[:0], spaceMark...) }

// letter adds r to the word, in lower case and without accents as the model
// wants. The parts of a Hangul syllable are letters, not accents.
func (e *encoder) letter(r rune) {
	if e.t.wpm.base != nil {
		if r >= hangulFirst && r <= hangulLast {
			e.hangul(r - hangulFirst)
			return
		}
		if base, ok := e.t.wpm.base[r]; ok {
			r = base
		}
	}
	if e.t.wpm.lowercase {
		r = unicode.ToLower(r)
	}
	e.buf = utf8.AppendRune(e.buf, r)
}

const (
	hangulFirst = 0xAC00
	hangulLast  = 0xD7A3
)

// hangul adds the two or three parts of a syllable.
//
// Source: The Unicode Standard, section 3.12.
func (e *encoder) hangul(s rune) {
	e.buf = utf8.AppendRune(e.buf, 0x1100+s/588)
	e.buf = utf8.AppendRune(e.buf, 0x1161+s%588/28)
	if s%28 != 0 {
		e.buf = utf8.AppendRune(e.buf, 0x11A7+s%28)
	}
}

// endWord looks the word up, or gives UNK if part of it is in no token.
func (e *encoder) endWord() {
	word, before := e.buf, len(e.out)
	if len(word) == len(spaceMark) {
		return
	}
	for len(word) > 0 {
		n, id := e.longestToken(word)
		if n == 0 {
			e.out = e.out[:before]
			e.unknown()
			break
		}
		e.out = append(e.out, id)
		word = word[n:]
	}
	e.startWord()
}

func (e *encoder) longestToken(word []byte) (n int, id int32) {
	for n = min(len(word), e.t.wpm.longest); n > 0; n-- {
		if id, ok := e.t.plain(word[:n]); ok {
			return n, id
		}
	}
	return 0, -1
}

// standsAlone reports whether r is a word of its own: punctuation, which in
// ASCII includes symbols, and Chinese.
func standsAlone(r rune) bool {
	c := classify(r)
	return c&punct != 0 || r < 0x7F && c&symb != 0 || chinese.has(r)
}

// chinese is BERT's idea of Chinese characters.
var chinese = runes{
	0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0xFAFF, 0x20000, 0x2A6DF,
	0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B920, 0x2CEAF, 0x2F800, 0x2FA1F,
}
