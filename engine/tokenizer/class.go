package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is a set of the Unicode properties that pre-tokenizers ask about.
type class uint8

const (
	space   class = 1 << iota // \s
	newline                   // \r and \n
	letter                    // \p{L}
	number                    // \p{N}
	punct                     // \p{P}
	symb                      // \p{S}
	mark                      // \p{M}
)

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for r := range table {
		table[r] = classify(rune(r))
	}
	table['\r'] |= newline
	table['\n'] |= newline
	return table
}()

// classAt returns the class and length in bytes of the character at s[i:]. A
// byte that is not UTF-8 counts as U+FFFD, a symbol.
func classAt(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classify(r), n
}

func classify(r rune) class {
	switch {
	case r >= 0x4E00 && r <= 0x9FA5 || r >= 0xAC00 && r <= 0xD7A3: // Han and Hangul, ahead of the tables
		return letter
	case unicode.IsSpace(r):
		return space
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsPunct(r):
		return punct
	case unicode.IsSymbol(r):
		return symb
	case unicode.IsMark(r):
		return mark
	}
	return 0
}

// run returns the end of the longest run from i of characters with any property
// of is.
func run(s string, i int, is class) int {
	for i < len(s) {
		c, n := classAt(s, i)
		if c&is == 0 {
			break
		}
		i += n
	}
	return i
}

// runNot returns the end of the longest run from i of characters with no
// property of not.
func runNot(s string, i int, not class) int {
	for i < len(s) {
		c, n := classAt(s, i)
		if c&not != 0 {
			break
		}
		i += n
	}
	return i
}

// runes is a set of characters: pairs of first and last, sorted.
type runes []rune

func (set runes) has(r rune) bool {
	lo, hi := 0, len(set)/2
	for lo < hi {
		mid := (lo + hi) / 2
		if r > set[2*mid+1] {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return 2*lo < len(set) && r >= set[2*lo]
}

// run is the length of the run of the set's characters that s begins with.
func (set runes) run(s string) int {
	for i, r := range s {
		if !set.has(r) {
			return i
		}
	}
	return len(s)
}
