package chat

import "pastel/fault"

// statement reads what follows {%.
func (p *parser) statement() stmt {
	line := p.line()
	switch name := p.name(); name {
	case "if":
		return p.ifStatement()
	case "for":
		return p.forStatement(line)
	case "set":
		return p.setStatement(line)
	case "macro":
		return p.macroStatement(line)
	case "call":
		return p.callStatement(line)
	case "filter":
		f := p.filter()
		p.expectKind(tokenCloseStmt)
		body := p.body("endfilter")
		p.end("endfilter")
		return &filterStmt{f, body}
	case "break":
		p.expectKind(tokenCloseStmt)
		return &flowStmt{flowBreak}
	case "continue":
		p.expectKind(tokenCloseStmt)
		return &flowStmt{flowContinue}
	default:
		if p.err == nil {
			p.err = errorAt(line, "unsupported statement ", fault.Quote(name))
		}
		p.fail()
	}
	return &textStmt{}
}

func (p *parser) ifStatement() stmt {
	n := &ifStmt{}
	for more := true; more && p.err == nil; {
		cond := p.expression()
		p.expectKind(tokenCloseStmt)
		n.branches = append(n.branches, branch{cond, p.body("elif", "else", "endif")})
		if more = p.atTag([]string{"elif"}); more {
			p.next()
			p.next()
		}
	}
	if p.atTag([]string{"else"}) {
		p.end("else")
		n.otherwise = p.body("endif")
	}
	p.end("endif")
	return n
}

func (p *parser) forStatement(line int) stmt {
	n := &forStmt{line: line, target: p.loopTarget()}
	if !p.takeName("in") {
		p.unexpected()
	}
	n.items = p.expression()
	if t, ok := n.items.(*ternaryExpr); ok && t.otherwise == nil { // for x in list if cond
		n.items, n.cond = t.then, t.cond
	}
	p.expectKind(tokenCloseStmt)
	n.body = p.body("endfor", "else")
	if p.atTag([]string{"else"}) {
		p.end("else")
		n.empty = p.body("endfor")
	}
	p.end("endfor")
	return n
}

// loopTarget reads a, b or (a, b).
func (p *parser) loopTarget() target {
	parens := p.take("(")
	t := target{names: []string{p.name()}}
	for p.take(",") {
		t.unpack = true
		t.names = append(t.names, p.name())
	}
	if parens {
		p.expect(")")
	}
	return t
}

func (p *parser) setStatement(line int) stmt {
	n := &setStmt{line: line, target: p.setTarget()}
	if p.take("=") {
		n.value = p.sequence()
		p.expectKind(tokenCloseStmt)
		return n
	}
	p.expectKind(tokenCloseStmt)
	n.body = p.body("endset")
	p.end("endset")
	return n
}

// setTarget reads a name, names to unpack into, or an attribute.
func (p *parser) setTarget() target {
	switch left := p.sequence().(type) {
	case *nameExpr:
		return target{names: []string{left.name}}
	case *memberExpr:
		if left.dotted {
			return target{member: left}
		}
	case *listExpr:
		t := target{unpack: true}
		for _, item := range left.items {
			n, ok := item.(*nameExpr)
			if !ok {
				break
			}
			t.names = append(t.names, n.name)
		}
		if len(t.names) == len(left.items) {
			return t
		}
	}
	p.fail("set can assign to a name, to several names or to an attribute only")
	return target{}
}

func (p *parser) macroStatement(line int) stmt {
	n := &macroStmt{line: line, name: p.name()}
	n.macro.params = p.params()
	p.expectKind(tokenCloseStmt)
	n.macro.body = p.body("endmacro")
	p.end("endmacro")
	n.macro.findSpecial()
	return n
}

func (p *parser) callStatement(line int) stmt {
	n := &callStmt{}
	if p.is("(") {
		n.macro.params = p.params()
	}
	n.call = callExpr{line: line, callee: &nameExpr{p.name()}, args: p.arguments()}
	p.expectKind(tokenCloseStmt)
	n.macro.body = p.body("endcall")
	p.end("endcall")
	n.macro.findSpecial()
	return n
}

// params reads a macro's (a, b=1).
func (p *parser) params() []param {
	var list []param
	p.expect("(")
	for p.err == nil && !p.is(")") {
		q := param{name: p.name()}
		for _, before := range list {
			if before.name == q.name {
				p.fail("parameter ", fault.Quote(q.name), " twice")
			}
		}
		if p.take("=") {
			q.missing = p.expression()
		} else if len(list) > 0 && list[len(list)-1].missing != nil {
			p.fail("parameter ", fault.Quote(q.name), " without default follows one with")
		}
		list = append(list, q)
		p.take(",")
	}
	p.expect(")")
	return list
}
