package gguf

import (
	"math"
	"strconv"
)

// A Kind is the type of a metadata value, numbered as in the file.
type Kind uint32

// The kinds of metadata values.
const (
	Uint8 Kind = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64

	nKinds
)

var kindNames = [nKinds]string{
	"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
}

// kindBytes holds the size of a fixed-size kind, 0 for strings and arrays.
var kindBytes = [nKinds]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

// String returns the short name used in messages.
func (k Kind) String() string {
	if k < nKinds {
		return kindNames[k]
	}
	return "kind " + strconv.FormatUint(uint64(k), 10)
}

// A value is one metadata value, kept as compact as it was in the file.
type value struct {
	kind Kind
	bits uint64 // a scalar, as it stood in the file, zero-extended
	text string // a string; or all strings of an array one after another

	// For arrays only:
	elem Kind
	n    int
	raw  []byte   // fixed-size elements, little-endian
	ends []uint32 // of strings: where each ends in text
}

// array returns element i of an array of fixed-size elements as a scalar.
func (v *value) at(i int) value {
	size := kindBytes[v.elem]
	return value{kind: v.elem, bits: getUint(v.raw[i*size : (i+1)*size])}
}

// str returns element i of an array of strings.
func (v *value) str(i int) string {
	start := uint32(0)
	if i > 0 {
		start = v.ends[i-1]
	}
	return v.text[start:v.ends[i]]
}

// signed returns the scalar sign-extended; ok is false for other than integers
// and for values past int64.
func (v *value) signed() (x int64, ok bool) {
	switch v.kind {
	case Int8:
		return int64(int8(v.bits)), true
	case Int16:
		return int64(int16(v.bits)), true
	case Int32:
		return int64(int32(v.bits)), true
	case Int64:
		return int64(v.bits), true
	case Uint8, Uint16, Uint32, Uint64:
		return int64(v.bits), v.bits <= math.MaxInt64
	}
	return 0, false
}

// float returns a floating-point scalar.
func (v *value) float() (x float64, ok bool) {
	switch v.kind {
	case Float32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case Float64:
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}

// name says what the value is, for messages.
func (v *value) name() string {
	if v.kind == Array {
		return "array of " + v.elem.String()
	}
	return v.kind.String()
}

// getUint reads a little-endian number of len(b) bytes.
func getUint(b []byte) uint64 {
	var x uint64
	for i, c := range b {
		x |= uint64(c) << (8 * i)
	}
	return x
}

// appendUint writes the low n bytes of x, little-endian.
func appendUint(dst []byte, x uint64, n int) []byte {
	for i := range n {
		dst = append(dst, byte(x>>(8*i)))
	}
	return dst
}
