package jsonvalue

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"pastel/fault"
)

// string reads a quoted string at pos. Text without escapes is copied once.
func (p *parser) string() string {
	p.pos++
	start := p.pos
	for i := start; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			return p.checked(p.data[start:i])
		case c == '\\':
			p.pos = i
			return p.escaped(append(make([]byte, 0, 2*(i-start)+16), p.data[start:i]...))
		case c < ' ':
			p.pos = i
			p.fail("control character in a string")
			return ""
		}
	}
	p.pos = len(p.data)
	p.fail("string without end")
	return ""
}

// checked turns finished bytes into a string if they are UTF-8.
func (p *parser) checked(b []byte) string {
	if !utf8.Valid(b) {
		p.fail("string is not UTF-8")
		return ""
	}
	return string(b)
}

// escaped goes on with a string whose first part, before a backslash, is in buf.
func (p *parser) escaped(buf []byte) string {
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		p.pos++
		switch {
		case c == '"':
			return p.checked(buf)
		case c == '\\':
			buf = p.escape(buf)
		case c < ' ':
			p.fail("control character in a string")
		default:
			buf = append(buf, c)
		}
	}
	p.fail("string without end")
	return ""
}

// escape appends what the escape after a backslash stands for.
func (p *parser) escape(buf []byte) []byte {
	c := p.peek()
	p.pos++
	switch c {
	case '"', '\\', '/':
		return append(buf, c)
	case 'b':
		return append(buf, '\b')
	case 'f':
		return append(buf, '\f')
	case 'n':
		return append(buf, '\n')
	case 'r':
		return append(buf, '\r')
	case 't':
		return append(buf, '\t')
	case 'u':
		return utf8.AppendRune(buf, p.utf16())
	}
	p.fail("unknown escape")
	return buf
}

// utf16 reads the four digits after \u, and a second escape if they are the
// first half of a pair. Half a pair is U+FFFD.
func (p *parser) utf16() rune {
	r := p.hex4()
	if r < 0xD800 || r > 0xDFFF {
		return r
	}
	if r < 0xDC00 && bytes.HasPrefix(p.data[p.pos:], []byte(`\u`)) {
		back := p.pos
		p.pos += 2
		if low := p.hex4(); low >= 0xDC00 && low <= 0xDFFF {
			return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
		}
		if p.err == nil {
			p.pos = back
		}
	}
	return utf8.RuneError
}

func (p *parser) hex4() rune {
	if p.pos+4 > len(p.data) {
		p.fail("text ends in an escape")
		return 0
	}
	var r rune
	for _, c := range p.data[p.pos : p.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			p.fail("escape with a wrong digit")
			return 0
		}
	}
	p.pos += 4
	return r
}

// number reads a number. Only one written as an integer that fits an int64 is
// KindInt; -0 is a float, because an int64 cannot hold it.
func (p *parser) number() Value {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else {
		p.digits()
	}
	integer := true
	if p.peek() == '.' {
		integer = false
		p.pos++
		p.digits()
	}
	if p.peek()|0x20 == 'e' {
		integer = false
		if p.pos++; p.peek() == '+' || p.peek() == '-' {
			p.pos++
		}
		p.digits()
	}
	if p.err != nil {
		return Value{}
	}
	return p.convert(string(p.data[start:p.pos]), integer)
}

// digits steps over at least one digit.
func (p *parser) digits() {
	start := p.pos
	for '0' <= p.peek() && p.peek() <= '9' {
		p.pos++
	}
	if p.pos == start {
		p.unexpected("a digit")
	}
}

func (p *parser) convert(text string, integer bool) Value {
	if integer && text != "-0" {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return OfInt(i)
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.fail("number ", fault.Quote(text), " is out of range")
	}
	return OfFloat(f)
}
