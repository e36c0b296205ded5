package chat

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"pastel/fault"
)

// A tokenKind is the class of a token.
type tokenKind uint8

const (
	tokenEnd         tokenKind = iota
	tokenText                  // between tags
	tokenComment               // {# … #}
	tokenOpenStmt              // {%
	tokenCloseStmt             // %}
	tokenOpenExpr              // {{
	tokenCloseExpr             // }}
	tokenName                  // identifiers and keywords
	tokenNumber                // with its sign, where it can have one
	tokenString                // without quotes, unescaped
	tokenSign                  // a - or + that cannot stand between operands
	tokenPunctuation           // operators and brackets
)

type token struct {
	kind tokenKind
	text string
	line int
}

// lexer cuts a source into tokens.
type lexer struct {
	source
	pos    int
	braces int // open { since the last {{
	tokens []token
	err    error
}

// tokenize returns the tokens of s, the last of kind tokenEnd.
func tokenize(s source) ([]token, error) {
	l := lexer{source: s}
	for l.err == nil && l.pos < len(l.text) {
		if l.outside() && l.textToken() {
			continue
		}
		l.tag()
	}
	l.push(tokenEnd, "")
	return l.tokens, l.err
}

func (l *lexer) line() int {
	if len(l.lines) == 0 {
		return 1
	}
	return int(l.lines[min(l.pos, len(l.lines)-1)])
}

func (l *lexer) fail(parts ...any) {
	if l.err == nil {
		l.err = errorAt(l.line(), parts...)
	}
}

func (l *lexer) push(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind, text, l.line()})
}

func (l *lexer) last() tokenKind {
	if len(l.tokens) == 0 {
		return tokenEnd
	}
	return l.tokens[len(l.tokens)-1].kind
}

func (l *lexer) has(prefix string) bool {
	return len(l.text)-l.pos >= len(prefix) && string(l.text[l.pos:l.pos+len(prefix)]) == prefix
}

// outside reports whether the next byte is text rather than the inside of a tag.
func (l *lexer) outside() bool {
	switch l.last() {
	case tokenEnd, tokenCloseStmt, tokenCloseExpr, tokenComment:
		return true
	}
	return false
}

// textToken reads up to the next tag; false if there is nothing before it.
func (l *lexer) textToken() bool {
	end := l.pos
	for end < len(l.text) && !opensTag(l.text[end:]) {
		end++
	}
	if end == l.pos {
		return false
	}
	text := string(l.text[l.pos:end])
	l.push(tokenText, text)
	l.pos = end
	return true
}

func opensTag(rest []byte) bool {
	return len(rest) > 1 && rest[0] == '{' && (rest[1] == '%' || rest[1] == '{' || rest[1] == '#')
}

// tag reads one token inside a tag, or a tag's bracket.
func (l *lexer) tag() {
	switch {
	case l.has("{#"):
		l.comment()
	case l.has("{%-"):
		l.stripBefore()
		l.bracket(tokenOpenStmt, 3)
	case l.has("{{-"):
		l.stripBefore()
		l.braces = 0
		l.bracket(tokenOpenExpr, 3)
	default:
		l.skipSpace()
		l.inside()
	}
}

func (l *lexer) bracket(kind tokenKind, n int) {
	l.push(kind, "")
	l.pos += n
}

func (l *lexer) skipSpace() {
	l.pos = len(l.text) - len(bytes.TrimLeftFunc(l.text[l.pos:], isSpace))
}

// stripBefore takes white space off the end of the text before {%-.
func (l *lexer) stripBefore() {
	n := len(l.tokens)
	if n == 0 || l.tokens[n-1].kind != tokenText {
		return
	}
	t := &l.tokens[n-1]
	if t.text = trimRight(t.text); t.text == "" {
		l.tokens = l.tokens[:n-1]
	}
}

func (l *lexer) comment() {
	l.pos += 2
	if l.has("-") {
		l.pos++
		l.stripBefore()
	}
	n := bytes.Index(l.text[l.pos:], []byte("#}"))
	if n < 0 {
		l.fail("comment without end")
		return
	}
	strip := n > 0 && l.text[l.pos+n-1] == '-'
	l.push(tokenComment, "")
	if l.pos += n + 2; strip {
		l.skipSpace()
	}
}

// inside reads a token after white space has been skipped.
func (l *lexer) inside() {
	if l.pos >= len(l.text) {
		return
	}
	switch c := l.text[l.pos]; {
	case l.has("-%}"):
		l.bracket(tokenCloseStmt, 3)
		l.skipSpace()
	case l.has("-}}"):
		l.bracket(tokenCloseExpr, 3)
		l.skipSpace()
	case (c == '-' || c == '+') && !l.afterOperand():
		l.signed()
	case l.tagBracket():
	case isDigit(c):
		l.number(l.pos)
	case isWord(c):
		l.word()
	case c == '\'' || c == '"':
		l.quoted(c)
	default:
		l.punctuation()
	}
}

// afterOperand reports whether a sign here is an operator between two operands.
func (l *lexer) afterOperand() bool {
	t := l.tokens[len(l.tokens)-1]
	return t.kind == tokenName || t.kind == tokenNumber || t.kind == tokenString || t.text == ")" || t.text == "]"
}

// signed reads a number with its sign, or the sign alone.
func (l *lexer) signed() {
	if l.pos+1 < len(l.text) && isDigit(l.text[l.pos+1]) {
		l.number(l.pos)
		return
	}
	l.push(tokenSign, string(rune(l.text[l.pos])))
	l.pos++
}

// tagBracket reads the brackets of tags. A dict may end in }}.
func (l *lexer) tagBracket() bool {
	switch {
	case l.has("{%"):
		l.bracket(tokenOpenStmt, 2)
	case l.has("%}"):
		l.bracket(tokenCloseStmt, 2)
	case l.has("{{"):
		l.braces = 0
		l.bracket(tokenOpenExpr, 2)
	case l.has("}}") && l.braces <= 0:
		l.bracket(tokenCloseExpr, 2)
	default:
		return false
	}
	return true
}

// number reads digits and, unless they follow a dot (a.0.1), a fraction.
func (l *lexer) number(start int) {
	end := l.digits(start + 1)
	afterDot := l.tokens[len(l.tokens)-1].text == "." && isDigit(l.text[start])
	if !afterDot && end+1 < len(l.text) && l.text[end] == '.' && isDigit(l.text[end+1]) {
		end = l.digits(end + 1)
	}
	l.push(tokenNumber, string(l.text[start:end]))
	l.pos = end
}

func (l *lexer) digits(i int) int {
	for i < len(l.text) && isDigit(l.text[i]) {
		i++
	}
	return i
}

func (l *lexer) word() {
	end := l.pos
	for end < len(l.text) && isWord(l.text[end]) {
		end++
	}
	l.push(tokenName, string(l.text[l.pos:end]))
	l.pos = end
}

// longOperators are tried before single characters.
var longOperators = [...]string{"<=", ">=", "==", "!=", "**", "//"}

func (l *lexer) punctuation() {
	for _, op := range longOperators {
		if l.has(op) {
			l.push(tokenPunctuation, op)
			l.pos += 2
			return
		}
	}
	c := l.text[l.pos]
	if strings.IndexByte("(){}[],.:|<>+-~*/%=", c) < 0 {
		r, _ := utf8.DecodeRune(l.text[l.pos:])
		l.fail("unexpected character ", fault.Quote(string(r)))
		return
	}
	switch c {
	case '{':
		l.braces++
	case '}':
		l.braces--
	}
	l.push(tokenPunctuation, string(rune(c)))
	l.pos++
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
