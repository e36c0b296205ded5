package tokenizer

import "unicode/utf8"

// oneNewline isolates [\r\n].
func oneNewline(s string) int {
	if s[0] == '\r' || s[0] == '\n' {
		return 1
	}
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' {
			return i
		}
	}
	return len(s)
}

// afterSpace matches \s?m+, where run measures m+.
func afterSpace(s string, run func(string) int) int {
	c, n := classAt(s, 0)
	if c&space == 0 {
		return run(s)
	}
	if end := run(s[n:]); end > 0 {
		return n + end
	}
	return run(s) // a set may hold white space itself
}

// deepseekLetters isolates \s?[A-Za-zµÀ-Ö…]+: the cased letters of deepseek-llm.
func deepseekLetters(s string) int {
	return isolate(s, func(s string) int { return afterSpace(s, casedLetters.run) })
}

// deepseekSymbols isolates \s?[!-/:-~！-／：-～‘-‟　-。]+.
func deepseekSymbols(s string) int {
	return isolate(s, func(s string) int { return afterSpace(s, wideSymbols.run) })
}

// trailingSpace isolates \s+$.
func trailingSpace(s string) int {
	end := len(s)
	for end > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:end])
		if classify(r)&space == 0 {
			return end
		}
		end -= n
	}
	return len(s)
}

// deepseekHan isolates [一-龥ࠀ-一가-퟿]+.
func deepseekHan(s string) int {
	return isolate(s, hanAndMore.run)
}

// coderLetters isolates \s?\p{L}+, of deepseek-coder.
func coderLetters(s string) int {
	return isolate(s, func(s string) int {
		return afterSpace(s, func(s string) int { return run(s, 0, letter) })
	})
}

// coderPunct isolates \s?\p{P}+.
func coderPunct(s string) int {
	return isolate(s, func(s string) int {
		return afterSpace(s, func(s string) int { return run(s, 0, punct) })
	})
}

// hanAndKana isolates [一-龥぀-ゟ゠-ヿ]+, of deepseek-v3.
func hanAndKana(s string) int {
	return isolate(s, kanaAndHan.run)
}

// youtuScripts isolates [가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+.
func youtuScripts(s string) int {
	return isolate(s, func(s string) int {
		for _, set := range youtuSets {
			if n := set.run(s); n > 0 {
				return n
			}
		}
		return 0
	})
}

// deepseek3 is the last stage of deepseek-v3:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+
//	|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func deepseek3(s string) int { return isolate(s, deepseek3Match) }

func deepseek3Match(s string) int {
	if n := asciiWord(s); n > 0 {
		return n
	}
	if n := word(s, newline|letter|punct|symb, letter|mark); n > 0 {
		return n
	}
	start := optionalSpace(s)
	if end := run(s, start, punct|symb); end > start {
		return tail(s, end, "\r\n")
	}
	return blank(s)
}

// asciiWord matches an ASCII punctuation character and ASCII letters after it.
func asciiWord(s string) int {
	if s[0] >= utf8.RuneSelf || plane[s[0]]&(punct|symb) == 0 {
		return 0
	}
	i := 1
	for i < len(s) && (s[i]|0x20) >= 'a' && (s[i]|0x20) <= 'z' {
		i++
	}
	if i == 1 {
		return 0
	}
	return i
}
