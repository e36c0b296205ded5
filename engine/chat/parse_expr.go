package chat

import (
	"strconv"
	"strings"

	"pastel/fault"
)

// Precedence, loosest first: if/else, or, and, not, comparison and in, + - ~,
// * / // %, ** (left to right), is, |, sign, then calls and members.

// sequence reads a, b, c as one list, or a single expression.
func (p *parser) sequence() expr {
	first := p.expression()
	if !p.is(",") {
		return first
	}
	list := &listExpr{items: []expr{first}, tuple: true}
	for p.take(",") && !p.is(")") {
		list.items = append(list.items, p.expression())
	}
	return list
}

func (p *parser) expression() expr {
	level := p.depth
	defer func() { p.depth = level }()
	p.deeper()
	then := p.or()
	if !p.takeName("if") {
		return then
	}
	n := &ternaryExpr{then: then, cond: p.or()}
	if p.takeName("else") {
		n.otherwise = p.expression()
	}
	return n
}

// chain reads operands joined from left to right by the operators that op
// recognises and steps over.
func (p *parser) chain(operand func() expr, op func() string) expr {
	level := p.depth
	left := operand()
	for p.err == nil {
		line := p.line()
		name := op()
		if name == "" {
			break
		}
		p.deeper()
		left = &binaryExpr{line, name, left, operand()}
	}
	p.depth = level
	return left
}

// takeOne steps over one of the operators ops and returns it, or "".
func (p *parser) takeOne(ops ...string) string {
	for _, op := range ops {
		if p.take(op) {
			return op
		}
	}
	return ""
}

func (p *parser) takeWord(name string) string {
	if p.takeName(name) {
		return name
	}
	return ""
}

func (p *parser) or() expr {
	return p.chain(p.and, func() string { return p.takeWord("or") })
}

func (p *parser) and() expr {
	return p.chain(p.not, func() string { return p.takeWord("and") })
}

func (p *parser) not() expr {
	if !p.isName("not") {
		return p.comparison()
	}
	level := p.depth
	defer func() { p.depth = level }()
	p.deeper()
	line := p.next().line
	return &unaryExpr{line, "not", p.not()}
}

func (p *parser) comparison() expr {
	return p.chain(p.sum, func() string {
		if p.isName("not") && p.tokens[p.pos+1].kind == tokenName && p.tokens[p.pos+1].text == "in" {
			p.next()
			p.next()
			return "not in"
		}
		if op := p.takeWord("in"); op != "" {
			return op
		}
		return p.takeOne("==", "!=", "<=", ">=", "<", ">")
	})
}

func (p *parser) sum() expr {
	return p.chain(p.product, func() string { return p.takeOne("+", "-", "~") })
}

func (p *parser) product() expr {
	return p.chain(p.power, func() string { return p.takeOne("*", "//", "/", "%") })
}

func (p *parser) power() expr {
	return p.chain(p.test, func() string { return p.takeOne("**") })
}

// test reads operand is name.
func (p *parser) test() expr {
	level := p.depth
	operand := p.filtered()
	for p.err == nil && p.takeName("is") {
		p.deeper()
		negate := p.takeName("not")
		n := &testExpr{line: p.line(), operand: operand, negate: negate, name: p.name()}
		if p.is("(") {
			p.fail("unsupported arguments of test ", fault.Quote(n.name))
		}
		operand = n
	}
	p.depth = level
	return operand
}

func (p *parser) filtered() expr {
	level := p.depth
	operand := p.sign()
	for p.err == nil && p.take("|") {
		p.deeper()
		operand = &filterExpr{operand, p.filter()}
	}
	p.depth = level
	return operand
}

// filter reads a filter's name and arguments.
func (p *parser) filter() filterCall {
	f := filterCall{line: p.line(), name: p.name()}
	if p.is("(") {
		f.hasArgs = true
		f.args = p.arguments()
	}
	return f
}

func (p *parser) sign() expr {
	if p.token().kind != tokenSign && !p.is("-") && !p.is("+") {
		return p.postfix()
	}
	level := p.depth
	defer func() { p.depth = level }()
	p.deeper()
	t := p.next()
	return &unaryExpr{t.line, t.text, p.sign()}
}

