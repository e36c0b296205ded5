package chat

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// source is a template after white space control, with the line every byte had
// in the text the author wrote.
type source struct {
	text  []byte
	lines []int32 // per byte of text
}

// prepare applies trim_blocks and lstrip_blocks, drops one newline at the end,
// and takes out the tags {% generation %} and {% endgeneration %}, which only
// mark a span for training.
//
// Source: Jinja 3 documentation, "Whitespace Control"; huggingface/transformers#30650.
func prepare(template string) source {
	template = strings.TrimSuffix(template, "\n")
	s := source{make([]byte, 0, len(template)), make([]int32, 0, len(template))}
	line := int32(1)
	lineStart := true
	for i := 0; i < len(template); {
		if lineStart {
			if n := blankBeforeTag(template[i:]); n > 0 {
				i += n
			}
		}
		size := 1
		lineStart = endsLine(template[i:], &size)
		if template[i] != '\n' || !afterTag(template[:i]) {
			for _, c := range []byte(template[i : i+size]) {
				s.add(c, line)
			}
		}
		if template[i] == '\n' {
			line++
		}
		i += size
	}
	return s.withoutGeneration()
}

func (s *source) add(c byte, line int32) {
	s.text = append(s.text, c)
	s.lines = append(s.lines, line)
}

// blankBeforeTag is the number of spaces and tabs at the start of a line that
// lstrip_blocks takes away.
func blankBeforeTag(rest string) int {
	n := 0
	for n < len(rest) && (rest[n] == ' ' || rest[n] == '\t') {
		n++
	}
	if n+1 < len(rest) && rest[n] == '{' && strings.IndexByte("#%-", rest[n+1]) >= 0 {
		return n
	}
	return 0
}

// endsLine reports whether the character at the start of rest ends a line, for
// ECMAScript's ^; size is its length in bytes.
func endsLine(rest string, size *int) bool {
	r, n := utf8.DecodeRuneInString(rest)
	*size = n
	return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029'
}

// afterTag reports whether before ends in the end of a block or comment.
func afterTag(before string) bool {
	n := len(before)
	return n >= 2 && before[n-1] == '}' && strings.IndexByte("#%-", before[n-2]) >= 0
}

func (s source) withoutGeneration() source {
	text := string(s.text)
	if !strings.Contains(text, "generation") {
		return s
	}
	var out source
	for i := 0; i < len(text); {
		n, keepLeft, keepRight := generationTag(text[i:])
		if n == 0 {
			out.add(s.text[i], s.lines[i])
			i++
			continue
		}
		if !keepLeft {
			trimmed := len(bytes.TrimRightFunc(out.text, isSpace))
			out.text, out.lines = out.text[:trimmed], out.lines[:trimmed]
		}
		if i += n; !keepRight {
			i = len(text) - len(trimLeft(text[i:]))
		}
	}
	return out
}

// generationTag returns the length of the generation tag rest begins with, 0 if
// it begins with something else.
func generationTag(rest string) (n int, keepLeft, keepRight bool) {
	inner, ok := strings.CutPrefix(rest, "{%")
	if !ok {
		return 0, false, false
	}
	inner, stripLeft := strings.CutPrefix(inner, "-")
	inner, _ = strings.CutPrefix(trimLeft(inner), "end")
	inner, ok = strings.CutPrefix(inner, "generation")
	if !ok {
		return 0, false, false
	}
	inner, stripRight := strings.CutPrefix(trimLeft(inner), "-")
	inner, ok = strings.CutPrefix(inner, "%}")
	if !ok {
		return 0, false, false
	}
	return len(rest) - len(inner), !stripLeft, !stripRight
}
