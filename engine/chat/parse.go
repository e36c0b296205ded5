package chat

import (
	"slices"
	"unicode/utf8"

	"pastel/fault"
)

// A Template is a parsed chat template. It is immutable; several goroutines may
// render it at once.
type Template struct {
	body []stmt
}

const (
	maxSource = 1 << 20 // bytes of template text; the longest in the wild is about 30 KB
	maxNested = 400     // levels of the tree
)

// Parse reads a template.
//
// Errors: fault.Template with the line: bad syntax, a statement outside the subset.
func Parse(src string) (*Template, error) {
	if len(src) > maxSource {
		return nil, fault.New(fault.Template, "chat: template of ", len(src), " bytes is over the limit of ", maxSource)
	}
	if !utf8.ValidString(src) {
		return nil, fault.New(fault.Template, "chat: template is not UTF-8")
	}
	tokens, err := tokenize(prepare(src))
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens}
	t := &Template{body: p.body()}
	if p.err == nil && p.token().kind != tokenEnd {
		p.unexpected()
	}
	if p.err != nil {
		return nil, p.err
	}
	return t, nil
}

func errorAt(line int, parts ...any) error {
	return fault.New(fault.Template, append([]any{"chat: line ", line, ": "}, parts...)...)
}

// parser is a recursive descent over tokens. After the first failure it stands
// on the end token and every method returns at once.
type parser struct {
	tokens []token
	pos    int
	depth  int
	err    error
}

func (p *parser) token() token { return p.tokens[p.pos] }
func (p *parser) line() int    { return p.tokens[p.pos].line }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if p.pos < len(p.tokens)-1 {
		p.pos++
	}
	return t
}

func (p *parser) fail(parts ...any) {
	if p.err == nil {
		p.err = errorAt(p.line(), parts...)
	}
	p.pos = len(p.tokens) - 1
}

func (p *parser) unexpected() {
	t := p.token()
	switch t.kind {
	case tokenEnd:
		p.fail("the template ends inside a tag or block")
	case tokenText:
		p.fail("text where a tag goes on")
	default:
		p.fail("unexpected ", describe(t))
	}
}

func describe(t token) string {
	switch t.kind {
	case tokenOpenStmt:
		return "{%"
	case tokenCloseStmt:
		return "%}"
	case tokenOpenExpr:
		return "{{"
	case tokenCloseExpr:
		return "}}"
	case tokenString:
		return "string " + fault.Quote(t.text)
	}
	return fault.Quote(t.text)
}

// deeper counts a level of the tree; callers restore p.depth.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxNested {
		p.fail("nested too deeply")
	}
}

func (p *parser) is(op string) bool {
	t := p.token()
	return t.kind == tokenPunctuation && t.text == op
}

func (p *parser) isName(name string) bool {
	t := p.token()
	return t.kind == tokenName && t.text == name
}

// take steps over the operator op if it is next.
func (p *parser) take(op string) bool {
	if p.is(op) {
		p.next()
		return true
	}
	return false
}

func (p *parser) takeName(name string) bool {
	if p.isName(name) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(op string) {
	if !p.take(op) {
		p.unexpected()
	}
}

func (p *parser) expectKind(kind tokenKind) token {
	if p.token().kind != kind {
		p.unexpected()
	}
	return p.next()
}

// name reads an identifier.
func (p *parser) name() string { return p.expectKind(tokenName).text }

// body reads statements up to a statement tag whose name is one of ends, or, if
// there are none, to the end of the template.
func (p *parser) body(ends ...string) []stmt {
	level := p.depth
	defer func() { p.depth = level }()
	p.deeper()
	var list []stmt
	for p.err == nil && !(len(ends) == 0 && p.token().kind == tokenEnd) && !p.atTag(ends) {
		switch t := p.token(); t.kind {
		case tokenComment:
			p.next()
		case tokenText:
			p.next()
			list = append(list, &textStmt{t.text})
		case tokenOpenExpr:
			p.next()
			list = append(list, &printStmt{t.line, p.expression()})
			p.expectKind(tokenCloseExpr)
		case tokenOpenStmt:
			p.next()
			list = append(list, p.statement())
		default:
			p.unexpected()
		}
	}
	return list
}

// atTag reports whether {% and one of names come next.
func (p *parser) atTag(names []string) bool {
	if p.token().kind != tokenOpenStmt || p.tokens[p.pos+1].kind != tokenName {
		return false
	}
	return slices.Contains(names, p.tokens[p.pos+1].text)
}

// end reads {% name %}.
func (p *parser) end(name string) {
	p.expectKind(tokenOpenStmt)
	if !p.takeName(name) {
		p.unexpected()
	}
	p.expectKind(tokenCloseStmt)
}
