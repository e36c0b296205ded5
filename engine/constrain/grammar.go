package constrain

import "slices"

// MaxSpace is the longest run of white space between two parts of a document.
// Without a bound a model may go on with spaces for ever; 64 is enough to
// indent sixteen levels by four.
const MaxSpace = 64

// A Grammar is the set of JSON texts a schema allows. It is immutable; several
// Maskers and goroutines may share it.
type Grammar struct {
	root    int32 // into values
	values  []value
	tries   []trie
	lengths []span // of strings, all different; the first is no limit
	objects []object
	arrays  []array
}

// A value is a compiled schema: alternatives, each a sequence of frames.
type value [][]frame

// A span is a range of counts; max -1 is no limit.
type span struct{ min, max int32 }

// grow is n+1 as far as the span can tell counts apart.
func (s span) grow(n int32) int32 {
	if s.max < 0 && n >= s.min {
		return n
	}
	return n + 1
}

// length returns the position of s in lengths.
func (g *Grammar) length(s span) int32 {
	at := slices.Index(g.lengths, s)
	if at < 0 {
		at = len(g.lengths)
		g.lengths = append(g.lengths, s)
	}
	return int32(at)
}

// An object describes an object's members. Declared names come first in the
// order of the schema; required is a subset of them.
type object struct {
	names    []string
	values   []int32 // compiled schema of each name
	keys     []int32 // trie of each name as a JSON string
	required nameSet
	free     int32 // compiled schema of other members, -1: none allowed
	declared int32 // trie of all names without quotes, for free keys to avoid
}

// An array describes an array's items: item i has schema prefix[i], or items.
type array struct {
	prefix []int32
	items  int32 // -1: none allowed after prefix
	count  span
}

// maxNames is how many declared names a nameSet holds.
const maxNames = 128

// A nameSet is a set of positions in object.names.
type nameSet [maxNames / 64]uint64

func (s nameSet) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }

func (s nameSet) with(i int) nameSet {
	s[i/64] |= 1 << (i % 64)
	return s
}

// within reports whether every member of s is in t.
func (s nameSet) within(t nameSet) bool {
	for i := range s {
		if s[i]&^t[i] != 0 {
			return false
		}
	}
	return true
}

// A trie is an acyclic automaton over bytes, node 0 its start: a set of
// literals, or of integers.
type trie []trieNode

type trieNode struct {
	bytes []byte
	next  []int32 // per byte
	final bool
}

func (t trie) step(node int32, c byte) (int32, bool) {
	n := &t[node]
	for i, b := range n.bytes {
		if b == c {
			return n.next[i], true
		}
	}
	return 0, false
}

// add puts a literal into the trie. It is for tries that share no nodes.
func (t *trie) add(text string) {
	if len(*t) == 0 {
		*t = append(*t, trieNode{})
	}
	node := int32(0)
	for i := 0; i < len(text); i++ {
		next, ok := t.step(node, text[i])
		if !ok {
			next = int32(len(*t))
			*t = append(*t, trieNode{})
			n := &(*t)[node]
			n.bytes, n.next = append(n.bytes, text[i]), append(n.next, next)
		}
		node = next
	}
	(*t)[node].final = true
}

func (g *Grammar) addTrie(t trie) int32 {
	g.tries = append(g.tries, t)
	return int32(len(g.tries) - 1)
}

// literals is the alternative of the given texts.
func (g *Grammar) literals(texts ...string) []frame {
	var t trie
	for _, text := range texts {
		t.add(text)
	}
	return []frame{{op: opTrie, a: g.addTrie(t)}}
}
