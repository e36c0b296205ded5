package chat

import (
	"math"

	"pastel/fault"
)

func (n *literalExpr) eval(*run, *scope) value  { return n.value }
func (n *nameExpr) eval(_ *run, s *scope) value { return s.lookup(n.name) }
func (n *filterExpr) eval(r *run, s *scope) value {
	return r.filter(&n.filter, r.eval(n.operand, s), s)
}
func (n *memberExpr) eval(r *run, s *scope) value {
	return r.member(n.line, r.eval(n.object, s), r.eval(n.index, s))
}
func (n *ternaryExpr) eval(r *run, s *scope) value {
	if r.eval(n.cond, s).truth() {
		return r.eval(n.then, s)
	}
	return r.eval(n.otherwise, s)
}

func (n *listExpr) eval(r *run, s *scope) value {
	if !r.makeList(len(n.items)) {
		return undefined
	}
	items := make([]value, len(n.items))
	for i, item := range n.items {
		items[i] = r.eval(item, s)
	}
	v := listValue(items)
	v.list.tuple = n.tuple
	return v
}

func (n *dictExpr) eval(r *run, s *scope) value {
	if !r.makeList(len(n.keys)) {
		return undefined
	}
	d := new(dict)
	for i := range n.keys {
		key := r.eval(n.keys[i], s)
		if key.kind != kindString {
			return r.fail(n.line, "a key of a mapping is ", key.kind, ", not a string")
		}
		d.set(key.str, r.eval(n.values[i], s))
	}
	return dictValue(d)
}

// member is object.name or object[index]. What does not exist is undefined, and
// so is an attribute of undefined.
func (r *run) member(line int, object, index value) value {
	switch {
	case r.stopped():
		return undefined
	case (object.kind == kindList || object.kind == kindString) && index.kind == kindInt:
		return r.item(object, index.num)
	case index.kind != kindString:
		return r.fail(line, "cannot take item ", index.kind, " of ", object.kind)
	case object.hasAttribute():
		if v, ok := object.dict.get(index.str); ok {
			return v
		}
	}
	return r.method(object, index.str)
}

func (r *run) item(object value, at float64) value {
	if math.Abs(at) > 1<<31 {
		return undefined
	}
	i := int(at)
	if object.kind == kindString {
		r.scan(len(object.str))
		if c, ok := unitAt(object.str, i); ok {
			return stringValue(c)
		}
		return undefined
	}
	if i < 0 {
		i += len(object.list.items)
	}
	if i < 0 || i >= len(object.list.items) {
		return undefined
	}
	return object.list.items[i]
}

// eval of a slice follows Python's rules for bounds; a string is sliced by
// characters (code points).
func (n *sliceExpr) eval(r *run, s *scope) value {
	object := r.eval(n.object, s)
	bounds := [3]value{r.eval(n.start, s), r.eval(n.stop, s), r.eval(n.step, s)}
	for _, b := range bounds {
		if b.kind != kindInt && b.kind != kindUndefined {
			return r.fail(n.line, "a bound of a slice is ", b.kind, ", not an integer")
		}
	}
	switch object.kind {
	case kindList:
		return r.slice(object.list.items, bounds)
	case kindString:
		runes := []rune(object.str)
		var out []rune
		if r.make(len(object.str)) {
			eachInSlice(len(runes), bounds, func(i int) { out = append(out, runes[i]) })
		}
		return r.text(string(out))
	}
	return r.fail(n.line, "cannot slice ", object.kind)
}

func (r *run) slice(items []value, bounds [3]value) value {
	if !r.makeList(len(items)) {
		return undefined
	}
	var out []value
	eachInSlice(len(items), bounds, func(i int) { out = append(out, items[i]) })
	return listValue(out)
}

// wholeSlice are the bounds [:].
var wholeSlice = [3]value{undefined, undefined, undefined}

// eachInSlice calls f with the positions of [start:stop:step] in n items.
func eachInSlice(n int, bounds [3]value, f func(i int)) {
	step := bound(bounds[2], 1, n)
	switch {
	case step > 0:
		start, stop := clampBound(bound(bounds[0], 0, n), n, 0, n), clampBound(bound(bounds[1], n, n), n, 0, n)
		for i := start; i < stop; i += step {
			f(i)
		}
	case step < 0:
		start, stop := clampBound(bound(bounds[0], n-1, n), n, -1, n-1), -1
		if bounds[1].kind == kindInt && bounds[1].num != -1 { // a stop of -1 counts as none, as in the definition
			stop = clampBound(bound(bounds[1], 0, n), n, -1, n-1)
		}
		for i := start; i > stop; i += step {
			f(i)
		}
	}
}

// bound is v as an int of which only the range -2n-1..2n+1 matters.
func bound(v value, otherwise, n int) int {
	if v.kind != kindInt {
		return otherwise
	}
	return int(max(-2*float64(n)-1, min(2*float64(n)+1, v.num)))
}

// clampBound counts a negative i from the end and keeps it in low..high.
func clampBound(i, n, low, high int) int {
	if i < 0 {
		return max(i+n, low)
	}
	return min(i, high)
}

