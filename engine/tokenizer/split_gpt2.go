package tokenizer

import "strings"

// gpt2 is the expression of GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func gpt2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	start := 0
	if s[0] == ' ' && len(s) > 1 {
		start = 1
	}
	switch c, _ := classAt(s, start); {
	case c&letter != 0:
		return run(s, start, letter)
	case c&number != 0:
		return run(s, start, number)
	case c&space == 0:
		return runNot(s, start, space|letter|number)
	}
	return spaces(s)
}

// oneDigit isolates \p{N}.
func oneDigit(s string) int {
	return isolate(s, func(s string) int { return numbers(s, 1) })
}

// threeDigits isolates \p{N}{1,3}.
func threeDigits(s string) int {
	return isolate(s, func(s string) int { return numbers(s, 3) })
}

// allDigits isolates \p{N}+.
func allDigits(s string) int {
	return isolate(s, func(s string) int { return run(s, 0, number) })
}

// threeASCIIDigits isolates [0-9][0-9][0-9].
func threeASCIIDigits(s string) int {
	return isolate(s, func(s string) int {
		if len(s) >= 3 && isDigit(s[0]) && isDigit(s[1]) && isDigit(s[2]) {
			return 3
		}
		return 0
	})
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// falconPunct isolates [\p{P}\$\+<=>\^~\|`]+.
func falconPunct(s string) int {
	return isolate(s, func(s string) int { return punctRun(s, "$+<=>^~|`") })
}

// defaultPunct isolates [\p{P}\$\+<=>\^~\|]+.
func defaultPunct(s string) int {
	return isolate(s, func(s string) int { return punctRun(s, "$+<=>^~|") })
}

// punctRun matches a run of punctuation and of the ASCII characters in more.
func punctRun(s, more string) int {
	i := 0
	for i < len(s) {
		c, n := classAt(s, i)
		if c&punct == 0 && strings.IndexByte(more, s[i]) < 0 {
			break
		}
		i += n
	}
	return i
}

// bloom is the expression of BLOOM:
//
//	?[^(\s|.,!?…。，、।۔،)]+
func bloom(s string) int {
	return isolate(s, func(s string) int {
		start := optionalSpace(s)
		end := start
		for end < len(s) {
			c, n := classAt(s, end)
			if c&space != 0 || strings.Contains(bloomStops, s[end:end+n]) {
				break
			}
			end += n
		}
		if end == start {
			return 0
		}
		return end
	})
}

const bloomStops = "(|.,!?…。，、।۔،)"
