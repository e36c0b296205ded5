package constrain

import (
	"math"
	"strconv"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

func join(place string, i int) string { return place + "/" + strconv.Itoa(i) }

// typed adds the alternatives of one type, under the keywords of s.
func (c *compiler) typed(id int32, name string, s jsonvalue.Value, place string) {
	if c.err != nil {
		return
	}
	switch name {
	case "null":
		c.alternative(id, shape{kind: name}, c.g.literals("null")...)
	case "boolean":
		c.alternative(id, shape{kind: name}, c.g.literals("true", "false")...)
	case "integer":
		c.integer(id, s, place)
	case "number":
		c.number(id, s, place)
	case "string":
		length := c.span(s, "minLength", "maxLength", place)
		c.alternative(id, shape{kind: name}, char('"'), frame{op: opString, a: c.g.length(length)})
	case "array":
		c.array(id, s, place)
	case "object":
		c.object(id, s, place)
	}
}

// span reads a pair of keywords that count.
func (c *compiler) span(s jsonvalue.Value, least, most, place string) span {
	out := span{0, -1}
	for _, k := range []struct {
		name string
		to   *int32
	}{{least, &out.min}, {most, &out.max}} {
		v, ok := s.Get(k.name)
		if !ok {
			continue
		}
		n, ok := v.Int()
		if !ok || n < 0 || n > maxCount {
			c.fail(place, fault.Quote(k.name), " is no integer from 0 to ", maxCount)
		}
		*k.to = int32(n)
	}
	if out.max >= 0 && out.min > out.max {
		c.fail(place, fault.Quote(least), " ", out.min, " is above ", fault.Quote(most), " ", out.max)
	}
	return out
}

// integer adds integers, within bounds if there are any.
func (c *compiler) integer(id int32, s jsonvalue.Value, place string) {
	low, high, bounded := c.bounds(s, place)
	if !bounded {
		c.alternative(id, shape{kind: "number"}, frame{op: opNumber, a: formNegative})
		return
	}
	if low > high {
		c.fail(place, "no integer is within the bounds")
		return
	}
	t := frame{op: opTrie, a: c.g.addTrie(integers(low, high))}
	c.alternative(id, shape{kind: "number"}, t)
}

// bounds reads the limits of integers.
func (c *compiler) bounds(s jsonvalue.Value, place string) (low, high int64, bounded bool) {
	low, high = -largestInt, largestInt
	for _, k := range byType["number"] {
		v, ok := s.Get(k)
		if !ok {
			continue
		}
		f, ok := v.Float()
		if !ok {
			c.fail(place, fault.Quote(k), " is no number")
		}
		bounded = true
		exact, isInt := v.Int()
		if !isInt {
			exact = int64(math.Floor(math.Max(-2*largestInt, math.Min(2*largestInt, f))))
		}
		exact = max(-2*largestInt, min(2*largestInt, exact))
		switch {
		case k == "minimum" && !isInt, k == "exclusiveMinimum":
			low = max(low, exact+1)
		case k == "minimum":
			low = max(low, exact)
		case k == "exclusiveMaximum" && isInt:
			high = min(high, exact-1)
		default:
			high = min(high, exact)
		}
	}
	return low, high, bounded
}

// number adds numbers of any form; of bounds it knows minimum 0.
func (c *compiler) number(id int32, s jsonvalue.Value, place string) {
	forms := formNegative | formFraction
	for _, k := range byType["number"] {
		v, ok := s.Get(k)
		if !ok {
			continue
		}
		if f, isNumber := v.Float(); k != "minimum" || !isNumber || f != 0 {
			c.fail(place, "unsupported ", fault.Quote(k), " of a number (of an integer it is supported)")
		}
		forms = formFraction
	}
	c.alternative(id, shape{kind: "number"}, frame{op: opNumber, a: forms})
}

func (c *compiler) array(id int32, s jsonvalue.Value, place string) {
	a := array{count: c.span(s, "minItems", "maxItems", place)}
	if v, ok := s.Get("prefixItems"); ok {
		a.prefix = c.list(v, place+"/prefixItems")
	}
	switch v, ok := s.Get("items"); {
	case !ok:
		a.items = c.anything(place)
	default:
		if b, isBool := v.Bool(); isBool && !b {
			a.items = -1
			break
		}
		a.items = c.schema(v, place+"/items")
	}
	if a.items < 0 && int(a.count.min) > len(a.prefix) {
		c.fail(place, "\"minItems\" ", a.count.min, " is above the ", len(a.prefix), " items allowed")
	}
	c.g.arrays = append(c.g.arrays, a)
	c.alternative(id, shape{kind: "array"}, char('['), space, frame{op: opArrFirst, a: int32(len(c.g.arrays) - 1)})
}

func (c *compiler) object(id int32, s jsonvalue.Value, place string) {
	o := object{free: -1}
	switch v, ok := s.Get("additionalProperties"); {
	case !ok:
		o.free = c.anything(place)
	default:
		if b, isBool := v.Bool(); !isBool || b {
			o.free = c.schema(v, place+"/additionalProperties")
		}
	}
	if v, ok := s.Get("properties"); ok {
		c.properties(&o, v, place+"/properties")
	}
	if v, ok := s.Get("required"); ok {
		c.required(&o, v, place+"/required")
	}
	if len(o.names) > maxNames {
		c.fail(place, "more than ", maxNames, " properties")
		return
	}
	c.finishObject(id, o)
}

// finishObject makes the tries of an object's names.
func (c *compiler) finishObject(id int32, o object) {
	declared := trie{{}}
	for _, name := range o.names {
		spelled := string(jsonvalue.AppendString(nil, name, false))
		declared.add(spelled[1 : len(spelled)-1])
		o.keys = append(o.keys, c.g.literals(spelled)[0].a)
	}
	o.declared = c.g.addTrie(declared)
	c.g.objects = append(c.g.objects, o)
	at := int32(len(c.g.objects) - 1)
	c.alternative(id, shape{kind: "object", object: at}, char('{'), space, frame{op: opObjFirst, a: at})
}

// properties declares names.
func (c *compiler) properties(o *object, v jsonvalue.Value, place string) {
	members, ok := v.Object()
	if !ok {
		c.fail(place, "is no object")
	}
	for _, m := range members {
		id := c.schema(m.Value, place+"/"+m.Key)
		o.names = append(o.names, m.Key)
		o.values = append(o.values, id)
	}
}

// required marks names; one that is not declared is declared with the schema of
// additional members.
func (c *compiler) required(o *object, v jsonvalue.Value, place string) {
	items, ok := v.Array()
	if !ok {
		c.fail(place, "is no array")
	}
	for _, item := range items {
		name, ok := item.String()
		if !ok {
			c.fail(place, "names ", item.Kind())
			return
		}
		at := indexOf(o.names, name)
		if at < 0 {
			if o.free < 0 {
				c.fail(place, fault.Quote(name), " is required, but no additional properties are allowed")
				return
			}
			at = len(o.names)
			o.names = append(o.names, name)
			o.values = append(o.values, o.free)
		}
		if at < maxNames {
			o.required = o.required.with(at)
		}
	}
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}
