package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pastel/fault"
)

// plain turns v into what encoding/json decodes into an any with UseNumber off.
func plain(v Value) any {
	switch v.Kind() {
	case KindBool:
		b, _ := v.Bool()
		return b
	case KindInt, KindFloat:
		f, _ := v.Float()
		return f
	case KindString:
		s, _ := v.String()
		return s
	case KindArray:
		list, _ := v.Array()
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = plain(e)
		}
		return out
	case KindObject:
		members, _ := v.Object()
		out := map[string]any{}
		for _, m := range members {
			out[m.Key] = plain(m.Value)
		}
		return out
	}
	return nil
}

var texts = []struct{ name, text string }{
	{"null", `null`}, {"spaces around", " \t\r\n true \n"}, {"empty", ``}, {"only space", ` `},
	{"integer", `12`}, {"largest", `9223372036854775807`}, {"past int64", `9223372036854775808`},
	{"smallest", `-9223372036854775808`}, {"minus zero", `-0`}, {"leading zero", `012`}, {"minus alone", `-`},
	{"plus", `+1`}, {"point", `1.5`}, {"no digit after point", `1.`}, {"no digit before point", `.5`},
	{"exponent", `1e3`}, {"exponent sign", `1E-3`}, {"no exponent digit", `1e`}, {"sign without digit", `1e+`},
	{"overflow", `1e999`}, {"underflow", `1e-999`}, {"hex", `0x10`}, {"NaN", `NaN`}, {"Infinity", `-Infinity`},
	{"escapes", `"\"\\\/\b\f\n\r\t\u00e9"`}, {"bad escape", `"\x"`}, {"escape at end", `"\`}, {"open string", `"a`},
	{"pair", `"\ud83d\ude00"`}, {"high alone", `"\ud83d"`}, {"low alone", `"\ude00"`}, {"two highs and a low", `"\ud83d\ud83d\ude00"`},
	{"high then letter", `"\ud83dx"`}, {"high then other escape", `"\ud83d\n"`}, {"high then short", `"\ud83d\u12"`},
	{"short hex", `"\u12"`}, {"bad hex", `"\u12g4"`}, {"hex with a quote", `"\u1"234"`}, {"upper hex", `"\u00E9"`},
	{"control", "\"a\nb\""}, {"DEL", "\"\x7f\""}, {"NUL", "\"\x00\""}, {"utf8", `"日本語😀"`}, {"line separator", "\"\u2028\""},
	{"array", `[1, "a", [], {}, null]`}, {"trailing comma", `[1,]`}, {"comma first", `[,1]`}, {"open array", `[1`}, {"no comma", `[1 2]`},
	{"object", `{"b":1,"a":{"c":[2]}}`}, {"object trailing comma", `{"a":1,}`}, {"no colon", `{"a" 1}`}, {"bare key", `{a:1}`},
	{"number key", `{1:1}`}, {"duplicate", `{"a":1,"b":2,"a":3}`}, {"open object", `{"a":1`}, {"mismatch", `{"a":1]`},
	{"two values", `1 2`}, {"comment", `1 // x`}, {"single quotes", `'a'`}, {"BOM", "\ufeff1"}, {"word prefix", `tru`}, {"word and more", `truex`},
	{"vertical tab", "\v1"}, {"empty key", `{"":0}`},
}

func TestParseAgreesWithEncodingJSON(t *testing.T) {
	for _, tt := range texts {
		t.Run(tt.name, func(t *testing.T) { compare(t, []byte(tt.text)) })
	}
}

// compare checks the law of the package: the same texts are accepted as by
// encoding/json and give the same tree, but for the documented differences.
func compare(t *testing.T, text []byte) {
	t.Helper()
	got, err := Parse(text)
	if err != nil && fault.CodeOf(err) != fault.BadFile {
		t.Fatalf("Parse(%q): code %q", text, fault.CodeOf(err))
	}
	if !utf8.Valid(text) {
		if err == nil {
			t.Fatalf("Parse(%q) took text that is not UTF-8", text)
		}
		return
	}
	var want any
	wantErr := json.Unmarshal(text, &want)
	if err != nil && strings.Contains(err.Error(), "nested too deeply") {
		return
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("Parse(%q) error %v, encoding/json %v", text, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(plain(got), want) {
		t.Fatalf("Parse(%q) = %v, want %v", text, plain(got), want)
	}
	if err == nil {
		writeAndRead(t, got)
	}
}

// writeAndRead checks that every style reads back as the same value, and that
// the plain one is valid for encoding/json too.
func writeAndRead(t *testing.T, v Value) {
	t.Helper()
	for _, style := range []Style{{}, Python, {ASCII: true}, {Indent: "  "}, {Indent: "\t", ItemSeparator: " , "}} {
		text := Append(nil, v, style)
		back, err := Parse(text)
		if err != nil || !back.Equal(v) || !v.Equal(back) {
			t.Fatalf("Append = %q, read back %v (%v)", text, plain(back), err)
		}
		if !json.Valid(text) {
			t.Fatalf("Append = %q: not JSON", text)
		}
	}
}

func TestAppendIsMarshal(t *testing.T) {
	for _, tt := range texts {
		v, err := Parse([]byte(tt.text))
		if err != nil || tt.name == "object" { // Marshal sorts the keys
			continue
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(plain(v)); err != nil {
			t.Fatal(err)
		}
		got := string(Append(nil, v, Style{}))
		// Go alone escapes U+2028, writes -0 and rounds integers above 2^53 here.
		exp := strings.NewReplacer(`\u2028`, "\u2028", "-0", "0", "9223372036854775807", "9223372036854776000").Replace(strings.TrimSpace(want.String()))
		if i, ok := v.Int(); ok && v.Kind() == KindInt && (i > 1<<53 || i < -1<<53) {
			continue
		}
		if got != exp {
			t.Errorf("%s: Append(%s) = %s, want %s", tt.name, tt.text, got, exp)
		}
	}
}

func TestStyles(t *testing.T) {
	v, err := Parse([]byte(`{"a":[1,2.0,{}],"é":"😀\u0001"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		style Style
		want  string
	}{
		{"JSON.stringify(v)", Style{}, `{"a":[1,2,{}],"é":"😀\u0001"}`},
		{"json.dumps(v, ensure_ascii=False)", Python, `{"a": [1, 2.0, {}], "é": "😀\u0001"}`},
		{"json.dumps(v)", Style{ItemSeparator: ", ", KeySeparator: ": ", ASCII: true, PythonFloats: true}, `{"a": [1, 2.0, {}], "\u00e9": "\ud83d\ude00\u0001"}`},
		{"JSON.stringify(v, null, 2)", Style{Indent: "  "}, "{\n  \"a\": [\n    1,\n    2,\n    {}\n  ],\n  \"é\": \"😀\\u0001\"\n}"},
	} {
		if got := string(Append(nil, v, tt.style)); got != tt.want {
			t.Errorf("%s = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestFloats(t *testing.T) {
	for _, tt := range []struct {
		f          float64
		js, python string
	}{
		{0, "0", "0.0"}, {math.Copysign(0, -1), "0", "-0.0"}, {1, "1", "1.0"}, {-1.5, "-1.5", "-1.5"}, {0.1, "0.1", "0.1"},
		{1e15, "1000000000000000", "1000000000000000.0"}, {1e16, "10000000000000000", "1e+16"}, {1e20, "100000000000000000000", "1e+20"},
		{1e21, "1e+21", "1e+21"}, {1.5e300, "1.5e+300", "1.5e+300"}, {1e-4, "0.0001", "0.0001"}, {1e-5, "0.00001", "1e-05"},
		{1e-6, "0.000001", "1e-06"}, {1.25e-7, "1.25e-7", "1.25e-07"}, {5e-324, "5e-324", "5e-324"},
		{math.NaN(), "null", "null"}, {math.Inf(1), "null", "null"},
	} {
		if got := string(AppendFloat(nil, tt.f, false)); got != tt.js {
			t.Errorf("AppendFloat(%g, JavaScript) = %s, want %s", tt.f, got, tt.js)
		}
		if got := string(AppendFloat(nil, tt.f, true)); got != tt.python {
			t.Errorf("AppendFloat(%g, Python) = %s, want %s", tt.f, got, tt.python)
		}
	}
}

func TestAccessors(t *testing.T) {
	v, err := Parse([]byte(`{"s":"x","i":3,"f":1.5,"g":2.0,"b":true,"n":null,"a":[1],"o":{"k":1},"i":4}`))
	if err != nil {
		t.Fatal(err)
	}
	members, _ := v.Object()
	var keys string
	for _, m := range members {
		keys += m.Key
	}
	if keys != "sifgbnao" {
		t.Errorf("keys in order = %q", keys)
	}
	get := func(k string) Value { x, _ := v.Get(k); return x }
	if i, ok := get("i").Int(); i != 4 || !ok {
		t.Errorf("i = %d, %v: the last of equal keys must win", i, ok)
	}
	if i, ok := get("g").Int(); i != 2 || !ok {
		t.Errorf("Int(2.0) = %d, %v", i, ok)
	}
	if _, ok := get("f").Int(); ok {
		t.Error("Int(1.5) is ok")
	}
	if f, ok := get("i").Float(); f != 4 || !ok {
		t.Errorf("Float(4) = %g, %v", f, ok)
	}
	if b, ok := get("b").Bool(); !b || !ok {
		t.Error("Bool(true) failed")
	}
	if x, ok := v.Get("n"); !ok || !x.IsNull() {
		t.Error("null under n is lost")
	}
	if _, ok := v.Get("absent"); ok {
		t.Error("absent key found")
	}
	if _, ok := get("s").Get("k"); ok {
		t.Error("Get on a string is ok")
	}
	if OfFloat(1).Equal(OfInt(2)) || !OfFloat(1).Equal(OfInt(1)) || OfInt(1).Equal(OfString("")) || OfString("").Equal(Value{}) {
		t.Error("Equal of scalars is wrong")
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("[", 256) + strings.Repeat("]", 256)
	if _, err := Parse([]byte(deep)); err != nil {
		t.Errorf("256 levels: %v", err)
	}
	for _, tt := range []struct {
		name string
		o    Options
		text string
		want string
	}{
		{"257 levels", Options{}, "[" + deep + "]", "nested too deeply"},
		{"a million brackets", Options{}, strings.Repeat("[", 1<<20), "nested too deeply"},
		{"a million braces", Options{}, strings.Repeat(`{"a":`, 1<<20), "nested too deeply"},
		{"bytes", Options{MaxBytes: 3}, `[1] `, "over the limit"},
		{"values", Options{MaxValues: 3}, `[1,2,3]`, "too many values"},
		{"duplicate", Options{RefuseDuplicates: true}, `{"a":1,"a":1}`, `key "a" twice`},
		{"not UTF-8", Options{}, "\"\xff\"", "not UTF-8"},
		{"not UTF-8 after an escape", Options{}, "\"\\n\xff\"", "not UTF-8"},
	} {
		_, err := tt.o.Parse([]byte(tt.text))
		if !errors.Is(err, fault.Sentinel(fault.BadFile)) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestLargeObject(t *testing.T) {
	members := make([]Member, 50000)
	for i := range members {
		members[i] = Member{strings.Repeat("k", i%7) + string(rune('a'+i)), OfInt(int64(i))}
	}
	text := Append(nil, OfObject(members), Style{})
	v, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		x, ok := v.Get(m.Key)
		if n, _ := x.Int(); !ok || n != int64(i) && !strings.ContainsRune(m.Key, utf8.RuneError) {
			t.Fatalf("Get(%q) = %d, %v, want %d", m.Key, n, ok, i)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range texts {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(compare)
}

func BenchmarkParse(b *testing.B) {
	var text bytes.Buffer
	text.WriteByte('[')
	for i := range 2000 {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(`{"role":"user","content":"a line of text\nand another","score":1.25,"n":17}`)
	}
	text.WriteByte(']')
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Parse(text.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
