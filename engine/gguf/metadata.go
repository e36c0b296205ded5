package gguf

import (
	"math"

	"pastel/fault"
)

// Metadata is an ordered set of typed key–value pairs. The zero value is empty
// and ready. Getters may run concurrently; Set may not.
//
// Every getter returns the default (or nil) for an absent key, and an error of
// code ERR_BAD_FILE for a value of another type.
type Metadata struct {
	keys   []string
	values []value
	index  map[string]int
}

// Keys returns the keys in the order of the file. The caller must not change it.
func (m *Metadata) Keys() []string { return m.keys }

// Has reports whether key is present.
func (m *Metadata) Has(key string) bool { return m.find(key) != nil }

// IsArray reports whether key is present and an array.
func (m *Metadata) IsArray(key string) bool {
	v := m.find(key)
	return v != nil && v.kind == kindArray
}

// Uint returns a non-negative integer of any width.
func (m *Metadata) Uint(key string, def uint64) (uint64, error) {
	v := m.find(key)
	if v == nil {
		return def, nil
	}
	if v.kind == kindUint64 {
		return v.bits, nil
	}
	x, ok := v.signed()
	if !ok {
		return 0, wrongType(key, v, "an unsigned integer")
	}
	if x < 0 {
		return 0, fault.New(fault.BadFile, "gguf: key ", fault.Quote(key), ": ", x, " is negative")
	}
	return uint64(x), nil
}

// Int returns an integer of any width and signedness.
func (m *Metadata) Int(key string, def int64) (int64, error) {
	v := m.find(key)
	if v == nil {
		return def, nil
	}
	if x, ok := v.signed(); ok {
		return x, nil
	}
	return 0, wrongType(key, v, "an integer")
}

// Float returns an f32 or f64.
func (m *Metadata) Float(key string, def float64) (float64, error) {
	v := m.find(key)
	if v == nil {
		return def, nil
	}
	if x, ok := v.float(); ok {
		return x, nil
	}
	return 0, wrongType(key, v, "a float")
}

// Bool returns a bool.
func (m *Metadata) Bool(key string, def bool) (bool, error) {
	v := m.find(key)
	if v == nil {
		return def, nil
	}
	if v.kind != kindBool {
		return false, wrongType(key, v, "a bool")
	}
	return v.bits != 0, nil
}

// String returns a string. It need not be valid UTF-8.
func (m *Metadata) String(key string, def string) (string, error) {
	v := m.find(key)
	if v == nil {
		return def, nil
	}
	if v.kind != kindString {
		return "", wrongType(key, v, "a string")
	}
	return v.text, nil
}

// Strings returns an array of strings, nil when absent. The strings share one
// backing text; the slice is the caller's.
func (m *Metadata) Strings(key string) ([]string, error) {
	v, err := m.array(key, "strings", func(k kind) bool { return k == kindString })
	if v == nil {
		return nil, err
	}
	out := make([]string, v.n)
	for i := range out {
		out[i] = v.str(i)
	}
	return out, nil
}

// Floats returns an array of f32 (or f64, rounded), nil when absent.
func (m *Metadata) Floats(key string) ([]float32, error) {
	v, err := m.array(key, "floats", func(k kind) bool { return k == kindFloat32 || k == kindFloat64 })
	if v == nil {
		return nil, err
	}
	out := make([]float32, v.n)
	for i := range out {
		e := v.at(i)
		x, _ := e.float()
		out[i] = float32(x)
	}
	return out, nil
}

// Ints returns an array of integers of any width whose values fit an int32, nil
// when absent.
func (m *Metadata) Ints(key string) ([]int32, error) {
	v, err := m.array(key, "integers", isInteger)
	if v == nil {
		return nil, err
	}
	out := make([]int32, v.n)
	for i := range out {
		e := v.at(i)
		x, ok := e.signed()
		if !ok || x < math.MinInt32 || x > math.MaxInt32 {
			return nil, fault.New(fault.BadFile, "gguf: key ", fault.Quote(key), ": element ", i, " does not fit 32 bits")
		}
		out[i] = int32(x)
	}
	return out, nil
}

// Bools returns an array of bools, nil when absent.
func (m *Metadata) Bools(key string) ([]bool, error) {
	v, err := m.array(key, "bools", func(k kind) bool { return k == kindBool })
	if v == nil {
		return nil, err
	}
	out := make([]bool, v.n)
	for i := range out {
		out[i] = v.raw[i] != 0
	}
	return out, nil
}

// array returns the array under key if its elements satisfy accept, nil when absent.
func (m *Metadata) array(key, what string, accept func(kind) bool) (*value, error) {
	v := m.find(key)
	if v != nil && (v.kind != kindArray || !accept(v.elem)) {
		return nil, wrongType(key, v, "an array of "+what)
	}
	return v, nil
}

func isInteger(k kind) bool {
	switch k {
	case kindUint8, kindInt8, kindUint16, kindInt16, kindUint32, kindInt32, kindUint64, kindInt64:
		return true
	}
	return false
}

func (m *Metadata) find(key string) *value {
	if i, ok := m.index[key]; ok {
		return &m.values[i]
	}
	return nil
}

// put adds or replaces a value, keeping a replaced key's place.
func (m *Metadata) put(key string, v value) {
	if i, ok := m.index[key]; ok {
		m.values[i] = v
		return
	}
	if m.index == nil {
		m.index = make(map[string]int)
	}
	m.index[key] = len(m.keys)
	m.keys = append(m.keys, key)
	m.values = append(m.values, v)
}

func wrongType(key string, v *value, want string) error {
	return fault.New(fault.BadFile, "gguf: key ", fault.Quote(key), ": ", v.name(), ", want ", want)
}
