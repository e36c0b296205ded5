package chat

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"pastel/engine/jsonvalue"
)

// What the template language borrows from ECMAScript: white space, numbers as
// text, text as numbers, letters' case and order.

// isSpace is ECMA-262's WhiteSpace and LineTerminator.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
		return true
	}
	return 0x2000 <= r && r <= 0x200A
}

func trim(s string) string      { return strings.TrimFunc(s, isSpace) }
func trimLeft(s string) string  { return strings.TrimLeftFunc(s, isSpace) }
func trimRight(s string) string { return strings.TrimRightFunc(s, isSpace) }

// numberText is String(f).
func numberText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return string(jsonvalue.AppendFloat(nil, f, false))
}

// floatText is how a float prints: always with a point, 1.0 and not 1.
func floatText(f float64) string {
	switch {
	case f == 0 && math.Signbit(f):
		return "-0.0"
	case f == math.Trunc(f) && math.Abs(f) < 1e21:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return numberText(f)
}

// parseInt is parseInt(s, 10): the number s begins with, else NaN.
func parseInt(s string) float64 {
	s = trimLeft(s)
	n := signLength(s)
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	f, err := strconv.ParseFloat(s[:n], 64)
	if err != nil && f == 0 {
		return math.NaN()
	}
	return f
}

func signLength(s string) int {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return 1
	}
	return 0
}

// parseFloat is parseFloat(s): the number s begins with, else NaN.
func parseFloat(s string) float64 {
	s = trimLeft(s)
	f, err := strconv.ParseFloat(s[:decimalLength(s)], 64)
	if err != nil && f == 0 {
		return math.NaN()
	}
	return f
}

// decimalLength is the length of the decimal number s begins with, 0 if none.
func decimalLength(s string) int {
	n := signLength(s)
	if strings.HasPrefix(s[n:], "Infinity") {
		return n + len("Infinity")
	}
	start := n
	for n < len(s) && (isDigit(s[n]) || s[n] == '.' && !strings.Contains(s[start:n], ".")) {
		n++
	}
	if digits := strings.Trim(s[start:n], "."); digits == "" {
		return 0
	}
	if n < len(s) && s[n]|0x20 == 'e' {
		e := n + 1 + signLength(s[n+1:])
		for e < len(s) && isDigit(s[e]) {
			e++
			n = e
		}
	}
	return n
}

// toNumber is Number(s), for == between a number and a string.
func toNumber(s string) float64 {
	s = trim(s)
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		if u, err := strconv.ParseUint(s, 0, 64); err == nil && !strings.Contains(s, "_") {
			return float64(u)
		}
		return math.NaN()
	}
	if decimalLength(s) != len(s) {
		return math.NaN()
	}
	return parseFloat(s)
}

// units is the length of s in UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// unitAt returns the character at UTF-16 position i, from the end if negative.
// Half of a surrogate pair is U+FFFD, because it cannot be said in UTF-8.
func unitAt(s string, i int) (string, bool) {
	if i < 0 {
		i += units(s)
	}
	for _, r := range s {
		n := utf16.RuneLen(r)
		if i >= 0 && i < n {
			if n == 2 {
				r = utf8.RuneError
			}
			return string(r), true
		}
		i -= n
	}
	return "", false
}

// compareText orders by UTF-16 code units: characters above U+FFFF stand before
// U+E000 to U+FFFF.
func compareText(a, b string) int {
	for a != "" && b != "" {
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x != y {
			if (x > 0xFFFF) != (y > 0xFFFF) {
				x, y = leadUnit(x), leadUnit(y)
			}
			return int(x) - int(y)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

func leadUnit(r rune) rune {
	if r > 0xFFFF {
		return 0xD800 + (r-0x10000)>>10
	}
	return r
}

// collation is the order of ASCII in the Unicode collation algorithm's root
// table, as localeCompare has it; upper case differs from lower only at the end.
const collation = "\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"

// compareKeys is a.localeCompare(b) for ASCII; other characters follow ASCII,
// by code point.
func compareKeys(a, b string) int {
	tie := 0
	x, y := []rune(a), []rune(b)
	for i := 0; i < len(x) && i < len(y); i++ {
		p, q := weight(x[i]), weight(y[i])
		if lower, other := p&^1, q&^1; lower != other {
			return lower - other
		}
		if tie == 0 {
			tie = p - q
		}
	}
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return tie
}

// weight is even for all but upper case letters.
func weight(r rune) int {
	if r >= 0x80 {
		return int(r) * 2
	}
	w := strings.IndexByte(collation, byte(r))
	if first := strings.IndexByte(collation, 'a'); w >= first {
		return 128 + w - first
	}
	return 2 * (w + 1)
}

// upperSpecial lists letters whose capitals are several (no package strings
// knows them): pairs of a letter and its capitals.
var upperSpecial = [...]string{"ß", "SS", "ŉ", "ʼN", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL", "ﬅ", "ST", "ﬆ", "ST"}

// upper and lower follow ECMAScript where it differs from one letter to one
// letter in the cases that occur in real text.
func upper(s string) string {
	for i := 0; i < len(upperSpecial); i += 2 {
		s = strings.ReplaceAll(s, upperSpecial[i], upperSpecial[i+1])
	}
	return strings.ToUpper(s)
}

func lower(s string) string { return strings.ToLower(strings.ReplaceAll(s, "İ", "i\u0307")) }

// title raises every ASCII letter that does not follow an ASCII word character.
func title(s string) string {
	out := []byte(s)
	inWord := false
	for i, c := range out {
		if !inWord && 'a' <= c && c <= 'z' {
			out[i] = c - 'a' + 'A'
		}
		inWord = isWord(c)
	}
	return string(out)
}

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	if n == 4 { // half a surrogate pair has no case
		return s
	}
	return upper(s[:n]) + s[n:]
}
