package jsonvalue

import (
	"bytes"
	"strconv"

	"pastel/fault"
)

// Options limits what Parse accepts. The zero value of a field means its default.
type Options struct {
	MaxDepth         int  // nesting of arrays and objects; default 256
	MaxBytes         int  // length of the text; default 64 MiB
	MaxValues        int  // values in the whole tree (about 80 bytes each); default 4 Mi
	RefuseDuplicates bool // equal keys in one object are an error
}

const (
	defaultDepth  = 256
	defaultBytes  = 64 << 20
	defaultValues = 4 << 20
)

// Parse reads one JSON value, with nothing but white space around it, under the
// default Options.
//
// Errors: fault.BadFile with the offset in bytes.
// Source: RFC 8259.
func Parse(data []byte) (Value, error) { return Options{}.Parse(data) }

// Parse reads one JSON value with nothing but white space around it.
func (o Options) Parse(data []byte) (Value, error) {
	p := parser{data: data, depth: or(o.MaxDepth, defaultDepth), values: or(o.MaxValues, defaultValues), unique: o.RefuseDuplicates}
	if limit := or(o.MaxBytes, defaultBytes); len(data) > limit {
		return Value{}, fault.New(fault.BadFile, "jsonvalue: text of ", len(data), " bytes is over the limit of ", limit)
	}
	p.space()
	v := p.value()
	p.space()
	if p.err == nil && p.pos < len(data) {
		p.fail("text after the value")
	}
	if p.err != nil {
		return Value{}, p.err
	}
	return v, nil
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// parser is a recursive descent over data; after the first failure err is set
// and every method returns at once.
type parser struct {
	data   []byte
	pos    int
	depth  int // levels left
	values int // values left
	unique bool
	err    error
}

func (p *parser) fail(parts ...any) {
	if p.err == nil {
		p.err = fault.New(fault.BadFile, append([]any{"jsonvalue: offset ", p.pos, ": "}, parts...)...)
	}
	p.pos = len(p.data)
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) value() Value {
	if p.values--; p.values < 0 {
		p.fail("too many values")
		return Value{}
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return OfString(p.string())
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return p.word("true", OfBool(true))
	case c == 'f':
		return p.word("false", OfBool(false))
	case c == 'n':
		return p.word("null", Value{})
	}
	p.unexpected("a value")
	return Value{}
}

func (p *parser) unexpected(want string) {
	if p.pos >= len(p.data) {
		p.fail("text ends where ", want, " should be")
		return
	}
	p.fail("byte ", strconv.QuoteRune(rune(p.data[p.pos])), " where ", want, " should be")
}

func (p *parser) word(word string, v Value) Value {
	if !bytes.HasPrefix(p.data[p.pos:], []byte(word)) {
		p.fail("unknown word")
		return Value{}
	}
	p.pos += len(word)
	return v
}

// open steps over a bracket and reports whether the level is allowed.
func (p *parser) open() bool {
	if p.depth--; p.depth < 0 {
		p.fail("nested too deeply")
		return false
	}
	p.pos++
	p.space()
	return true
}

// next steps over what follows an element: a comma (more), or the closing bracket.
func (p *parser) next(closing byte) (more bool) {
	p.space()
	switch p.peek() {
	case ',':
		p.pos++
		p.space()
		return true
	case closing:
		p.pos++
		p.depth++
		return false
	}
	p.unexpected("',' or '" + string(rune(closing)) + "'")
	return false
}

func (p *parser) array() Value {
	if !p.open() {
		return Value{}
	}
	if p.peek() == ']' {
		p.next(']')
		return OfArray(nil)
	}
	var list []Value
	for more := true; more && p.err == nil; more = p.next(']') {
		list = append(list, p.value())
	}
	return OfArray(list)
}

func (p *parser) object() Value {
	if !p.open() {
		return Value{}
	}
	o := new(object)
	if p.peek() == '}' {
		p.next('}')
		return Value{kind: KindObject, obj: o}
	}
	for more := true; more && p.err == nil; more = p.next('}') {
		p.member(o)
	}
	return Value{kind: KindObject, obj: o}
}

func (p *parser) member(o *object) {
	if p.peek() != '"' {
		p.unexpected("a key")
		return
	}
	key := p.string()
	p.space()
	if p.peek() != ':' {
		p.unexpected("':'")
		return
	}
	p.pos++
	p.space()
	if o.set(Member{key, p.value()}) && p.unique {
		p.fail("key ", fault.Quote(key), " twice")
	}
}
