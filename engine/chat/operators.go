package chat

import (
	"math"
	"strings"
)

func (n *binaryExpr) eval(r *run, s *scope) value {
	a := r.eval(n.left, s)
	switch n.op {
	case "and":
		if a.truth() {
			return r.eval(n.right, s)
		}
		return a
	case "or":
		if a.truth() {
			return a
		}
		return r.eval(n.right, s)
	}
	b := r.eval(n.right, s)
	if r.stopped() {
		return undefined
	}
	switch n.op {
	case "==":
		return boolValue(r.equal(n.line, a, b))
	case "!=":
		return boolValue(!r.equal(n.line, a, b))
	case "in", "not in":
		return r.contains(n, a, b)
	}
	if a.nullish() || b.nullish() {
		return n.wrong(r, a, b)
	}
	return n.arithmetic(r, a, b)
}

func (n *binaryExpr) wrong(r *run, a, b value) value {
	return r.fail(n.line, "operator ", n.op, " cannot take ", a.kind, " and ", b.kind)
}

// arithmetic is every operator on two values that both exist.
func (n *binaryExpr) arithmetic(r *run, a, b value) value {
	switch {
	case n.op == "~":
		return r.concat(n.line, a, b)
	case n.op == "**" && a.isNumeric() && b.isNumeric():
		return n.power(r, a, b)
	case a.isNumber() && b.isNumber():
		return n.numbers(r, a, b)
	case n.op == "+" && a.kind == kindList && b.kind == kindList:
		if !r.makeList(len(a.list.items) + len(b.list.items)) {
			return undefined
		}
		return listValue(append(append([]value(nil), a.list.items...), b.list.items...))
	case n.op == "+" && (a.kind == kindString || b.kind == kindString):
		return r.concat(n.line, a, b)
	}
	return n.wrong(r, a, b)
}

func (r *run) concat(line int, a, b value) value {
	x, y := r.raw(line, a), r.raw(line, b)
	if !r.make(len(x) + len(y)) {
		return undefined
	}
	return stringValue(x + y)
}

func (n *binaryExpr) power(r *run, a, b value) value {
	f := math.Pow(a.num, b.num)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return r.fail(n.line, "result of ** is no finite real number")
	}
	if a.kind == kindFloat || b.kind == kindFloat || b.num < 0 {
		return floatValue(f)
	}
	return intValue(f)
}

func (n *binaryExpr) numbers(r *run, a, b value) value {
	x, y := a.num, b.num
	var f float64
	switch n.op {
	case "<":
		return boolValue(x < y)
	case ">":
		return boolValue(x > y)
	case "<=":
		return boolValue(x <= y)
	case ">=":
		return boolValue(x >= y)
	case "/":
		return floatValue(x / y)
	case "+":
		f = x + y
	case "-":
		f = x - y
	case "*":
		f = x * y
	case "//":
		f = math.Floor(x / y)
	case "%":
		f = math.Mod(x, y) // the sign of x, unlike Python
	default:
		return n.wrong(r, a, b)
	}
	if a.kind == kindFloat || b.kind == kindFloat {
		return floatValue(f)
	}
	return intValue(f)
}

// contains is a in b, and a not in b. Nothing is in undefined.
func (r *run) contains(n *binaryExpr, a, b value) value {
	found := false
	switch {
	case b.kind == kindUndefined:
	case a.nullish() || a.kind == kindList && b.kind == kindList:
		return n.wrong(r, a, b)
	case b.kind == kindList:
		for _, item := range b.list.items {
			if !r.spend(1) {
				return undefined
			}
			if same(a, item) {
				found = true
				break
			}
		}
	case a.kind == kindString && b.kind == kindString:
		found = r.scan(len(b.str)) && strings.Contains(b.str, a.str)
	case a.kind == kindString && b.kind == kindDict:
		found = b.dict.find(a.str) >= 0
	default:
		return n.wrong(r, a, b)
	}
	return boolValue(found == (n.op == "in"))
}

// equal is JavaScript's == on the plain values: none equals undefined, 1 equals
// '1' and true, lists and dicts equal only themselves or their text.
//
// Source: ECMA-262, IsLooselyEqual.
func (r *run) equal(line int, a, b value) bool {
	aRef, bRef := a.kind >= kindList, b.kind >= kindList
	switch {
	case a.nullish() || b.nullish():
		return a.nullish() && b.nullish()
	case aRef && bRef:
		return a.list == b.list && a.dict == b.dict && a.fn == b.fn
	case aRef:
		return r.equal(line, stringValue(r.raw(line, a)), b)
	case bRef:
		return r.equal(line, a, stringValue(r.raw(line, b)))
	case a.kind == kindString && b.kind == kindString:
		return r.scan(min(len(a.str), len(b.str))) && a.str == b.str
	}
	return number(a) == number(b)
}

func number(v value) float64 {
	if v.kind == kindString {
		return toNumber(v.str)
	}
	return v.num
}

// display is how a value prints.
func (r *run) display(line int, v value) string {
	switch v.kind {
	case kindUndefined, kindNone: // the reference keeps nothing in its none
		return "undefined"
	case kindBool:
		if v.num == 1 {
			return "true"
		}
		return "false"
	case kindInt:
		return numberText(v.num)
	case kindFloat:
		return floatText(v.num)
	case kindString:
		return v.str
	case kindFunction:
		r.fail(line, "cannot print a function")
		return ""
	}
	return r.toJSON(line, v, dumps)
}

// raw is how a value looks when + or ~ joins it to a string: a float without
// needless point, a list as its items between commas.
func (r *run) raw(line int, v value) string {
	switch v.kind {
	case kindFloat:
		return numberText(v.num)
	case kindDict, kindNamespace:
		return "[object Map]"
	case kindList:
		parts := make([]string, 0, min(len(v.list.items), 1024))
		for _, item := range v.list.items {
			text := r.display(line, item)
			if !r.make(len(text) + valueBytes) {
				return ""
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ",")
	}
	return r.display(line, v)
}
