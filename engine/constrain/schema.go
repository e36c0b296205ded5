package constrain

import (
	"slices"
	"strings"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// Limits of a schema. Real ones are far below.
const (
	maxValues  = 10000 // compiled schemas
	maxNesting = 64    // of a schema in itself, references apart
	maxCount   = 1 << 16
)

// Compile makes the grammar of a JSON Schema.
//
// Errors: fault.BadRequest with the place in the schema: a keyword outside the
// subset, a schema nothing satisfies, or nothing finite.
func Compile(schema jsonvalue.Value) (*Grammar, error) {
	c := compiler{g: &Grammar{lengths: []span{{0, -1}}}, document: schema, references: map[string]int32{}, any: -1}
	c.g.root = c.schema(schema, "#")
	if c.err == nil {
		c.checkFinite()
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.g, nil
}

// JSONMode is the grammar of any JSON object.
func JSONMode() *Grammar {
	g, err := Compile(jsonvalue.OfObject([]jsonvalue.Member{{Key: "type", Value: jsonvalue.OfString("object")}}))
	if err != nil {
		panic("constrain: " + err.Error())
	}
	return g
}

// compiler turns schemas into values. After the first failure err is set.
type compiler struct {
	g          *Grammar
	document   jsonvalue.Value
	references map[string]int32 // values by $ref
	shapes     [][]shape        // per value, what its alternatives are, for oneOf
	places     []string         // per value, where it stands in the document
	oneOf      []exclusive
	any        int32 // the value of an empty schema, -1 before it is needed
	depth      int
	compared   int // alternatives compared for oneOf
	err        error
}

func (c *compiler) fail(place string, parts ...any) {
	if c.err == nil {
		c.err = fault.New(fault.BadRequest, append([]any{"constrain: schema ", fault.Quote(place), ": "}, parts...)...)
	}
}

// reserve makes an empty value; define fills it.
func (c *compiler) reserve(place string) int32 {
	if len(c.g.values) >= maxValues {
		c.fail(place, "more than ", maxValues, " schemas")
		return 0
	}
	c.g.values = append(c.g.values, nil)
	c.shapes = append(c.shapes, nil)
	c.places = append(c.places, place)
	return int32(len(c.g.values) - 1)
}

// alternative adds a way to write value id.
func (c *compiler) alternative(id int32, s shape, list ...frame) {
	c.g.values[id] = append(c.g.values[id], list)
	c.shapes[id] = append(c.shapes[id], s)
}

// schema compiles s and returns its value.
func (c *compiler) schema(s jsonvalue.Value, place string) int32 {
	if c.err != nil {
		return 0
	}
	if c.depth++; c.depth > maxNesting {
		c.fail(place, "nested too deeply")
	}
	defer func() { c.depth-- }()
	if b, ok := s.Bool(); ok {
		if !b {
			c.fail(place, "nothing satisfies false")
		}
		return c.anything(place)
	}
	members, ok := s.Object()
	if !ok {
		c.fail(place, "is ", s.Kind(), ", not an object")
		return 0
	}
	if len(members) == 0 {
		return c.anything(place)
	}
	id := c.reserve(place)
	if place == "#" {
		c.references[place] = id
	}
	c.compileInto(id, s, place)
	return id
}

// anything is the value of {}.
func (c *compiler) anything(place string) int32 {
	if c.any >= 0 {
		return c.any
	}
	c.any = c.reserve(place)
	for _, t := range typeNames {
		c.typed(c.any, t, jsonvalue.Value{}, place)
	}
	return c.any
}

// silent keywords say nothing about validity, or hold schemas for $ref.
var silent = []string{"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated",
	"readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType"}

// byType are the keywords that constrain values of one type.
var byType = map[string][]string{
	"object": {"properties", "required", "additionalProperties"},
	"array":  {"items", "prefixItems", "minItems", "maxItems"},
	"string": {"minLength", "maxLength"},
	"number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}

var typeNames = []string{"null", "boolean", "number", "string", "array", "object"}

// compileInto compiles a schema with at least one keyword.
func (c *compiler) compileInto(id int32, s jsonvalue.Value, place string) {
	members, _ := s.Object()
	main := "" // the keyword that defines the value by other means than types
	constrains := false
	for _, m := range members {
		switch {
		case slices.Contains(silent, m.Key) || m.Key == "type":
		case slices.Contains([]string{"$ref", "enum", "const", "anyOf", "oneOf", "allOf"}, m.Key):
			if main != "" {
				c.fail(place, "unsupported combination of ", fault.Quote(main), " and ", fault.Quote(m.Key))
			}
			main = m.Key
		case knownByType(m.Key):
			constrains = true
		default:
			c.fail(place, "unsupported keyword ", fault.Quote(m.Key))
		}
	}
	if main != "" && constrains {
		c.fail(place, "unsupported combination of ", fault.Quote(main), " and keywords of a type")
	}
	if c.err == nil {
		c.dispatch(id, main, s, place)
	}
}

func knownByType(key string) bool {
	for _, keys := range byType {
		if slices.Contains(keys, key) {
			return true
		}
	}
	return false
}

func (c *compiler) dispatch(id int32, main string, s jsonvalue.Value, place string) {
	operand, _ := s.Get(main)
	_, typed := s.Get("type")
	switch main {
	case "enum", "const":
		c.enum(id, main, operand, c.types(s, place), place)
		return
	case "":
		for _, t := range c.types(s, place) {
			c.typed(id, t, s, place)
		}
		return
	}
	if typed {
		c.fail(place, "unsupported combination of \"type\" and ", fault.Quote(main))
		return
	}
	switch main {
	case "$ref":
		c.union(id, []int32{c.reference(operand, place)})
	case "allOf":
		list := c.list(operand, place+"/allOf")
		if len(list) != 1 {
			c.fail(place, "unsupported \"allOf\" of more than one schema")
		}
		c.union(id, list)
	default:
		list := c.list(operand, place+"/"+main)
		if main == "oneOf" {
			c.oneOf = append(c.oneOf, exclusive{id, list})
		}
		c.union(id, list)
	}
}

// union makes value id the alternative of others.
func (c *compiler) union(id int32, others []int32) {
	for _, other := range others {
		c.alternative(id, shape{kind: "same as", value: other}, frame{op: opValue, a: other})
	}
}

// list compiles an array of schemas.
func (c *compiler) list(v jsonvalue.Value, place string) []int32 {
	items, ok := v.Array()
	if !ok || len(items) == 0 {
		c.fail(place, "is no array of schemas")
	}
	var ids []int32
	for i, item := range items {
		ids = append(ids, c.schema(item, join(place, i)))
	}
	return ids
}

// types are the types s allows; without the keyword, all of them.
func (c *compiler) types(s jsonvalue.Value, place string) []string {
	v, ok := s.Get("type")
	if !ok {
		return typeNames
	}
	items, isList := v.Array()
	if !isList {
		items = []jsonvalue.Value{v}
	}
	var names []string
	for _, item := range items {
		name, _ := item.String()
		if !slices.Contains(typeNames, name) && name != "integer" {
			c.fail(place, "unknown type ", fault.Quote(name))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		c.fail(place, "no type")
	}
	if slices.Contains(names, "number") && slices.Contains(names, "integer") { // every integer is a number
		names = without(names, "integer")
	}
	return names
}

func without(list []string, s string) []string {
	var out []string
	for _, x := range list {
		if x != s {
			out = append(out, x)
		}
	}
	return out
}

// reference resolves a $ref inside the document and compiles it once.
func (c *compiler) reference(v jsonvalue.Value, place string) int32 {
	ref, _ := v.String()
	if id, ok := c.references[ref]; ok {
		return id
	}
	target, ok := c.document, ref == "#" || strings.HasPrefix(ref, "#/")
	if !ok {
		c.fail(place, "unsupported \"$ref\" ", fault.Quote(ref), ": only places in this document")
		return 0
	}
	for _, name := range strings.Split(ref, "/")[1:] {
		if ok {
			target, ok = follow(target, name)
		}
	}
	if !ok {
		c.fail(place, "\"$ref\" ", fault.Quote(ref), " leads nowhere")
		return 0
	}
	members, isObject := target.Object()
	if !isObject || len(members) == 0 {
		return c.schema(target, ref)
	}
	id := c.reserve(ref)
	c.references[ref] = id
	c.compileInto(id, target, ref)
	return id
}

// follow takes one step of a JSON pointer (RFC 6901).
func follow(v jsonvalue.Value, name string) (jsonvalue.Value, bool) {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	if items, ok := v.Array(); ok {
		for i := range items {
			if join("", i) == "/"+name {
				return items[i], true
			}
		}
		return v, false
	}
	return v.Get(name)
}
