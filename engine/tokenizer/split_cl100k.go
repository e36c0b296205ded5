package tokenizer

// cl100k is the family of expressions that OpenAI's cl100k_base began:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// letters is \p{L} or, in newer models, [\p{L}\p{M}]; digits is the most of them
// in a piece.
func cl100k(s string, letters class, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	return cl100kWord(s, letters, digits)
}

// cl100kWord is cl100k without contractions.
func cl100kWord(s string, letters class, digits int) int {
	if n := word(s, newline|letter|number, letters); n > 0 {
		return n
	}
	if n := numbers(s, digits); n > 0 {
		return n
	}
	if n := symbols(s, space|letters|number, "\r\n"); n > 0 {
		return n
	}
	if n := blank(s); n > 0 {
		return n
	}
	return gap(s)
}

// llama3 has up to three digits in a piece.
func llama3(s string) int { return cl100k(s, letter, 3) }

// qwen2 has every digit apart.
func qwen2(s string) int { return cl100k(s, letter, 1) }

// qwen35 is qwen2 with marks among the letters.
func qwen35(s string) int { return cl100k(s, letter|mark, 1) }

// minicpm5 leaves digits together; another stage cuts them.
func minicpm5(s string) int { return cl100k(s, letter, len(s)) }

// noContractions is qwen2 for languages in which 's is no word.
func noContractions(s string) int { return cl100kWord(s, letter, 1) }

// seedCoder is qwen2 with newlines never part of a run of symbols:
//
//	... |\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+
func seedCoder(s string) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	if n := word(s, newline|letter|number, letter); n > 0 {
		return n
	}
	if n := numbers(s, 1); n > 0 {
		return n
	}
	if n := symbols(s, space|letter|number, ""); n > 0 {
		return n
	}
	return max(blank(s), 1)
}

// lines isolates runs of newlines: [^\n]+|[\n]+
func lines(s string) int {
	i, first := 0, s[0] == '\n'
	for i < len(s) && (s[i] == '\n') == first {
		i++
	}
	return i
}
