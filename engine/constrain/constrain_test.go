package constrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// schemas of the table; each uses some of the subset.
var schemas = []struct{ name, schema string }{
	{"anything", `{}`},
	{"true", `true`},
	{"null", `{"type":"null"}`},
	{"boolean", `{"type":"boolean"}`},
	{"integer", `{"type":"integer"}`},
	{"number", `{"type":"number"}`},
	{"number from 0", `{"type":"number","minimum":0}`},
	{"string", `{"type":"string"}`},
	{"several types", `{"type":["integer","null","string"]}`},
	{"integer and number", `{"type":["integer","number"]}`},
	{"empty string", `{"type":"string","maxLength":0}`},
	{"short string", `{"type":"string","minLength":2,"maxLength":5}`},
	{"long string", `{"type":"string","minLength":3}`},
	{"digit", `{"type":"integer","minimum":0,"maximum":9}`},
	{"percent", `{"type":"integer","minimum":0,"maximum":100}`},
	{"year", `{"type":"integer","minimum":1987,"maximum":2026}`},
	{"around zero", `{"type":"integer","minimum":-20,"maximum":7}`},
	{"negative", `{"type":"integer","maximum":-5,"minimum":-1234}`},
	{"exclusive", `{"type":"integer","exclusiveMinimum":-1,"exclusiveMaximum":12}`},
	{"fractional bounds", `{"type":"integer","minimum":-2.5,"maximum":2.5}`},
	{"above", `{"type":"integer","minimum":98}`},
	{"one number", `{"type":"integer","minimum":42,"maximum":42}`},
	{"enum", `{"enum":["red","green","re",1,12,true,null]}`},
	{"enum of a type", `{"type":"string","enum":["a","b",3]}`},
	{"enum with escapes", `{"enum":["a\"b","\n","é","\u0001"]}`},
	{"const", `{"const":"x"}`},
	{"const object", `{"const":{"a":[1,{"b":null}],"c":"d"}}`},
	{"array of integers", `{"type":"array","items":{"type":"integer"}}`},
	{"array of 2 to 3", `{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":3}`},
	{"array of at least 2", `{"type":"array","items":{"const":1},"minItems":2}`},
	{"tuple", `{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"minItems":2}`},
	{"tuple and rest", `{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"}}`},
	{"empty array", `{"type":"array","maxItems":0}`},
	{"any array", `{"type":"array"}`},
	{"any object", `{"type":"object"}`},
	{"empty object", `{"type":"object","additionalProperties":false}`},
	{"person", `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name","age"],"additionalProperties":false}`},
	{"optional", `{"type":"object","properties":{"a":{"type":"integer"},"ab":{"type":"string"},"b":{"type":"null"}},"required":["ab"],"additionalProperties":false}`},
	{"additional of a type", `{"type":"object","properties":{"a":{"type":"integer"},"a\"":{"type":"null"}},"additionalProperties":{"type":"string"}}`},
	{"additional of any type", `{"type":"object","properties":{"kind":{"const":"x"}},"required":["kind"]}`},
	{"required but not declared", `{"type":"object","required":["x"],"additionalProperties":{"type":"integer"}}`},
	{"map", `{"type":"object","additionalProperties":{"type":"array","items":{"type":"number"}}}`},
	{"anyOf", `{"anyOf":[{"type":"integer"},{"type":"string","maxLength":3},{"type":"array","items":{"type":"integer"}}]}`},
	{"anyOf alike", `{"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false},{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"null"}},"required":["a","b"],"additionalProperties":false}]}`},
	{"oneOf by constant", `{"oneOf":[{"type":"object","properties":{"t":{"const":"a"},"x":{"type":"integer"}},"required":["t","x"]},{"type":"object","properties":{"t":{"const":"b"},"y":{"type":"string"}},"required":["t"]}]}`},
	{"oneOf by type", `{"oneOf":[{"type":"integer"},{"type":"string"},{"enum":[null,true]}]}`},
	{"allOf of one", `{"allOf":[{"$ref":"#/$defs/n"}],"$defs":{"n":{"type":"integer"}}}`},
	{"list", `{"$ref":"#/$defs/list","$defs":{"list":{"anyOf":[{"type":"null"},{"type":"object","properties":{"head":{"type":"integer"},"tail":{"$ref":"#/$defs/list"}},"required":["head","tail"],"additionalProperties":false}]}}}`},
	{"tree", `{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#"}}},"required":["v"],"additionalProperties":false}`},
	{"pointer with escapes", `{"$ref":"#/$defs/a~1b~0c","$defs":{"a/b~c":{"type":"boolean"}}}`},
	{"pointer into properties", `{"type":"object","properties":{"a":{"type":"array","prefixItems":[{"type":"integer"}]},"b":{"$ref":"#/properties/a/prefixItems/0"}},"additionalProperties":false}`},
	{"no type", `{"properties":{"a":{"type":"integer"}},"minLength":2}`},
	{"tool call", `{"type":"object","title":"call","description":"a call","properties":{"name":{"enum":["get_weather","get_time"]},"arguments":{"type":"object","properties":{"city":{"type":"string","minLength":1},"days":{"type":"integer","minimum":1,"maximum":14},"units":{"enum":["c","f"]}},"required":["city"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}`},
}

