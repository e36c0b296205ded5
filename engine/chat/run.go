package chat

import (
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// Render runs the template with the members of the object ctx as its variables
// and returns the text. date is what strftime_now sees; without one (zero) that
// function does not exist, and templates that ask for it take their own default.
//
// Errors: fault.Template, also for what the template itself raises.
func (t *Template) Render(ctx jsonvalue.Value, date Date, limits Limits) (string, error) {
	members, ok := ctx.Object()
	if !ok && !ctx.IsNull() {
		return "", fault.New(fault.Template, "chat: context is ", ctx.Kind(), ", not an object")
	}
	limits = limits.filled()
	r := &run{limits: limits, left: limits, date: date}
	r.globals = r.builtins()
	for _, m := range members {
		if _, taken := r.globals.get(m.Key); taken {
			return "", fault.New(fault.Template, "chat: context redefines ", fault.Quote(m.Key))
		}
		r.globals.set(m.Key, fromJSON(m.Value))
	}
	r.block(t.body, r.globals)
	if r.err == nil && r.flow != flowNone {
		r.err = fault.New(fault.Template, "chat: break or continue outside a loop")
	}
	if r.err != nil {
		return "", r.err
	}
	return string(r.out), nil
}

// block runs statements until one stops the run.
func (r *run) block(body []stmt, s *scope) {
	if !r.enter() {
		return
	}
	for _, n := range body {
		if r.stopped() || !r.spend(1) {
			break
		}
		n.exec(r, s)
	}
	r.left.Depth++
}

// enter counts a level of the stack; the caller gives it back.
func (r *run) enter() bool {
	if r.left.Depth <= 0 {
		r.exceed(r.limits.Depth, "levels of nesting")
		return false
	}
	r.left.Depth--
	return true
}

// eval computes e; nil is undefined.
func (r *run) eval(e expr, s *scope) value {
	if e == nil || r.stopped() || !r.spend(1) || !r.enter() {
		return undefined
	}
	v := e.eval(r, s)
	r.left.Depth++
	return v
}

// capture runs body and returns what it wrote as a string.
func (r *run) capture(body []stmt, s *scope) value {
	start := len(r.out)
	r.block(body, s)
	text := string(r.out[start:])
	r.out = r.out[:start]
	return r.text(text)
}

func (n *textStmt) exec(r *run, _ *scope) { r.write(n.text) }

func (n *printStmt) exec(r *run, s *scope) {
	if v := r.eval(n.value, s); !v.nullish() {
		r.write(r.display(n.line, v))
	}
}

func (n *ifStmt) exec(r *run, s *scope) {
	for _, b := range n.branches {
		if r.eval(b.cond, s).truth() {
			r.block(b.body, s)
			return
		}
		if r.stopped() {
			return
		}
	}
	r.block(n.otherwise, s)
}

// exec runs the body once per item. All iterations share one scope, so what one
// sets the next one sees; nothing of it is seen after the loop. The part of the
// output an iteration wrote before break or continue is dropped.
func (n *forStmt) exec(r *run, s *scope) {
	inner := &scope{parent: s}
	items := n.selected(r, inner)
	finished := false
	for i := range items {
		if r.stopped() || !r.spend(8) { // what making the variable loop costs
			return
		}
		inner.set("loop", loopValue(items, i))
		n.target.unpackInto(r, n.line, inner, items[i])
		start := len(r.out)
		r.block(n.body, inner)
		if flow := r.flow; flow != flowNone && r.err == nil {
			r.flow = flowNone
			r.out = r.out[:start]
			if flow == flowBreak {
				break
			}
			continue
		}
		finished = true
	}
	if !finished {
		r.block(n.empty, inner)
	}
}

// selected returns the items of the loop that pass its condition.
func (n *forStmt) selected(r *run, s *scope) []value {
	items := r.iterate(n.line, r.eval(n.items, s))
	if n.cond == nil {
		return items
	}
	var kept []value
	for _, item := range items {
		one := &scope{parent: s}
		n.target.unpackInto(r, n.line, one, item)
		if r.eval(n.cond, one).truth() && r.makeList(1) {
			kept = append(kept, item)
		}
		if r.stopped() {
			return nil
		}
	}
	return kept
}

// iterate returns what a loop over v goes through: items, or keys.
func (r *run) iterate(line int, v value) []value {
	switch v.kind {
	case kindList:
		return v.list.items
	case kindDict:
		return r.keyList(v.dict)
	}
	r.fail(line, "cannot loop over ", v.kind)
	return nil
}

// loopValue is the variable loop in iteration i.
func loopValue(items []value, i int) value {
	n := len(items)
	d := &dict{
		keys: []string{"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"},
		values: []value{countValue(i + 1), countValue(i), countValue(n - i), countValue(n - i - 1),
			boolValue(i == 0), boolValue(i == n-1), countValue(n), undefined, undefined},
	}
	if i > 0 {
		d.values[7] = items[i-1]
	}
	if i < n-1 {
		d.values[8] = items[i+1]
	}
	return dictValue(d)
}

// unpackInto sets the names of t in s.
func (t *target) unpackInto(r *run, line int, s *scope, v value) {
	if !t.unpack {
		s.set(t.names[0], v)
		return
	}
	if v.kind != kindList || len(v.list.items) != len(t.names) {
		r.fail(line, "cannot unpack ", v.kind, " into ", len(t.names), " names")
		return
	}
	for i, name := range t.names {
		s.set(name, v.list.items[i])
	}
}

func (n *setStmt) exec(r *run, s *scope) {
	v := r.eval(n.value, s)
	if n.value == nil {
		v = r.capture(n.body, s)
	}
	if r.stopped() || !r.make(valueBytes) {
		return
	}
	if n.target.member == nil {
		n.target.unpackInto(r, n.line, s, v)
		return
	}
	object := r.eval(n.target.member.object, s)
	if object.kind != kindNamespace {
		r.fail(n.line, "cannot set an attribute of ", object.kind, ", only of a namespace")
		return
	}
	object.dict.set(n.target.member.index.(*literalExpr).value.str, v)
}

func (n *filterStmt) exec(r *run, s *scope) {
	v := r.capture(n.body, s)
	if v = r.filter(&n.filter, v, s); !v.nullish() {
		r.write(r.display(n.filter.line, v))
	}
}

func (n *flowStmt) exec(r *run, _ *scope) {
	if !r.stopped() {
		r.flow = n.flow
	}
}
