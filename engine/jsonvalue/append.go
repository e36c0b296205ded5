package jsonvalue

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// A Style says how Append spaces a value. The zero value is JavaScript's
// JSON.stringify(v) and Go's Marshal without HTML escaping.
type Style struct {
	Indent        string // per level; with it every element stands on its own line
	ItemSeparator string // after an element; default ","
	KeySeparator  string // after a key; default ":", with Indent ": "
	ASCII         bool   // escape everything above U+007F
	PythonFloats  bool   // write 1.0 and 1e+16 as Python does, not 1 and 10000000000000000
}

// Python is json.dumps(v, ensure_ascii=False): a space after each separator.
var Python = Style{ItemSeparator: ", ", KeySeparator: ": ", PythonFloats: true}

// Append writes v as JSON after dst in the given style and returns the result.
func Append(dst []byte, v Value, style Style) []byte {
	if style.ItemSeparator == "" {
		style.ItemSeparator = ","
	}
	if style.KeySeparator == "" {
		style.KeySeparator = ":"
		if style.Indent != "" {
			style.KeySeparator = ": "
		}
	}
	return style.value(dst, v, 0)
}

func (s *Style) value(dst []byte, v Value, level int) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(dst, v.num == 1)
	case KindInt:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case KindFloat:
		return AppendFloat(dst, math.Float64frombits(v.num), s.PythonFloats)
	case KindString:
		return AppendString(dst, v.str, s.ASCII)
	case KindArray:
		return s.array(dst, v.list, level)
	case KindObject:
		return s.object(dst, v.obj.members, level)
	}
	return append(dst, "null"...)
}

func (s *Style) array(dst []byte, list []Value, level int) []byte {
	if len(list) == 0 {
		return append(dst, "[]"...)
	}
	dst = append(dst, '[')
	for i, v := range list {
		dst = s.value(s.separate(dst, i, level), v, level+1)
	}
	return append(s.newline(dst, level), ']')
}

func (s *Style) object(dst []byte, members []Member, level int) []byte {
	if len(members) == 0 {
		return append(dst, "{}"...)
	}
	dst = append(dst, '{')
	for i, m := range members {
		dst = AppendString(s.separate(dst, i, level), m.Key, s.ASCII)
		dst = s.value(append(dst, s.KeySeparator...), m.Value, level+1)
	}
	return append(s.newline(dst, level), '}')
}

// separate writes what stands before element i of a container at level.
func (s *Style) separate(dst []byte, i, level int) []byte {
	if i > 0 {
		dst = append(dst, s.ItemSeparator...)
	}
	return s.newline(dst, level+1)
}

func (s *Style) newline(dst []byte, level int) []byte {
	if s.Indent == "" {
		return dst
	}
	dst = append(dst, '\n')
	for range level {
		dst = append(dst, s.Indent...)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendString writes text as a JSON string. Bytes that are not UTF-8 become
// U+FFFD; with ascii everything above U+007F is escaped.
func AppendString(dst []byte, text string, ascii bool) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = appendControl(dst, byte(r))
		case r >= utf8.RuneSelf && ascii:
			dst = appendUTF16(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

func appendControl(dst []byte, c byte) []byte {
	const short = "btn\x00fr" // \b \t \n - \f \r are 8..13
	if c >= 8 && c <= 13 && c != 11 {
		return append(dst, '\\', short[c-8])
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

func appendUTF16(dst []byte, r rune) []byte {
	if r >= 0x10000 {
		r -= 0x10000
		dst = appendUTF16(dst, 0xD800+r>>10)
		r = 0xDC00 + r&0x3FF
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// AppendFloat writes the shortest decimal that reads back as f, in JavaScript's
// notation (ECMA-262 Number::toString: exponent from 1e21 and below 1e-6) or
// Python's (repr: exponent from 1e16 and below 1e-4, and always a point or an
// exponent). What JSON cannot say is null.
func AppendFloat(dst []byte, f float64, python bool) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == 0 && !python {
		return append(dst, '0')
	}
	low, high := 1e-6, 1e21
	if python {
		low, high = 1e-4, 1e16
	}
	if a := math.Abs(f); a != 0 && (a < low || a >= high) {
		return appendExponent(dst, f, python)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if python && f == math.Trunc(f) {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendExponent writes 1e+21 and 1e-7; Python pads to two digits (1e-07), as Go does.
func appendExponent(dst []byte, f float64, python bool) []byte {
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); !python && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
