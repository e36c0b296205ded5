package tokenizer

import "strings"

// A splitter returns the length in bytes of the first piece of s, which is never
// empty: what its expression matches there, or the text up to the next match. It
// is a pure function that looks ahead at most a constant number of times the
// piece and the piece after it, so that splitting takes linear time. The end of s
// is the end of the text as far as lookahead is concerned.
type splitter func(s string) int

// isolate cuts the matches of match out of the text between them. Inlining it into
// the dozen stages that use it would cost 10 KB of wasm.
//
//go:noinline
func isolate(s string, match splitter) int {
	if n := match(s); n > 0 {
		return n
	}
	for i := range s {
		if i > 0 && match(s[i:]) > 0 {
			return i
		}
	}
	return len(s)
}

// contraction matches 's|'t|'re|'ve|'m|'ll|'d, in any case of letters if fold.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	a, b := s[1], byte(0)
	if len(s) > 2 {
		b = s[2]
	}
	if fold {
		a, b = a|0x20, b|0x20
	}
	switch {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	}
	return 0
}

// numbers matches \p{N}{1,most}.
func numbers(s string, most int) int {
	i := 0
	for range most {
		if i >= len(s) {
			break
		}
		c, n := classAt(s, i)
		if c&number == 0 {
			break
		}
		i += n
	}
	return i
}

// word matches [^\r\n\p{L}\p{N}]?W+, where W is any of is and the class before it
// excludes bar.
func word(s string, bar, is class) int {
	c, n := classAt(s, 0)
	if c&bar == 0 {
		if end := run(s, n, is); end > n {
			return end
		}
	}
	return run(s, 0, is)
}

// optionalSpace matches " ?".
func optionalSpace(s string) int {
	if s != "" && s[0] == ' ' {
		return 1
	}
	return 0
}

// tail extends a match that ends at i by any of the bytes in set.
func tail(s string, i int, set string) int {
	for i < len(s) && strings.IndexByte(set, s[i]) >= 0 {
		i++
	}
	return i
}

// symbols matches " ?[^not]+" and then any of the bytes in more.
func symbols(s string, not class, more string) int {
	start := optionalSpace(s)
	end := runNot(s, start, not)
	if end == start {
		return 0
	}
	return tail(s, end, more)
}

// spaces matches \s+(?!\S)|\s+: a run of white space, but for the last of it if
// more text follows and something is left.
func spaces(s string) int {
	last, end := 0, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c&space == 0 {
			break
		}
		last = end
		end += n
	}
	if end < len(s) && last > 0 {
		return last
	}
	return end
}

// blank matches \s*[\r\n]+|\s+(?!\S)|\s+.
func blank(s string) int {
	lines, end := 0, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c&space == 0 {
			break
		}
		end += n
		if c&newline != 0 {
			lines = end
		}
	}
	if lines > 0 {
		return lines
	}
	return spaces(s[:min(len(s), end+1)])
}

// gap is the length of one character: what no alternative matches. Neighbouring
// gaps make one piece where isolate is used.
func gap(s string) int {
	_, n := classAt(s, 0)
	return n
}