func mustCompile(tb testing.TB, schema string) *Grammar {
	tb.Helper()
	v, err := jsonvalue.Parse([]byte(schema))
	if err != nil {
		tb.Fatal(err)
	}
	g, err := Compile(v)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// oracle is the schema as an independent validator reads it.
func oracle(tb testing.TB, schema string) *jsonschema.Schema {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// check says what is wrong with a document, "" if nothing.
func check(s *jsonschema.Schema, text []byte) string {
	var into any
	if err := json.Unmarshal(text, &into); err != nil {
		return err.Error()
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err.Error()
	}
	if err := s.Validate(doc); err != nil {
		return err.Error()
	}
	return ""
}

// testVocab is every byte, and pieces such as a tokenizer learns: of JSON, of
// words, and cut out of the middle of characters. The last token is EOS.
func testVocab(rng *rand.Rand) (*Vocab, int32) {
	var tokens [][]byte
	for c := range 256 {
		tokens = append(tokens, []byte{byte(c)})
	}
	for _, s := range strings.Fields(`{" ": ", "} "] [{ }] }, ]} ]] [[ [] {} {"name ": "," ":" "}, "]} true false null ru tr al se nu ll name age "a" "ab 12 123 00 1. .5 e+ -1 0. \u \u00 \n \" \\ ud8 \ud83d \ude00 the re green get_ weather kids head tail get_weather", "name": "arguments": "kind": "x": "t":`) {
		tokens = append(tokens, []byte(s), []byte(" "+s), []byte(s+" "), []byte(s+"\n"))
	}
	for _, s := range []string{"\n  ", "\n    ", "  ", "\": ", "\": \"", "\", \"", ",\n  \"", "\r\n", "\t\t", "é", "😀", "\xc3", "\xf0\x9f", "\x98\x80", "日本", "\xa9\"", "a\"b", "\xed\xa0", "\xc0\xaf"} {
		tokens = append(tokens, []byte(s))
	}
	alphabet := []byte(`"{}[]:, abe019-.\ntf` + "\xc3\xa9")
	for range 2000 {
		t := make([]byte, 2+rng.IntN(5))
		for i := range t {
			t[i] = alphabet[rng.IntN(len(alphabet))]
		}
		tokens = append(tokens, t)
	}
	tokens = append(tokens, nil)
	return NewVocab(len(tokens), func(id int32) []byte { return tokens[id] }), int32(len(tokens) - 1)
}

func bit(mask []uint64, id int32) bool { return mask[id/64]>>(id%64)&1 == 1 }

func members(mask []uint64, n int) []int32 {
	var ids []int32
	for id := range int32(n) {
		if bit(mask, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// walkRandomly writes a document by taking tokens at random; after soft tokens
// it prefers those that finish.
func walkRandomly(t *testing.T, rng *rand.Rand, m *Masker, v *Vocab, eos int32, soft int) []byte {
	t.Helper()
	var text []byte
	for n := 0; n < 100*soft; n++ {
		ids := members(m.Mask(), v.Size())
		if len(ids) == 0 {
			t.Fatalf("dead end after %q", text)
		}
		if m.Done() != bit(m.Mask(), eos) {
			t.Fatalf("after %q: Done %v, EOS allowed %v", text, m.Done(), bit(m.Mask(), eos))
		}
		id := ids[rng.IntN(len(ids))]
		if n > soft {
			id = finishing(rng, v, ids, m.Mask(), eos)
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		if id == eos {
			return text
		}
		text = append(text, v.token(id)...)
	}
	t.Fatalf("no end after %q", text[:min(len(text), 300)])
	return nil
}

// finishing picks a token that brings the document nearer to its end.
func finishing(rng *rand.Rand, v *Vocab, ids []int32, mask []uint64, eos int32) int32 {
	if bit(mask, eos) {
		return eos
	}
	for _, id := range ids { // a required name, where a free one could come again and again
		if t := string(v.token(id)); t == `"kind":` || t == `"x":` || t == `"t":` {
			if !bit(mask, 'z') && rng.IntN(3) == 0 {
				return id
			}
		}
	}
	closers := `}]":,n0`
	if bit(mask, 'a') && bit(mask, 'z') { // inside a string
		closers = `"`
	}
	for _, c := range closers {
		if bit(mask, c) && rng.IntN(8) > 0 {
			return c
		}
	}
	var single []int32
	for _, id := range ids {
		if id < 256 && id > ' ' {
			single = append(single, id)
		}
	}
	if len(single) > 0 {
		return single[rng.IntN(len(single))]
	}
	return ids[rng.IntN(len(ids))]
}

// TestSound: whatever a mask lets through is JSON and satisfies the schema.
func TestSound(t *testing.T) {
	for _, tt := range schemas {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			v, eos := testVocab(rng)
			m := NewMasker(mustCompile(t, tt.schema), v, []int32{eos})
			s := oracle(t, tt.schema)
			for range 60 {
				m.Reset()
				text := walkRandomly(t, rng, m, v, eos, 1+rng.IntN(40))
				if wrong := check(s, text); wrong != "" {
					t.Fatalf("%q: %s", text, wrong)
				}
			}
		})
	}
}

// TestMaskIsExact compares every mask on the way with trying each token's bytes,
// one after another, on the automaton alone.
func TestMaskIsExact(t *testing.T) {
	for _, tt := range schemas {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			v, eos := testVocab(rng)
			m := NewMasker(mustCompile(t, tt.schema), v, []int32{eos})
			slow := newAutomaton(m.auto.g)
			at := slow.config([]int32{slow.push(slow.frame(frame{op: opValue, a: m.auto.g.root}), 0)})
			for range 25 {
				mask := m.Mask()
				for id := range eos {
					to := at
					for _, c := range v.token(id) {
						to = slow.step(to, c)
					}
					if want := to != 0; bit(mask, id) != want {
						t.Fatalf("token %q: mask %v, automaton %v", v.token(id), bit(mask, id), want)
					}
				}
				ids := members(mask, int(eos))
				if len(ids) == 0 {
					return
				}
				id := ids[rng.IntN(len(ids))]
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
				for _, c := range v.token(id) {
					at = slow.step(at, c)
				}
			}
		})
	}
}

// TestComplete: a document that satisfies the schema is let through however it
// is cut into tokens, and is complete at its end.
func TestComplete(t *testing.T) {
	for _, tt := range schemas {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			v, eos := testVocab(rng)
			m := NewMasker(mustCompile(t, tt.schema), v, []int32{eos})
			s := oracle(t, tt.schema)
			var schema any
			if err := json.Unmarshal([]byte(tt.schema), &schema); err != nil {
				t.Fatal(err)
			}
			for i := range 120 {
				text := write(rng, sampleOf(rng, schema, schema, 0), i%3)
				if wrong := check(s, []byte(text)); wrong != "" {
					t.Fatalf("the test made %q: %s", text, wrong)
				}
				m.Reset()
				follow := []byte(text)
				for len(follow) > 0 {
					id := randomPrefix(rng, v, follow)
					if !bit(m.Mask(), id) {
						t.Fatalf("%q: token %q is masked before %q", text, v.token(id), follow)
					}
					if err := m.Accept(id); err != nil {
						t.Fatal(err)
					}
					follow = follow[len(v.token(id)):]
				}
				if !m.Done() || !bit(m.Mask(), eos) {
					t.Fatalf("%q: not complete at its end", text)
				}
			}
		})
	}
}

