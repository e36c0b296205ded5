package gguf

import (
	"math"
	"strconv"
)

// A kind is the type of a metadata value, numbered as in the file.
type kind uint32

// The kinds of metadata values.
const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64

	nKinds
)

var kindNames = [nKinds]string{
	"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
}

// kindBytes holds the size of a fixed-size kind, 0 for strings and arrays.
var kindBytes = [nKinds]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

// String returns the short name used in messages.
func (k kind) String() string {
	if k < nKinds {
		return kindNames[k]
	}
	return "kind " + strconv.FormatUint(uint64(k), 10)
}

// A value is one metadata value, kept as compact as it was in the file.
type value struct {
	kind kind
	bits uint64 // a scalar, as it stood in the file, zero-extended
	text string // a string; or all strings of an array one after another

	// For arrays only:
	elem kind
	n    int
	raw  []byte   // fixed-size elements, little-endian
	ends []uint32 // of strings: where each ends in text
}

// at returns element i of an array of fixed-size elements as a scalar.
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
	case kindInt8:
		return int64(int8(v.bits)), true
	case kindInt16:
		return int64(int16(v.bits)), true
	case kindInt32:
		return int64(int32(v.bits)), true
	case kindInt64:
		return int64(v.bits), true
	case kindUint8, kindUint16, kindUint32, kindUint64:
		return int64(v.bits), v.bits <= math.MaxInt64
	}
	return 0, false
}

// float returns a floating-point scalar.
func (v *value) float() (x float64, ok bool) {
	switch v.kind {
	case kindFloat32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case kindFloat64:
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}

// name says what the value is, for messages.
func (v *value) name() string {
	if v.kind == kindArray {
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
