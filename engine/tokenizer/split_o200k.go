package tokenizer

// tekken is the expression of Mistral's tekken:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
//	|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
//	|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
func tekken(s string) int { return o200k(s, 1, false) }

// gpt4o is OpenAI's o200k: tekken with contractions after words and up to three
// digits.
func gpt4o(s string) int { return o200k(s, 3, true) }

// gpt4oDigit is gpt4o with every digit apart.
func gpt4oDigit(s string) int { return o200k(s, 1, true) }

func o200k(s string, digits int, contractions bool) int {
	if n := casedWord(s); n > 0 {
		if contractions {
			n += contraction(s[n:], true)
		}
		return n
	}
	if n := numbers(s, digits); n > 0 {
		return n
	}
	if n := symbols(s, space|letter|number, "\r\n/"); n > 0 {
		return n
	}
	if n := blank(s); n > 0 {
		return n
	}
	return gap(s)
}

// casedWord matches the first two alternatives of tekken, where upper stands for
// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and lower for [\p{Ll}\p{Lm}\p{Lo}\p{M}]; Lm, Lo
// and M are both.
//
// upper* takes all it can and lower+ what follows. If nothing follows, the
// expression backtracks to the last character that is both; only if there is none
// does the second alternative take the upper run alone.
func casedWord(s string) int {
	first, start := classAt(s, 0)
	if first&(newline|letter|number) != 0 {
		start = 0
	}
	both, i := 0, start
	for i < len(s) {
		up, low, n := caseAt(s, i)
		if !up {
			break
		}
		i += n
		if low {
			both = i
		}
	}
	end := i
	for end < len(s) {
		_, low, n := caseAt(s, end)
		if !low {
			break
		}
		end += n
	}
	switch {
	case end > i: // upper* lower+
		return end
	case both > 0: // upper* gave back what was upper only
		return both
	case first&mark != 0: // the leading character is the whole match
		return start
	case i > start: // upper+
		return i
	}
	return 0
}

// caseAt says whether the character at s[i:] may stand in upper and in lower,
// and its length in bytes.
func caseAt(s string, i int) (up, low bool, n int) {
	c, n := classAt(s, i)
	if c&(letter|mark) == 0 {
		return false, false, n
	}
	return c&lower == 0, c&upper == 0, n
}
