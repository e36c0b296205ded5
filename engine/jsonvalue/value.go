package jsonvalue

import "math"

// A Kind says which of JSON's types a Value is.
type Kind uint8

// What a Value may be; numbers are two kinds, so that an int64 stays exact.
const (
	KindNull Kind = iota
	KindBool
	KindInt   // a number without point or exponent that fits an int64
	KindFloat // every other number
	KindString
	KindArray
	KindObject
)

var kindNames = [...]string{"null", "bool", "integer", "number", "string", "array", "object"}

func (k Kind) String() string { return kindNames[k] }

// A Value is one JSON value. The zero Value is null. Values are immutable once
// made (callers must not write to what Array and Object return), so several
// goroutines may share one.
type Value struct {
	kind Kind
	num  uint64 // bool, int64 or float64 bits
	str  string
	list []Value
	obj  *object
}

// A Member is one key of an object with its value.
type Member struct {
	Key   string
	Value Value
}

// object keeps members in the order of the text; index is nil while a linear
// search is faster.
type object struct {
	members []Member
	index   map[string]int
}

// indexFrom is the number of members at which an object gets a map. Linear
// search over short keys wins below about ten.
const indexFrom = 12

// OfBool returns true or false.
func OfBool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// OfInt returns an integer.
func OfInt(i int64) Value { return Value{kind: KindInt, num: uint64(i)} }

// OfFloat returns a number. NaN and infinities are allowed here and written as
// null, as JavaScript does.
func OfFloat(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// OfString returns a string.
func OfString(s string) Value { return Value{kind: KindString, str: s} }

// OfArray returns an array that owns list.
func OfArray(list []Value) Value { return Value{kind: KindArray, list: list} }

// OfObject returns an object that owns members. Of equal keys the last value
// wins, at the place of the first.
func OfObject(members []Member) Value {
	o := &object{members: make([]Member, 0, len(members))}
	for _, m := range members {
		o.set(m)
	}
	return Value{kind: KindObject, obj: o}
}

// set adds m, or replaces the value under an equal key and reports true.
func (o *object) set(m Member) (replaced bool) {
	if i := o.find(m.Key); i >= 0 {
		o.members[i].Value = m.Value
		return true
	}
	o.members = append(o.members, m)
	switch n := len(o.members); {
	case o.index != nil:
		o.index[m.Key] = n - 1
	case n == indexFrom:
		o.index = make(map[string]int, 2*n)
		for i := range o.members {
			o.index[o.members[i].Key] = i
		}
	}
	return false
}

// find returns the position of key, or -1.
func (o *object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].Key == key {
			return i
		}
	}
	return -1
}

// Kind returns v's kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Get returns the value under key, or null and false if v is no object or has
// no such key.
func (v Value) Get(key string) (Value, bool) {
	if v.obj == nil {
		return Value{}, false
	}
	if i := v.obj.find(key); i >= 0 {
		return v.obj.members[i].Value, true
	}
	return Value{}, false
}

// Bool returns v if it is true or false.
func (v Value) Bool() (b, ok bool) { return v.num == 1, v.kind == KindBool }

// Int returns v if it is a number whose value is exactly an int64: 1, and also 1.0 and 1e3.
func (v Value) Int() (int64, bool) {
	switch v.kind {
	case KindInt:
		return int64(v.num), true
	case KindFloat:
		f := math.Float64frombits(v.num)
		if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
			return int64(f), true
		}
	}
	return 0, false
}

// Float returns v if it is a number; an integer above 2^53 is rounded.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case KindInt:
		return float64(int64(v.num)), true
	case KindFloat:
		return math.Float64frombits(v.num), true
	}
	return 0, false
}

// String returns v if it is a string.
func (v Value) String() (string, bool) { return v.str, v.kind == KindString }

// Array returns v's elements if it is an array. The slice is v's own.
func (v Value) Array() ([]Value, bool) { return v.list, v.kind == KindArray }

// Object returns v's members, in the order of the text, if it is an object. The
// slice is v's own.
func (v Value) Object() ([]Member, bool) {
	if v.obj == nil {
		return nil, false
	}
	return v.obj.members, true
}

// Equal reports whether v and w are the same JSON value: numbers by value (1 =
// 1.0), objects whatever their order.
func (v Value) Equal(w Value) bool {
	switch v.kind {
	case KindInt, KindFloat:
		return equalNumbers(v, w)
	case KindArray:
		return w.kind == KindArray && equalLists(v.list, w.list)
	case KindObject:
		return w.kind == KindObject && equalObjects(v.obj, w)
	}
	return v.kind == w.kind && v.num == w.num && v.str == w.str
}

func equalNumbers(v, w Value) bool {
	a, aInt := v.Int()
	b, bInt := w.Int()
	if aInt && bInt {
		return a == b
	}
	x, _ := v.Float()
	y, ok := w.Float()
	return ok && aInt == bInt && x == y
}

func equalLists(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

func equalObjects(o *object, w Value) bool {
	if len(o.members) != len(w.obj.members) {
		return false
	}
	for _, m := range o.members {
		x, ok := w.Get(m.Key)
		if !ok || !m.Value.Equal(x) {
			return false
		}
	}
	return true
}