// randomPrefix picks one of the tokens that text begins with.
func randomPrefix(rng *rand.Rand, v *Vocab, text []byte) int32 {
	var ids []int32
	for id := range int32(v.Size()) {
		if t := v.token(id); len(t) > 0 && bytes.HasPrefix(text, t) {
			ids = append(ids, id)
		}
	}
	return ids[rng.IntN(len(ids))]
}

func TestRefuses(t *testing.T) {
	for _, tt := range []struct{ name, schema, want string }{
		{"pattern", `{"type":"string","pattern":"a+"}`, `constrain: schema "#": unsupported keyword "pattern"`},
		{"nested", `{"type":"object","properties":{"a":{"multipleOf":2}}}`, `constrain: schema "#/properties/a": unsupported keyword "multipleOf"`},
		{"not", `{"not":{}}`, `unsupported keyword "not"`},
		{"if", `{"if":{},"then":{}}`, `unsupported keyword "if"`},
		{"uniqueItems", `{"type":"array","uniqueItems":true}`, `unsupported keyword "uniqueItems"`},
		{"number bound", `{"type":"number","maximum":3}`, `unsupported "maximum" of a number`},
		{"remote", `{"$ref":"https://example.com/s.json"}`, `only places in this document`},
		{"nowhere", `{"$ref":"#/$defs/x"}`, `leads nowhere`},
		{"itself", `{"$ref":"#"}`, `refers to itself`},
		{"itself by anyOf", `{"anyOf":[{"type":"null"},{"$ref":"#"}]}`, `refers to itself`},
		{"endless", `{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, `only endless documents`},
		{"endless array", `{"type":"array","items":{"$ref":"#"},"minItems":1}`, `only endless documents`},
		{"false", `false`, `nothing satisfies false`},
		{"no type", `{"type":"strin"}`, `unknown type "strin"`},
		{"empty enum", `{"enum":[]}`, `no value of "enum" has the type`},
		{"enum of other types", `{"type":"string","enum":[1]}`, `no value of "enum" has the type`},
		{"lengths crossed", `{"type":"string","minLength":3,"maxLength":2}`, `"minLength" 3 is above "maxLength" 2`},
		{"bounds crossed", `{"type":"integer","minimum":3,"maximum":2}`, `no integer is within the bounds`},
		{"required but forbidden", `{"type":"object","required":["a"],"additionalProperties":false}`, `"a" is required, but no additional properties are allowed`},
		{"oneOf alike", `{"oneOf":[{"type":"integer"},{"type":"number"}]}`, `may both hold`},
		{"oneOf of open objects", `{"oneOf":[{"type":"object","required":["a"]},{"type":"object","required":["b"]}]}`, `may both hold`},
		{"two mains", `{"anyOf":[{}],"enum":[1]}`, `unsupported combination`},
		{"anyOf and properties", `{"anyOf":[{}],"properties":{}}`, `unsupported combination`},
		{"allOf of two", `{"allOf":[{},{}]}`, `unsupported "allOf" of more than one schema`},
		{"deep", strings.Repeat(`{"items":`, 100) + `{}` + strings.Repeat(`}`, 100), `nested too deeply`},
		{"no schema", `3`, `is integer, not an object`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := jsonvalue.Parse([]byte(tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compile(v)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
				t.Errorf("Compile(%s) error %v, want %q", tt.schema, err, tt.want)
			}
		})
	}
}

func TestIntegersExactly(t *testing.T) {
	for _, tt := range []struct{ low, high int64 }{{0, 0}, {0, 9}, {5, 123}, {-7, 7}, {-130, -99}, {99, 1001}, {-1, 0}, {10, 10}, {-1000, 250}} {
		list := integers(tt.low, tt.high)
		for i := int64(-1500); i <= 1500; i++ {
			if got, want := inTrie(list, fmt.Sprint(i)), tt.low <= i && i <= tt.high; got != want {
				t.Errorf("integers(%d, %d) has %d: %v", tt.low, tt.high, i, got)
			}
		}
		for _, wrong := range []string{"", "-", "-0", "00", "01", "+1", "1.0"} {
			if inTrie(list, wrong) {
				t.Errorf("integers(%d, %d) has %q", tt.low, tt.high, wrong)
			}
		}
	}
	if list := integers(-largestInt, largestInt); len(list) > 400 {
		t.Errorf("all integers take %d nodes", len(list))
	}
}

func inTrie(t trie, text string) bool {
	node := int32(0)
	for i := range len(text) {
		var ok bool
		if node, ok = t.step(node, text[i]); !ok {
			return false
		}
	}
	return t[node].final
}

func TestAccept(t *testing.T) {
	v, eos := testVocab(rand.New(rand.NewPCG(1, 1)))
	m := NewMasker(JSONMode(), v, []int32{eos})
	for _, id := range []int32{-1, '[', eos, int32(v.Size()), 1 << 30} {
		if err := m.Accept(id); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("Accept(%d) at the start: %v", id, err)
		}
	}
	for _, c := range []byte(`{"a":[1]}`) {
		if m.Done() {
			t.Errorf("done before %q", c)
		}
		if err := m.Accept(int32(c)); err != nil {
			t.Fatal(err)
		}
	}
	if got := members(m.Mask(), v.Size()); len(got) != 1 || got[0] != eos {
		t.Errorf("after the document the mask has %v, want EOS %d only", got, eos)
	}
	if err := m.Accept(eos); err != nil || !m.Done() || len(members(m.Mask(), v.Size())) != 0 {
		t.Errorf("after EOS: %v, done %v, mask %v", err, m.Done(), members(m.Mask(), v.Size()))
	}
	if err := m.Accept('{'); err == nil {
		t.Error("a token after EOS is accepted")
	}
	m.Reset()
	if m.Done() || !bit(m.Mask(), '{') {
		t.Error("Reset did not go back to the start")
	}
}

// TestLongDocumentForgets: what is remembered stays bounded, and forgetting
// changes nothing.
func TestLongDocumentForgets(t *testing.T) {
	v, eos := testVocab(rand.New(rand.NewPCG(1, 1)))
	m := NewMasker(mustCompile(t, `{}`), v, []int32{eos})
	for range 20000 {
		if err := m.Accept('['); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.auto.configs); n > maxConfigs+1 {
		t.Errorf("%d configurations", n)
	}
	for range 20000 {
		if m.Done() || !bit(m.Mask(), ']') {
			t.Fatal("the nesting is lost")
		}
		if err := m.Accept(']'); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Done() {
		t.Error("not complete")
	}
}

// FuzzSchema: any schema is refused with a coded error, or its walks satisfy it.
func FuzzSchema(f *testing.F) {
	for i, tt := range schemas {
		f.Add(tt.schema, uint64(i))
	}
	v, eos := testVocab(rand.New(rand.NewPCG(1, 2)))
	f.Fuzz(func(t *testing.T, schema string, seed uint64) {
		doc, err := jsonvalue.Options{MaxBytes: 4096}.Parse([]byte(schema))
		if err != nil {
			return
		}
		g, err := Compile(doc)
		if err != nil {
			if !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
				t.Fatal(err)
			}
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		m := NewMasker(g, v, []int32{eos})
		var text []byte
		for n := 0; ; n++ {
			ids := members(m.Mask(), v.Size())
			if len(ids) == 0 {
				t.Fatalf("dead end after %q", text)
			}
			if n == 400 {
				return
			}
			id := ids[rng.IntN(len(ids))]
			if n > 20 {
				id = finishing(rng, v, ids, m.Mask(), eos)
			}
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
			if id == eos {
				break
			}
			text = append(text, v.token(id)...)
		}
		parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
		if err != nil {
			return
		}
		c := jsonschema.NewCompiler()
		if c.AddResource("schema.json", parsed) != nil {
			return
		}
		if s, err := c.Compile("schema.json"); err == nil {
			if wrong := check(s, text); wrong != "" {
				t.Errorf("schema %s lets through %q: %s", schema, text, wrong)
			}
		}
	})
}
