package constrain

import (
	"slices"

	"pastel/fault"
)

// A shape is what one alternative of a value looks like from outside, to tell
// whether two alternatives can both hold.
type shape struct {
	kind     string // a type, "literal", or "same as" for another value
	literals []string
	value    int32
	object   int32 // into Grammar.objects
}

// An exclusive is a oneOf, checked when everything is compiled.
type exclusive struct {
	id     int32
	values []int32
}

// checkFinite refuses schemas that only endless documents satisfy, values that
// are nothing but themselves, and oneOf of alternatives that may overlap.
func (c *compiler) checkFinite() {
	state := make([]visit, len(c.g.values))
	for id := range c.g.values {
		if c.loops(int32(id), state) {
			c.fail(c.places[id], "refers to itself")
			return
		}
	}
	finite := make([]bool, len(c.g.values))
	for more := true; more; {
		more = false
		for id := range c.g.values {
			if !finite[id] && c.hasFinite(int32(id), finite) {
				finite[id], more = true, true
			}
		}
	}
	for id := range finite {
		if !finite[id] {
			c.fail(c.places[id], "only endless documents satisfy it")
			return
		}
	}
	for _, e := range c.oneOf {
		c.checkExclusive(e)
	}
}

// A visit is how far a walk is with a value.
type visit uint8

const (
	notVisited visit = iota
	visiting
	visited
)

// loops reports whether value id begins with itself.
func (c *compiler) loops(id int32, state []visit) bool {
	if state[id] != notVisited {
		return state[id] == visiting
	}
	state[id] = visiting
	for _, s := range c.shapes[id] {
		if s.kind == "same as" && c.loops(s.value, state) {
			return true
		}
	}
	state[id] = visited
	return false
}

// hasFinite reports whether some alternative of id needs finite values only.
func (c *compiler) hasFinite(id int32, finite []bool) bool {
	for _, alternative := range c.g.values[id] {
		ok := true
		for _, f := range alternative {
			switch f.op {
			case opValue:
				ok = ok && finite[f.a]
			case opObjFirst:
				ok = ok && c.g.objects[f.a].hasFinite(finite)
			case opArrFirst:
				ok = ok && c.g.arrays[f.a].hasFinite(finite)
			}
		}
		if ok {
			return true
		}
	}
	return false
}

func (o *object) hasFinite(finite []bool) bool {
	for i, id := range o.values {
		if o.required.has(i) && !finite[id] {
			return false
		}
	}
	return true
}

func (a *array) hasFinite(finite []bool) bool {
	for i := range int(a.count.min) {
		id := a.items
		if i < len(a.prefix) {
			id = a.prefix[i]
		} else if i > len(a.prefix) {
			break
		}
		if !finite[id] {
			return false
		}
	}
	return true
}

func (c *compiler) checkExclusive(e exclusive) {
	for i, a := range e.values {
		for _, b := range e.values[i+1:] {
			if c.overlap(a, b, 0) {
				c.fail(c.places[e.id], "unsupported \"oneOf\": ", fault.Quote(c.places[a]), " and ", fault.Quote(c.places[b]), " may both hold")
				return
			}
		}
	}
}

// flat appends the shapes of a value without references.
func (c *compiler) flat(out []shape, id int32, seen map[int32]bool) []shape {
	if seen[id] {
		return out
	}
	seen[id] = true
	for _, s := range c.shapes[id] {
		if s.kind == "same as" {
			out = c.flat(out, s.value, seen)
			continue
		}
		out = append(out, s)
	}
	return out
}

// maxOverlap bounds the comparisons made for all oneOf of a schema.
const maxOverlap = 1 << 18

// overlap reports whether some value may satisfy both a and b; true if unsure.
func (c *compiler) overlap(a, b int32, depth int) bool {
	if depth > 4 {
		return true
	}
	for _, x := range c.flat(nil, a, map[int32]bool{}) {
		for _, y := range c.flat(nil, b, map[int32]bool{}) {
			if c.compared++; c.compared > maxOverlap || c.shapesOverlap(x, y, depth) {
				return true
			}
		}
	}
	return false
}

func (c *compiler) shapesOverlap(x, y shape, depth int) bool {
	switch {
	case x.kind == "literal" && y.kind == "literal":
		for _, l := range x.literals {
			if slices.Contains(y.literals, l) {
				return true
			}
		}
		return false
	case x.kind == "literal":
		return literalOf(x.literals, y.kind)
	case y.kind == "literal":
		return literalOf(y.literals, x.kind)
	case x.kind != y.kind:
		return false
	}
	return x.kind != "object" || !c.toldApart(x, y, depth)
}

// literalOf reports whether one of the texts is of a type.
func literalOf(texts []string, kind string) bool {
	for _, t := range texts {
		switch t[0] {
		case '"':
			if kind == "string" {
				return true
			}
		case 't', 'f':
			if kind == "boolean" {
				return true
			}
		case 'n':
			if kind == "null" {
				return true
			}
		default:
			if kind == "number" {
				return true
			}
		}
	}
	return false
}

// toldApart reports whether a property that both require has no common value.
func (c *compiler) toldApart(x, y shape, depth int) bool {
	ox, oy := &c.g.objects[x.object], &c.g.objects[y.object]
	for i, name := range ox.names {
		j := indexOf(oy.names, name)
		if ox.required.has(i) && j >= 0 && oy.required.has(j) && !c.overlap(ox.values[i], oy.values[j], depth+1) {
			return true
		}
		if ox.required.has(i) && j < 0 && oy.free < 0 {
			return true
		}
	}
	for j, name := range oy.names {
		if oy.required.has(j) && indexOf(ox.names, name) < 0 && ox.free < 0 {
			return true
		}
	}
	return false
}