// postfix reads members and calls: a.b[0](x).c.
func (p *parser) postfix() expr {
	level := p.depth
	e := p.primary()
	for p.err == nil {
		p.deeper()
		line := p.line()
		switch {
		case p.take("."):
			e = p.dotted(line, e)
		case p.take("["):
			e = p.subscript(line, e)
		case p.is("("):
			e = &callExpr{line, e, p.arguments()}
		default:
			p.depth = level
			return e
		}
	}
	return e
}

func (p *parser) dotted(line int, object expr) expr {
	switch t := p.token(); t.kind {
	case tokenName:
		p.next()
		return &memberExpr{line, object, &literalExpr{stringValue(t.text)}, true}
	case tokenNumber:
		p.next()
		return &memberExpr{line, object, &literalExpr{numberLiteral(t.text)}, true}
	}
	p.unexpected()
	return object
}

// subscript reads what follows [: an index or start:stop:step.
func (p *parser) subscript(line int, object expr) expr {
	var parts [3]expr
	n := 0
	for ; p.err == nil && !p.is("]"); n++ {
		if n == len(parts) {
			p.unexpected()
			return object
		}
		if !p.is(":") {
			parts[n] = p.expression()
		}
		if !p.take(":") {
			break
		}
	}
	if n == 0 && parts[0] == nil {
		p.unexpected()
	}
	p.expect("]")
	if n == 0 {
		return &memberExpr{line, object, parts[0], false}
	}
	return &sliceExpr{line, object, parts[0], parts[1], parts[2]}
}

func (p *parser) primary() expr {
	switch t := p.token(); t.kind {
	case tokenNumber:
		p.next()
		return &literalExpr{numberLiteral(t.text)}
	case tokenString:
		var text strings.Builder
		for p.token().kind == tokenString { // 'a' 'b' is 'ab'
			text.WriteString(p.next().text)
		}
		return &literalExpr{stringValue(text.String())}
	case tokenName:
		p.next()
		return &nameExpr{t.text}
	case tokenPunctuation:
		switch t.text {
		case "(":
			p.next()
			e := p.sequence()
			p.expect(")")
			return e
		case "[":
			p.next()
			return p.list()
		case "{":
			p.next()
			return p.dict(t.line)
		}
	}
	p.unexpected()
	return &literalExpr{}
}

func (p *parser) list() expr {
	n := &listExpr{}
	for p.err == nil && !p.is("]") {
		n.items = append(n.items, p.expression())
		p.take(",")
	}
	p.expect("]")
	return n
}

func (p *parser) dict(line int) expr {
	n := &dictExpr{line: line}
	for p.err == nil && !p.is("}") {
		n.keys = append(n.keys, p.expression())
		p.expect(":")
		n.values = append(n.values, p.expression())
		p.take(",")
	}
	p.expect("}")
	return n
}

// arguments reads (a, *b, c=d, **e).
func (p *parser) arguments() []argument {
	var list []argument
	var named, spread bool
	p.expect("(")
	for p.err == nil && !p.is(")") {
		a := p.argument()
		switch {
		case a.stars == 2 && !p.is(")"):
			p.fail("** must be the last argument")
		case a.stars == 1 && spread:
			p.fail("* twice in one call")
		case a.stars == 0 && a.name == "" && (named || spread):
			p.fail("positional argument after a named or * argument")
		}
		named = named || a.name != ""
		spread = spread || a.stars == 1
		list = append(list, a)
	}
	p.expect(")")
	return list
}

func (p *parser) argument() argument {
	a := argument{}
	switch {
	case p.take("**"):
		a.stars = 2
	case p.take("*"):
		a.stars = 1
	}
	a.value = p.expression()
	if a.stars == 0 && p.take("=") {
		n, ok := a.value.(*nameExpr)
		if !ok {
			p.fail("only a name can stand before = in a call")
			return a
		}
		a.name, a.value = n.name, p.expression()
	}
	p.take(",")
	return a
}

func numberLiteral(text string) value {
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite, as in JavaScript
	if strings.Contains(text, ".") {
		return floatValue(f)
	}
	return intValue(f)
}
