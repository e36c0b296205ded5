package chat

import (
	"strings"
	"unicode/utf8"

	"pastel/fault"
)

// quoted reads a string literal.
func (l *lexer) quoted(quote byte) {
	var out []byte
	for i := l.pos + 1; i < len(l.text); {
		switch c := l.text[i]; c {
		case quote:
			l.push(tokenString, string(out))
			l.pos = i + 1
			return
		case '\\':
			out, i = l.escape(out, i+1)
			if l.err != nil {
				return
			}
		default:
			out = append(out, c)
			i++
		}
	}
	l.fail("string without end")
}

// escape appends what the escape at i, after its backslash, stands for and
// returns the position after it.
func (l *lexer) escape(out []byte, i int) ([]byte, int) {
	if i >= len(l.text) {
		l.fail("string without end")
		return out, i
	}
	c := l.text[i]
	switch c {
	case 'x':
		return l.hex(out, i+1, 2)
	case 'u':
		return l.hex(out, i+1, 4)
	}
	const names, values = `ntrbfv'"\`, "\n\t\r\b\f\v'\"\\"
	if k := strings.IndexByte(names, c); k >= 0 {
		return append(out, values[k]), i + 1
	}
	r, _ := utf8.DecodeRune(l.text[i:])
	l.fail("unknown escape ", fault.Quote(`\`+string(r)))
	return out, i
}

// hex reads digits of an escape; two escapes may make a surrogate pair.
func (l *lexer) hex(out []byte, i, digits int) ([]byte, int) {
	r, ok := hexRune(l.text, i, digits)
	if !ok {
		l.fail("escape with a wrong hexadecimal digit")
		return out, i
	}
	i += digits
	if r >= 0xD800 && r < 0xDC00 && i+1 < len(l.text) && l.text[i] == '\\' && l.text[i+1] == 'u' {
		if low, ok := hexRune(l.text, i+2, 4); ok && low >= 0xDC00 && low <= 0xDFFF {
			return utf8.AppendRune(out, 0x10000+(r-0xD800)<<10+low-0xDC00), i + 6
		}
	}
	return utf8.AppendRune(out, r), i
}

func hexRune(text []byte, i, digits int) (rune, bool) {
	if i+digits > len(text) {
		return 0, false
	}
	var r rune
	for _, c := range text[i : i+digits] {
		k := strings.IndexByte("0123456789abcdef", c|0x20)
		if k < 0 || c < '0' {
			return 0, false
		}
		r = r<<4 | rune(k)
	}
	return r, true
}
