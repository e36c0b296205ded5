package constrain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
)

// sampleOf makes a random value that satisfies a schema of the subset.
func sampleOf(rng *rand.Rand, schema, root any, depth int) any {
	s, ok := schema.(map[string]any)
	if !ok || len(s) == 0 {
		return anySample(rng, depth)
	}
	if ref, ok := s["$ref"].(string); ok {
		target := root
		for _, name := range strings.Split(ref, "/")[1:] {
			name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
			if list, ok := target.([]any); ok {
				var i int
				fmt.Sscan(name, &i)
				target = list[i]
				continue
			}
			target = target.(map[string]any)[name]
		}
		return sampleOf(rng, target, root, depth)
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := s[key].([]any); ok {
			if depth > 6 {
				return sampleOf(rng, list[0], root, depth)
			}
			return sampleOf(rng, list[rng.IntN(len(list))], root, depth)
		}
	}
	if c, ok := s["const"]; ok {
		return c
	}
	types := []string{"null", "boolean", "number", "string", "array", "object"}
	switch t := s["type"].(type) {
	case string:
		types = []string{t}
	case []any:
		types = nil
		for _, x := range t {
			types = append(types, x.(string))
		}
	}
	if list, ok := s["enum"].([]any); ok {
		for {
			x := list[rng.IntN(len(list))]
			if _, isString := x.(string); s["type"] == nil || isString == (s["type"] == "string") {
				return x
			}
		}
	}
	return typedSample(rng, types[rng.IntN(len(types))], s, root, depth)
}

func typedSample(rng *rand.Rand, name string, s map[string]any, root any, depth int) any {
	number := func(key string, otherwise float64) float64 {
		if f, ok := s[key].(float64); ok {
			return f
		}
		return otherwise
	}
	switch name {
	case "null":
		return nil
	case "boolean":
		return rng.IntN(2) == 0
	case "integer":
		low := math.Ceil(max(number("minimum", -1e6), number("exclusiveMinimum", -1e7)+1))
		high := math.Floor(min(number("maximum", max(low, 0)+1e6), number("exclusiveMaximum", 1e7)-1))
		return low + float64(rng.Int64N(int64(high-low)+1))
	case "number":
		f := math.Round(rng.NormFloat64()*1000) / math.Pow(10, float64(rng.IntN(8)))
		if rng.IntN(4) == 0 {
			f *= math.Pow(10, float64(rng.IntN(160)-80))
		}
		if _, ok := s["minimum"]; ok {
			f = math.Abs(f)
		}
		return f
	case "string":
		low := int(number("minLength", 0))
		high := int(number("maxLength", float64(low+12)))
		letters := []rune("abc XYZ019\"\\/\n\t\u0001\u007fé日😀<&\u2028")
		var out []rune
		for range low + rng.IntN(high-low+1) {
			out = append(out, letters[rng.IntN(len(letters))])
		}
		return string(out)
	case "array":
		return arraySample(rng, s, root, depth, number)
	}
	return objectSample(rng, s, root, depth)
}

func arraySample(rng *rand.Rand, s map[string]any, root any, depth int, number func(string, float64) float64) any {
	prefix, _ := s["prefixItems"].([]any)
	n := int(number("minItems", 0))
	most := int(number("maxItems", float64(n+3)))
	if s["items"] == false {
		most = min(most, len(prefix))
	}
	if depth < 6 {
		n += rng.IntN(most - n + 1)
	}
	out := []any{}
	for i := range n {
		if i < len(prefix) {
			out = append(out, sampleOf(rng, prefix[i], root, depth+1))
			continue
		}
		out = append(out, sampleOf(rng, s["items"], root, depth+1))
	}
	return out
}

func objectSample(rng *rand.Rand, s map[string]any, root any, depth int) any {
	out := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required := map[string]bool{}
	list, _ := s["required"].([]any)
	for _, name := range list {
		required[name.(string)] = true
		if properties[name.(string)] == nil {
			out[name.(string)] = sampleOf(rng, s["additionalProperties"], root, depth+1)
		}
	}
	for name, schema := range properties {
		if required[name] || depth < 5 && rng.IntN(2) == 0 {
			out[name] = sampleOf(rng, schema, root, depth+1)
		}
	}
	if s["additionalProperties"] != false && depth < 5 {
		for range rng.IntN(3) {
			name := []string{"", "k", "a", "ab", "é\n", "long key", "\"q\""}[rng.IntN(7)]
			if _, taken := out[name]; !taken && properties[name] == nil {
				out[name] = sampleOf(rng, s["additionalProperties"], root, depth+1)
			}
		}
	}
	return out
}

func anySample(rng *rand.Rand, depth int) any {
	n := 6
	if depth > 3 {
		n = 4
	}
	return typedSample(rng, []string{"null", "boolean", "number", "string", "array", "object"}[rng.IntN(n)], map[string]any{}, nil, depth+1)
}

// write spells a value as JSON with random white space and random order of keys.
func write(rng *rand.Rand, v any, style int) string {
	gap := func() string {
		switch style {
		case 0:
			return ""
		case 1:
			return " "
		}
		return []string{"", " ", "\n", "\n\t", "\r\n    ", strings.Repeat(" ", MaxSpace)}[rng.IntN(6)]
	}
	switch v := v.(type) {
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, gap()+write(rng, x, style)+gap())
		}
		if len(parts) == 0 {
			return "[" + gap() + "]"
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		var parts []string
		for _, k := range keys {
			parts = append(parts, gap()+spell(k)+gap()+":"+gap()+write(rng, v[k], style)+gap())
		}
		if len(parts) == 0 {
			return "{" + gap() + "}"
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return spell(v)
}

func spell(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), `\u2028`, "\u2028") // its one spelling that is not the shortest
}
