package chat

import "pastel/fault"

func (n *macroStmt) exec(_ *run, s *scope) {
	s.set(n.name, &cell{kind: kindFunction, fn: &function{call: func(r *run, caller *scope, line int, args arguments) value {
		return n.macro.call(r, line, n.name, args, &scope{parent: caller})
	}}})
}

// exec calls a macro with the body of the block as its caller().
func (n *callStmt) exec(r *run, s *scope) {
	args := r.arguments(n.call.line, n.call.args, s)
	callee := r.eval(n.call.callee, s)
	inner := &scope{parent: s}
	inner.set("caller", &cell{kind: kindFunction, fn: &function{call: func(r *run, _ *scope, line int, args arguments) value {
		return n.macro.call(r, line, "caller", args, &scope{parent: s})
	}}})
	if v := r.call(n.call.line, callee, inner, args); !v.nullish() {
		r.write(r.display(n.call.line, v))
	}
}

// call binds the arguments in s, a fresh scope, and returns the text of the body.
func (m *macro) call(r *run, line int, name string, args arguments, s *scope) value {
	m.bind(r, line, name, args, s)
	return r.capture(m.body, s)
}

// bind sets every parameter before it computes defaults, so that a default
// cannot see a variable of the caller under a parameter's name.
func (m *macro) bind(r *run, line int, name string, args arguments, s *scope) {
	surplus := new(dict)
	if args.named != nil {
		for i, key := range args.named.keys {
			if at := m.param(key); at < 0 || at < len(args.pos) {
				surplus.set(key, args.named.values[i])
			}
		}
	}
	for i, p := range m.params {
		s.set(p.name, args.get(i, p.name))
	}
	if m.kwargs {
		s.set("kwargs", dictValue(surplus))
	} else if surplus.len() > 0 {
		r.fail(line, "macro ", fault.Quote(name), " takes no argument ", fault.Quote(surplus.keys[0]))
	}
	n := len(m.params)
	if m.varargs {
		s.set("varargs", listValue(args.pos[min(n, len(args.pos)):]))
	} else if len(args.pos) > n {
		r.fail(line, "macro ", fault.Quote(name), " takes ", n, " arguments, not ", len(args.pos))
	}
	for i, p := range m.params {
		if _, given := args.named.get(p.name); p.missing != nil && i >= len(args.pos) && !given {
			s.set(p.name, r.eval(p.missing, s))
		}
	}
}

func (m *macro) param(name string) int {
	for i, p := range m.params {
		if p.name == name {
			return i
		}
	}
	return -1
}

// findSpecial decides whether the body reads kwargs or varargs before it
// declares a variable of that name, in the order Jinja's compiler walks.
func (m *macro) findSpecial() {
	w := specialWalk{declared: map[string]bool{}, read: map[string]bool{}}
	for _, p := range m.params {
		w.declared[p.name] = true
	}
	w.body(m.body)
	m.kwargs, m.varargs = w.read["kwargs"], w.read["varargs"]
}

type specialWalk struct{ declared, read map[string]bool }

func (w *specialWalk) target(t target) {
	for _, name := range t.names {
		w.declared[name] = true
	}
}

func (w *specialWalk) macro(m *macro) {
	for _, p := range m.params {
		w.declared[p.name] = true
	}
	for _, p := range m.params {
		w.expr(p.missing)
	}
	w.body(m.body)
}

func (w *specialWalk) body(list []stmt) {
	for _, n := range list {
		switch n := n.(type) {
		case *printStmt:
			w.expr(n.value)
		case *ifStmt:
			for _, b := range n.branches {
				w.expr(b.cond)
				w.body(b.body)
			}
			w.body(n.otherwise)
		case *forStmt:
			w.target(n.target)
			w.expr(n.items)
			w.body(n.body)
			w.body(n.empty)
			w.expr(n.cond)
		case *setStmt:
			w.target(n.target)
			w.expr(n.value)
			w.body(n.body)
		case *macroStmt:
			w.macro(&n.macro)
		case *callStmt:
			w.expr(&n.call)
			w.macro(&n.macro)
		case *filterStmt:
			w.body(n.body)
			w.args(n.filter.args)
		}
	}
}

func (w *specialWalk) args(args []argument) {
	for _, a := range args {
		w.expr(a.value)
	}
}

func (w *specialWalk) expr(e expr) {
	switch n := e.(type) {
	case *nameExpr:
		if !w.declared[n.name] {
			w.read[n.name] = true
		}
	case *listExpr:
		for _, item := range n.items {
			w.expr(item)
		}
	case *dictExpr:
		for i := range n.keys {
			w.expr(n.keys[i])
			w.expr(n.values[i])
		}
	case *memberExpr:
		w.expr(n.object)
		w.expr(n.index)
	case *sliceExpr:
		w.expr(n.object)
		w.expr(n.start)
		w.expr(n.stop)
		w.expr(n.step)
	case *callExpr:
		w.expr(n.callee)
		w.args(n.args)
	case *filterExpr:
		w.expr(n.operand)
		w.args(n.filter.args)
	case *testExpr:
		w.expr(n.operand)
	case *unaryExpr:
		w.expr(n.operand)
	case *binaryExpr:
		w.expr(n.left)
		w.expr(n.right)
	case *ternaryExpr:
		w.expr(n.cond)
		w.expr(n.then)
		w.expr(n.otherwise)
	}
}
