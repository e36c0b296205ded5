package constrain

// A frame is one symbol on the automaton's stack: something that is still to be
// written. Frames are compared with ==.
type frame struct {
	op   op
	a, b int32
	seen nameSet // names already written, for the object frames
}

type op uint8

const (
	opByte     op = iota // the byte a
	opSpace              // up to a bytes of white space
	opTrie               // the rest of trie a from node b
	opValue              // a value of schema a
	opString             // the rest of a string after its quote: length span a, b = state | count<<8
	opNumber             // the rest of a number: a = allowed forms, b = phase | digits<<8
	opFreeKey            // the rest of a key that is not declared by object a; b = state | (node+1)<<8
	opObjFirst           // after {: a member or }
	opObjKey             // after a comma: a member
	opObjNext            // after a member: , or }
	opArrFirst           // after [: an item or ]
	opArrNext            // after b items: , or ]
)

var space = frame{op: opSpace, a: MaxSpace}

func char(c byte) frame { return frame{op: opByte, a: int32(c)} }

// nullable reports whether nothing more needs to be written for f.
func (g *Grammar) nullable(f frame) bool {
	switch f.op {
	case opSpace:
		return true
	case opTrie:
		return g.tries[f.a][f.b].final
	case opNumber:
		return numberEnds(f.b)
	}
	return false
}

// derive returns what is left of f after the byte c: alternatives, each a
// sequence of frames in the order of writing. None: c cannot come.
func (g *Grammar) derive(f frame, c byte) [][]frame {
	switch f.op {
	case opByte:
		return done(int32(c) == f.a)
	case opSpace:
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return nil
		}
		f.a--
		return rest(f, f.a > 0)
	case opTrie:
		next, ok := g.tries[f.a].step(f.b, c)
		if !ok {
			return nil
		}
		f.b = next
		return rest(f, len(g.tries[f.a][next].bytes) > 0)
	case opString:
		return g.deriveString(f, c)
	case opFreeKey:
		return g.deriveFreeKey(f, c)
	case opNumber:
		b, ok := numberStep(f.a, f.b, c)
		if !ok {
			return nil
		}
		f.b = b
		return rest(f, true)
	}
	var out [][]frame
	for _, alternative := range g.expand(f) {
		out = append(out, g.deriveSequence(alternative, c)...)
	}
	return out
}

var finished = [][]frame{{}}

// done is nothing left, or no way.
func done(ok bool) [][]frame {
	if ok {
		return finished
	}
	return nil
}

// rest is f, or nothing left.
func rest(f frame, more bool) [][]frame {
	if more {
		return [][]frame{{f}}
	}
	return finished
}

func (g *Grammar) deriveSequence(list []frame, c byte) [][]frame {
	var out [][]frame
	for i, f := range list {
		for _, left := range g.derive(f, c) {
			out = append(out, append(append([]frame(nil), left...), list[i+1:]...))
		}
		if !g.nullable(f) {
			break
		}
	}
	return out
}

// expand returns the alternatives of a frame that stands for others.
func (g *Grammar) expand(f frame) [][]frame {
	switch f.op {
	case opValue:
		return g.values[f.a]
	case opObjFirst:
		return append(g.members(f), g.closing(f)...)
	case opObjKey:
		return g.members(f)
	case opObjNext:
		out := g.closing(f)
		if o := &g.objects[f.a]; o.free >= 0 || !o.complete(f.seen) {
			f.op = opObjKey
			out = append(out, []frame{char(','), space, f})
		}
		return out
	case opArrFirst, opArrNext:
		return g.items(f)
	}
	return nil
}

// complete reports whether no declared name is left.
func (o *object) complete(seen nameSet) bool {
	for i := range o.names {
		if !seen.has(i) {
			return false
		}
	}
	return true
}

// members are the keys that may come, each with what follows it.
func (g *Grammar) members(f frame) [][]frame {
	o := &g.objects[f.a]
	var out [][]frame
	for i := range o.names {
		if f.seen.has(i) {
			continue
		}
		next := frame{op: opObjNext, a: f.a, seen: f.seen.with(i)}
		out = append(out, []frame{{op: opTrie, a: o.keys[i]}, space, char(':'), space, {op: opValue, a: o.values[i]}, space, next})
	}
	if o.free >= 0 {
		next := frame{op: opObjNext, a: f.a, seen: f.seen}
		key := frame{op: opFreeKey, a: f.a, b: 1 << 8}
		out = append(out, []frame{char('"'), key, space, char(':'), space, {op: opValue, a: o.free}, space, next})
	}
	return out
}

func (g *Grammar) closing(f frame) [][]frame {
	if g.objects[f.a].required.within(f.seen) {
		return [][]frame{{char('}')}}
	}
	return nil
}

// items is what may follow after f.b items of an array.
func (g *Grammar) items(f frame) [][]frame {
	a := &g.arrays[f.a]
	var out [][]frame
	if f.b >= a.count.min {
		out = append(out, []frame{char(']')})
	}
	item := a.items
	if int(f.b) < len(a.prefix) {
		item = a.prefix[f.b]
	}
	if item < 0 || a.count.max >= 0 && f.b >= a.count.max {
		return out
	}
	count := f.b + 1
	if int(f.b) >= len(a.prefix) {
		count = a.count.grow(f.b)
	}
	more := []frame{{op: opValue, a: item}, space, {op: opArrNext, a: f.a, b: count}}
	if f.op == opArrNext {
		more = append([]frame{char(','), space}, more...)
	}
	return append(out, more)
}
