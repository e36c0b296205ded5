package gguf

import (
	"math"
	"strings"

	"pastel/fault"
)

// Set adds or replaces a value; a replaced key keeps its place. v is a uint8 …
// uint64, int8 … int64, float32, float64, bool, string, or a slice of one of
// uint32, int32, float32, bool, string.
//
// A key or value the format cannot hold is the caller's bug: Set panics.
func (m *Metadata) Set(key string, v any) {
	if key == "" || len(key) > maxKeyBytes {
		panic("gguf: key of " + fault.Quote(key))
	}
	m.put(key, valueOf(key, v))
}

// Copy takes the value of key from another set, if it is there.
func (m *Metadata) Copy(key string, from *Metadata) {
	if v := from.find(key); v != nil {
		m.put(key, *v)
	}
}

// valueOf is a closed switch over what Set takes.
func valueOf(key string, v any) value {
	switch x := v.(type) {
	case uint8:
		return value{kind: kindUint8, bits: uint64(x)}
	case int8:
		return value{kind: kindInt8, bits: uint64(uint8(x))}
	case uint16:
		return value{kind: kindUint16, bits: uint64(x)}
	case int16:
		return value{kind: kindInt16, bits: uint64(uint16(x))}
	case uint32:
		return value{kind: kindUint32, bits: uint64(x)}
	case int32:
		return value{kind: kindInt32, bits: uint64(uint32(x))}
	case uint64:
		return value{kind: kindUint64, bits: x}
	case int64:
		return value{kind: kindInt64, bits: uint64(x)}
	case float32:
		return value{kind: kindFloat32, bits: uint64(math.Float32bits(x))}
	case float64:
		return value{kind: kindFloat64, bits: math.Float64bits(x)}
	case bool:
		return value{kind: kindBool, bits: fromBool(x)}
	case string:
		return value{kind: kindString, text: x}
	case []uint32:
		return arrayOf(kindUint32, x, func(e uint32) uint64 { return uint64(e) })
	case []int32:
		return arrayOf(kindInt32, x, func(e int32) uint64 { return uint64(uint32(e)) })
	case []float32:
		return arrayOf(kindFloat32, x, func(e float32) uint64 { return uint64(math.Float32bits(e)) })
	case []bool:
		return arrayOf(kindBool, x, fromBool)
	case []string:
		return stringsOf(x)
	}
	panic("gguf: key " + fault.Quote(key) + ": a value of this Go type cannot be stored")
}

func fromBool(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// arrayOf packs elements of a fixed-size kind.
func arrayOf[T any](elem kind, xs []T, bits func(T) uint64) value {
	size := kindBytes[elem]
	raw := make([]byte, 0, size*len(xs))
	for _, x := range xs {
		raw = appendUint(raw, bits(x), size)
	}
	return value{kind: kindArray, elem: elem, n: len(xs), raw: raw}
}

// stringsOf packs strings behind one another.
func stringsOf(xs []string) value {
	v := value{kind: kindArray, elem: kindString, n: len(xs), text: strings.Join(xs, ""), ends: make([]uint32, len(xs))}
	end := 0
	for i, x := range xs {
		end += len(x)
		v.ends[i] = uint32(end)
	}
	return v
}
