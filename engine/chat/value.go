package chat

import (
	"math"

	"pastel/engine/jsonvalue"
)

// A kind is the type of a value inside a template.
type kind uint8

const (
	kindUndefined kind = iota
	kindNone
	kindBool
	kindInt // numbers are float64 as in JavaScript; an integer is one that prints without point
	kindFloat
	kindString
	kindList
	kindDict
	kindNamespace // a dict whose attributes set may assign
	kindFunction
)

var kindNames = [...]string{"undefined", "none", "a boolean", "an integer", "a float", "a string", "a list", "a mapping", "a namespace", "a function"}

func (k kind) String() string { return kindNames[k] }

// A value is a value inside a template, never nil. Values are shared: only the
// dict of a namespace changes after it is made. (One pointer and not a struct of
// seven words: this halves the package's code in WebAssembly.)
type value = *cell

type cell struct {
	kind kind
	num  float64 // numbers; a boolean is 0 or 1
	str  string
	list *list
	dict *dict
	fn   *function
}

type list struct {
	items []value
	tuple bool // written (a, b); it prints as nothing else we have
}

// A function is called with the scope of its call, because macros see their
// caller's variables.
type function struct {
	call func(r *run, s *scope, line int, args arguments) value
}

// arguments are evaluated; named may be nil.
type arguments struct {
	pos   []value
	named *dict
}

// get returns argument i or, if there are fewer, the one called name.
func (a arguments) get(i int, name string) value {
	if i < len(a.pos) {
		return a.pos[i]
	}
	v, _ := a.named.get(name)
	return v
}

var (
	undefined  = &cell{}
	noneValue  = &cell{kind: kindNone}
	trueValue  = &cell{kind: kindBool, num: 1}
	falseValue = &cell{kind: kindBool}
)

func boolValue(b bool) value {
	if b {
		return trueValue
	}
	return falseValue
}

func intValue(f float64) value     { return &cell{kind: kindInt, num: f} }
func floatValue(f float64) value   { return &cell{kind: kindFloat, num: f} }
func stringValue(s string) value   { return &cell{kind: kindString, str: s} }
func listValue(vs []value) value   { return &cell{kind: kindList, list: &list{items: vs}} }
func dictValue(d *dict) value      { return &cell{kind: kindDict, dict: d} }
func countValue(n int) value       { return intValue(float64(n)) }
func (v *cell) isNumber() bool     { return v.kind == kindInt || v.kind == kindFloat }
func (v *cell) isNumeric() bool    { return v.kind == kindBool || v.isNumber() }
func (v *cell) hasAttribute() bool { return v.kind == kindDict || v.kind == kindNamespace }

// nullish is what JavaScript calls null and undefined.
func (v *cell) nullish() bool { return v.kind == kindUndefined || v.kind == kindNone }

// truth is Python's: empty is false.
func (v *cell) truth() bool {
	switch v.kind {
	case kindUndefined, kindNone:
		return false
	case kindBool, kindInt, kindFloat:
		return v.num != 0 && !math.IsNaN(v.num)
	case kindString:
		return v.str != ""
	case kindList:
		return len(v.list.items) > 0
	case kindDict:
		return v.dict.len() > 0
	}
	return true
}

// same is JavaScript's ===: lists and dicts are equal only to themselves.
func same(a, b value) bool {
	if a.isNumber() && b.isNumber() {
		return a.num == b.num
	}
	return a.kind == b.kind && a.num == b.num && a.str == b.str && a.list == b.list && a.dict == b.dict && a.fn == b.fn
}

// fromJSON turns what a caller passes into values. 1.0 is an integer, as in JavaScript.
func fromJSON(v jsonvalue.Value) value {
	switch v.Kind() {
	case jsonvalue.KindBool:
		b, _ := v.Bool()
		return boolValue(b)
	case jsonvalue.KindInt, jsonvalue.KindFloat:
		f, _ := v.Float()
		if f == math.Trunc(f) && !math.IsInf(f, 0) {
			return intValue(f)
		}
		return floatValue(f)
	case jsonvalue.KindString:
		s, _ := v.String()
		return stringValue(s)
	case jsonvalue.KindArray:
		from, _ := v.Array()
		items := make([]value, len(from))
		for i := range from {
			items[i] = fromJSON(from[i])
		}
		return listValue(items)
	case jsonvalue.KindObject:
		members, _ := v.Object()
		d := new(dict)
		for _, m := range members {
			d.set(m.Key, fromJSON(m.Value))
		}
		return dictValue(d)
	}
	return noneValue
}

// A dict maps strings to values and keeps their order. A nil dict is empty.
type dict struct {
	keys   []string
	values []value
	index  map[string]int // nil while a linear search is faster
}

const indexFrom = 12

func (d *dict) len() int {
	if d == nil {
		return 0
	}
	return len(d.keys)
}

func (d *dict) find(key string) int {
	if d == nil {
		return -1
	}
	if d.index != nil {
		if i, ok := d.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range d.keys {
		if d.keys[i] == key {
			return i
		}
	}
	return -1
}

func (d *dict) get(key string) (value, bool) {
	if i := d.find(key); i >= 0 {
		return d.values[i], true
	}
	return undefined, false
}

func (d *dict) set(key string, v value) {
	if i := d.find(key); i >= 0 {
		d.values[i] = v
		return
	}
	d.keys = append(d.keys, key)
	d.values = append(d.values, v)
	switch n := len(d.keys); {
	case d.index != nil:
		d.index[key] = n - 1
	case n == indexFrom:
		d.index = make(map[string]int, 2*n)
		for i, k := range d.keys {
			d.index[k] = i
		}
	}
}

// A scope is a set of variables inside another one.
type scope struct {
	dict
	parent *scope
}

func (s *scope) lookup(name string) value {
	for ; s != nil; s = s.parent {
		if v, ok := s.get(name); ok {
			return v
		}
	}
	return undefined
}
