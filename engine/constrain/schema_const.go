package constrain

import (
	"slices"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// enum adds the listed values that have one of types.
func (c *compiler) enum(id int32, keyword string, v jsonvalue.Value, types []string, place string) {
	items := []jsonvalue.Value{v}
	if keyword == "enum" {
		items, _ = v.Array()
	}
	var plain []string
	for _, item := range items {
		if !hasType(item, types) {
			continue
		}
		switch item.Kind() {
		case jsonvalue.KindArray:
			c.constArray(id, item, place)
		case jsonvalue.KindObject:
			c.constObject(id, item, place)
		default:
			plain = append(plain, string(jsonvalue.Append(nil, item, jsonvalue.Style{})))
		}
	}
	if len(plain) > 0 {
		c.alternative(id, shape{kind: "literal", literals: plain}, c.g.literals(plain...)...)
	}
	if len(c.g.values[id]) == 0 {
		c.fail(place, "no value of ", fault.Quote(keyword), " has the type")
	}
}

func hasType(v jsonvalue.Value, types []string) bool {
	switch v.Kind() {
	case jsonvalue.KindNull:
		return slices.Contains(types, "null")
	case jsonvalue.KindBool:
		return slices.Contains(types, "boolean")
	case jsonvalue.KindInt, jsonvalue.KindFloat:
		_, isInt := v.Int()
		return slices.Contains(types, "number") || isInt && slices.Contains(types, "integer")
	}
	return slices.Contains(types, v.Kind().String())
}

// constant compiles one value.
func (c *compiler) constant(v jsonvalue.Value, place string) int32 {
	if c.depth++; c.depth > maxNesting {
		c.fail(place, "nested too deeply")
	}
	defer func() { c.depth-- }()
	id := c.reserve(place)
	if c.err == nil {
		c.enum(id, "const", v, typeNames, place)
	}
	return id
}

func (c *compiler) constArray(id int32, v jsonvalue.Value, place string) {
	items, _ := v.Array()
	n := int32(len(items))
	a := array{items: -1, count: span{n, n}}
	for _, item := range items {
		a.prefix = append(a.prefix, c.constant(item, place))
	}
	c.g.arrays = append(c.g.arrays, a)
	c.alternative(id, shape{kind: "array"}, char('['), space, frame{op: opArrFirst, a: int32(len(c.g.arrays) - 1)})
}

func (c *compiler) constObject(id int32, v jsonvalue.Value, place string) {
	members, _ := v.Object()
	if len(members) > maxNames {
		c.fail(place, "more than ", maxNames, " properties")
		return
	}
	o := object{free: -1}
	for i, m := range members {
		o.names = append(o.names, m.Key)
		o.values = append(o.values, c.constant(m.Value, place))
		o.required = o.required.with(i)
	}
	c.finishObject(id, o)
}