func (n *callExpr) eval(r *run, s *scope) value {
	args := r.arguments(n.line, n.args, s)
	callee := r.eval(n.callee, s)
	if callee.kind != kindFunction {
		return r.fail(n.line, "cannot call ", calleeName(n.callee), callee.kind)
	}
	return r.call(n.line, callee, s, args)
}

// calleeName is what an error calls the thing that is no function.
func calleeName(e expr) string {
	switch n := e.(type) {
	case *nameExpr:
		return fault.Quote(n.name) + ": it is "
	case *memberExpr:
		if l, ok := n.index.(*literalExpr); ok && l.value.kind == kindString {
			return fault.Quote(l.value.str) + ": it is "
		}
	}
	return ""
}

func (r *run) call(line int, callee value, s *scope, args arguments) value {
	if callee.kind != kindFunction {
		return r.fail(line, "cannot call ", callee.kind)
	}
	if r.stopped() || !r.enter() {
		return undefined
	}
	v := callee.fn.call(r, s, line, args)
	r.left.Depth++
	return v
}

// arguments evaluates a call's arguments: positional ones and * first, as Python does.
func (r *run) arguments(line int, list []argument, s *scope) arguments {
	var args arguments
	for _, a := range list {
		switch {
		case a.stars == 1:
			v := r.eval(a.value, s)
			if v.kind != kindList {
				r.fail(line, "cannot unpack ", v.kind, " after *")
				return args
			}
			if r.makeList(len(v.list.items)) {
				args.pos = append(args.pos, v.list.items...)
			}
		case a.stars == 0 && a.name == "":
			args.pos = append(args.pos, r.eval(a.value, s))
		}
	}
	for _, a := range list {
		switch {
		case a.stars == 2:
			r.unpackNamed(line, &args, r.eval(a.value, s))
		case a.name != "":
			r.addNamed(line, &args, a.name, r.eval(a.value, s))
		}
	}
	return args
}

func (r *run) unpackNamed(line int, args *arguments, v value) {
	if v.kind != kindDict {
		r.fail(line, "cannot unpack ", v.kind, " after **")
		return
	}
	if r.makeList(v.dict.len()) {
		for i, key := range v.dict.keys {
			r.addNamed(line, args, key, v.dict.values[i])
		}
	}
}

func (r *run) addNamed(line int, args *arguments, name string, v value) {
	if args.named == nil {
		args.named = new(dict)
	}
	if args.named.find(name) >= 0 {
		r.fail(line, "argument ", fault.Quote(name), " twice")
		return
	}
	args.named.set(name, v)
}

func (n *unaryExpr) eval(r *run, s *scope) value {
	v := r.eval(n.operand, s)
	switch {
	case n.op == "not":
		return boolValue(!v.truth())
	case !v.isNumeric():
		return r.fail(n.line, "operator ", n.op, " cannot take ", v.kind)
	}
	out := &cell{kind: v.kind, num: v.num}
	if n.op == "-" {
		out.num = -v.num
	}
	if v.kind == kindBool {
		out.kind = kindInt
	}
	return out
}

func (n *testExpr) eval(r *run, s *scope) value {
	v := r.eval(n.operand, s)
	passed := r.test(n.line, n.name, v, arguments{})
	return boolValue(passed != n.negate)
}

// kindTests are the tests that only look at the kind: a bit per kind that passes.
var kindTests = [...]struct {
	name  string
	kinds uint16
}{
	{"defined", 1<<len(kindNames) - 1 - 1<<kindUndefined},
	{"undefined", 1 << kindUndefined},
	{"none", 1 << kindNone},
	{"boolean", 1 << kindBool},
	{"string", 1 << kindString},
	{"number", 1<<kindInt | 1<<kindFloat},
	{"integer", 1 << kindInt},
	{"iterable", 1<<kindList | 1<<kindString},
	{"sequence", 1<<kindList | 1<<kindString | 1<<kindDict},
	{"mapping", 1 << kindDict},
	{"callable", 1 << kindFunction},
}

// test is v is name. The tests equalto and eq have an argument, when selectattr
// uses them.
func (r *run) test(line int, name string, v value, args arguments) bool {
	for _, t := range kindTests {
		if t.name == name {
			return t.kinds>>v.kind&1 == 1
		}
	}
	switch name {
	case "true", "false":
		return v.kind == kindBool && v.truth() == (name == "true")
	case "odd", "even":
		if v.kind != kindInt {
			r.fail(line, "test ", fault.Quote(name), " cannot take ", v.kind)
		}
		return (math.Mod(v.num, 2) != 0) == (name == "odd")
	case "lower":
		return v.kind == kindString && r.make(len(v.str)) && lower(v.str) == v.str
	case "upper":
		return v.kind == kindString && r.make(len(v.str)) && upper(v.str) == v.str
	case "equalto", "eq":
		if len(args.pos) == 0 {
			r.fail(line, "test ", fault.Quote(name), " needs an argument")
			return false
		}
		return same(v, args.pos[0])
	}
	r.fail(line, "unsupported test ", fault.Quote(name))
	return false
}
