package simd128

import (
	"archive/zip"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// sexp is an s-expression of the WebAssembly text format: an atom, a string or a list.
type sexp struct {
	atom   string
	str    bool
	list   []sexp
	isList bool
}

// head is the first atom of a list.
func (s sexp) head() string {
	if len(s.list) == 0 {
		return ""
	}
	return s.list[0].atom
}

// readSexps parses text into its top-level expressions.
func readSexps(text string) []sexp {
	text += "\n"
	stack := [][]sexp{nil}
	push := func(s sexp) { stack[len(stack)-1] = append(stack[len(stack)-1], s) }
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], ";;"):
			i += strings.IndexByte(text[i:], '\n')
		case strings.HasPrefix(text[i:], "(;"):
			i += strings.Index(text[i:], ";)") + 2
		case c == '(':
			stack = append(stack, nil)
			i++
		case c == ')':
			l := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			push(sexp{list: l, isList: true})
			i++
		case c == '"':
			n := 1
			for text[i+n] != '"' {
				if text[i+n] == '\\' {
					n++
				}
				n++
			}
			push(sexp{atom: text[i+1 : i+n], str: true})
			i += n + 1
		case c <= ' ':
			i++
		default:
			n := strings.IndexAny(text[i:], " \t\r\n()\";")
			push(sexp{atom: text[i : i+n]})
			i += n
		}
	}
	return stack[0]
}

// unescape decodes a string of the text format into bytes.
func unescape(s string) []byte {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
			b = append(b, byte(v))
			i += 2
			continue
		}
		i++
		b = append(b, s[i])
	}
	return b
}

// wastFiles reads the archive's folder: name to text.
func wastFiles(t testing.TB, folder string) map[string]string {
	z, err := zip.OpenReader("../testdata/wasm-simd-spec/wast.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string]string{}
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, folder+"/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(f.Name, folder+"/")] = string(text)
	}
	return files
}

// parseInt reads an integer literal of the given width as bits.
func parseInt(s string, bits int) uint64 {
	s = strings.ReplaceAll(s, "_", "")
	digits, base := strings.TrimLeft(s, "+-"), 10
	if hex, ok := strings.CutPrefix(digits, "0x"); ok {
		digits, base = hex, 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		panic(fmt.Sprintf("integer %q: %v", s, err))
	}
	if s[0] == '-' {
		v = -v
	}
	return v & (1<<bits - 1)
}

// parseFloat reads a float literal as bits.
func parseFloat(s string, bits int) uint64 {
	s = strings.ReplaceAll(s, "_", "")
	sign := uint64(0)
	if s[0] == '-' {
		sign = 1 << (bits - 1)
	}
	abs := strings.TrimLeft(s, "+-")
	exp, mant := uint64(0x7f8)<<20, 23
	if bits == 64 {
		exp, mant = 0x7ff<<52, 52
	}
	switch {
	case abs == "nan":
		return sign | exp | 1<<(mant-1)
	case strings.HasPrefix(abs, "nan:0x"):
		v, _ := strconv.ParseUint(abs[6:], 16, 64)
		return sign | exp | v
	case abs == "inf":
		return sign | exp
	case strings.HasPrefix(abs, "0x") && !strings.ContainsAny(abs, "pP"):
		abs += "p0"
	}
	v, err := strconv.ParseFloat(abs, bits)
	if err != nil {
		panic(fmt.Sprintf("float %q: %v", s, err))
	}
	if bits == 32 {
		return sign | uint64(math.Float32bits(float32(v)))
	}
	return sign | math.Float64bits(v)
}

// laneWant is what one lane of a result may be: bits, or a class of NaN.
type laneWant struct {
	bits uint64
	size int // in bits
	nan  string
}

// matches reports whether v satisfies w.
//
// Source: WebAssembly core specification 4.3.3, NaN propagation: canonical has only the top bit of the payload set,
// arithmetic at least that one.
func (w laneWant) matches(v uint64) bool {
	quiet, sign := uint64(0x7fc00000), uint64(1)<<31
	if w.size == 64 {
		quiet, sign = 0x7ff8<<48, 1<<63
	}
	switch w.nan {
	case "nan:canonical":
		return v&^sign == quiet
	case "nan:arithmetic":
		return v&quiet == quiet
	}
	return v == w.bits
}

func (w laneWant) String() string {
	if w.nan != "" {
		return w.nan
	}
	return fmt.Sprintf("%#x", w.bits)
}

// lanesOfConst reads (i32.const 1), (v128.const f32x4 …) and the patterns of results.
func lanesOfConst(s sexp) []laneWant {
	shape, words := strings.TrimSuffix(s.head(), ".const"), s.list[1:]
	if shape == "v128" {
		shape, words = words[0].atom, words[1:]
	}
	shape, _, _ = strings.Cut(shape, "x")
	bits, _ := strconv.Atoi(shape[1:])
	var out []laneWant
	for _, w := range words {
		l := laneWant{size: bits}
		switch {
		case w.atom == "nan:canonical" || w.atom == "nan:arithmetic":
			l.nan = w.atom
		case shape[0] == 'f':
			l.bits = parseFloat(w.atom, bits)
		default:
			l.bits = parseInt(w.atom, bits)
		}
		out = append(out, l)
	}
	return out
}

// pack puts lanes into 64-bit words, as wazero's calls pass them.
func pack(lanes []laneWant) []uint64 {
	words := make([]uint64, (len(lanes)*lanes[0].size+63)/64)
	for i, l := range lanes {
		at := i * l.size
		words[at/64] |= l.bits << (at % 64)
	}
	return words
}

// agrees reports whether the words of a result match lanes.
func agrees(lanes []laneWant, words []uint64) bool {
	for i, l := range lanes {
		at := i * l.size
		v := words[at/64] >> (at % 64)
		if l.size < 64 {
			v &= 1<<l.size - 1
		}
		if !l.matches(v) {
			return false
		}
	}
	return true
}
