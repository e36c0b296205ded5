package constrain

import "slices"

// An automaton runs a grammar. Its state is a configuration: a set of stacks of
// frames, any of which may turn out to be what is being written. Frames, stacks
// and configurations are interned, so that a state is one number and a step,
// once computed, one lookup.
type automaton struct {
	g        *Grammar
	frames   []frame
	frameIDs map[frame]int32
	stacks   []stack
	stackIDs map[stack]int32
	configs  []config
	byStacks map[string]int32
	derived  map[uint64][][]int32 // by frame id and byte
	key      []byte               // scratch
	set      []int32              // scratch
}

// A stack is a frame on top of another stack; stack 0 is empty.
type stack struct{ top, rest int32 }

// A config is a set of stacks in ascending order; config 0 is the empty set,
// from which nothing can be written. next is filled as bytes are tried.
type config struct {
	stacks []int32
	next   *[256]int32 // config + 1, 0: not known yet
	done   bool        // some stack needs nothing more
}

// maxConfigs is how many configurations are kept before all but the current one
// are dropped: at 1 KB of transitions each, 8 MB.
const maxConfigs = 8192

func newAutomaton(g *Grammar) *automaton {
	a := &automaton{g: g, frameIDs: map[frame]int32{}, derived: map[uint64][][]int32{}}
	a.forget()
	return a
}

// forget drops all stacks and configurations.
func (a *automaton) forget() {
	a.stacks, a.stackIDs = []stack{{}}, map[stack]int32{}
	a.configs, a.byStacks = nil, map[string]int32{}
	a.config(nil)
}

func (a *automaton) frame(f frame) int32 {
	id, ok := a.frameIDs[f]
	if !ok {
		id = int32(len(a.frames))
		a.frames = append(a.frames, f)
		a.frameIDs[f] = id
	}
	return id
}

func (a *automaton) push(top, rest int32) int32 {
	s := stack{top, rest}
	id, ok := a.stackIDs[s]
	if !ok {
		id = int32(len(a.stacks))
		a.stacks = append(a.stacks, s)
		a.stackIDs[s] = id
	}
	return id
}

// maxStacks is how many stacks a configuration keeps. Only a schema whose
// alternatives stay alike over many levels reaches it; then some of what the
// schema allows is no longer offered, but nothing else is.
const maxStacks = 512

// config interns a set of stacks, which it may reorder.
func (a *automaton) config(set []int32) int32 {
	slices.Sort(set)
	set = slices.Compact(set)
	set = set[:min(len(set), maxStacks)]
	a.key = a.key[:0]
	for _, s := range set {
		a.key = append(a.key, byte(s), byte(s>>8), byte(s>>16), byte(s>>24))
	}
	if id, ok := a.byStacks[string(a.key)]; ok {
		return id
	}
	id := int32(len(a.configs))
	c := config{stacks: slices.Clone(set), next: new([256]int32)}
	for _, s := range set {
		c.done = c.done || a.empties(s)
	}
	a.configs = append(a.configs, c)
	a.byStacks[string(a.key)] = id
	return id
}

// empties reports whether nothing more needs to be written for stack s.
func (a *automaton) empties(s int32) bool {
	for s != 0 {
		if !a.g.nullable(a.frames[a.stacks[s].top]) {
			return false
		}
		s = a.stacks[s].rest
	}
	return true
}

// step returns the configuration after the byte c.
func (a *automaton) step(id int32, c byte) int32 {
	if n := a.configs[id].next[c]; n != 0 {
		return n - 1
	}
	set := a.set[:0]
	for _, s := range a.configs[id].stacks {
		set = a.stepStack(set, s, c)
	}
	a.set = set
	n := a.config(set)
	a.configs[id].next[c] = n + 1
	return n
}

// stepStack appends what stack s can be after c. A frame that may end lets the
// one below it have the byte.
func (a *automaton) stepStack(set []int32, s int32, c byte) []int32 {
	for s != 0 {
		top, rest := a.stacks[s].top, a.stacks[s].rest
		for _, left := range a.derive(top, c) {
			to := rest
			for i := len(left) - 1; i >= 0; i-- {
				to = a.push(left[i], to)
			}
			set = append(set, to)
		}
		if !a.g.nullable(a.frames[top]) {
			break
		}
		s = rest
	}
	return set
}

func (a *automaton) derive(f int32, c byte) [][]int32 {
	key := uint64(f)<<8 | uint64(c)
	if out, ok := a.derived[key]; ok {
		return out
	}
	var out [][]int32
	for _, list := range a.g.derive(a.frames[f], c) {
		ids := make([]int32, len(list))
		for i, left := range list {
			ids[i] = a.frame(left)
		}
		out = append(out, ids)
	}
	a.derived[key] = out
	return out
}

// keepOnly forgets everything but configuration id, and returns its new number.
func (a *automaton) keepOnly(id int32) int32 {
	var lists [][]int32
	for _, s := range a.configs[id].stacks {
		var list []int32
		for ; s != 0; s = a.stacks[s].rest {
			list = append(list, a.stacks[s].top)
		}
		lists = append(lists, list)
	}
	a.forget()
	var set []int32
	for _, list := range lists {
		s := int32(0)
		for i := len(list) - 1; i >= 0; i-- {
			s = a.push(list[i], s)
		}
		set = append(set, s)
	}
	return a.config(set)
}
