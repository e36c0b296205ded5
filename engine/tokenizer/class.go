package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is a set of the Unicode properties that pre-tokenizers ask about.
type class uint16

const (
	space   class = 1 << iota // \s
	newline                   // \r and \n
	letter                    // \p{L}
	number                    // \p{N}
	punct                     // \p{P}
	symb                      // \p{S}
	mark                      // \p{M}
	upper                     // \p{Lu} and \p{Lt}
	lower                     // \p{Ll}
)

// properties are the tables behind the classes.
var properties = []struct {
	class class
	table *unicode.RangeTable
}{
	{space, unicode.White_Space}, {letter, unicode.L}, {number, unicode.N}, {punct, unicode.P},
	{symb, unicode.S}, {mark, unicode.M}, {upper, unicode.Lu}, {upper, unicode.Lt}, {lower, unicode.Ll},
}

// plane holds the classes of U+0000 to U+FFFF. Looking six tables up for every
// character made text that is not ASCII four times as slow; filling this takes
// 0.1 ms.
var plane = func() *[1 << 16]class {
	plane := new([1 << 16]class)
	for _, p := range properties {
		for _, r := range p.table.R16 {
			for c := int(r.Lo); c <= int(r.Hi); c += int(r.Stride) {
				plane[c] |= p.class
			}
		}
	}
	plane['\r'] |= newline
	plane['\n'] |= newline
	return plane
}()

// classAt returns the class and length in bytes of the character at s[i:]. A
// byte that is not UTF-8 counts as U+FFFD, a symbol.
func classAt(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return plane[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classify(r), n
}

func classify(r rune) class {
	if r < 1<<16 {
		return plane[r]
	}
	c := class(0)
	for _, p := range properties {
		if unicode.Is(p.table, r) {
			c |= p.class
		}
	}
	return c
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
