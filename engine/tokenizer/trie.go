package tokenizer

// trie finds the longest of a set of texts at a position. The zero value holds
// none; it is immutable once built.
type trie struct {
	root  [256]int32 // the node of each first byte, or 0
	nodes []trieNode // node 0 is not used
}

// trieNode is one of a list of siblings.
type trieNode struct {
	label byte
	id    int32 // the text that ends here, or -1
	child int32 // the first child, or 0
	next  int32 // the next sibling, or 0
}

// newTrie builds a trie of tokens[id] for the given ids. No text may be empty.
func newTrie(tokens []string, ids []int32) *trie {
	t := &trie{nodes: make([]trieNode, 1)}
	for _, id := range ids {
		text := tokens[id]
		at := t.root[text[0]]
		if at == 0 {
			at = t.add(text[0], 0)
			t.root[text[0]] = at
		}
		for i := 1; i < len(text); i++ {
			to := t.find(at, text[i])
			if to == 0 {
				to = t.add(text[i], t.nodes[at].child)
				t.nodes[at].child = to
			}
			at = to
		}
		t.nodes[at].id = id
	}
	return t
}

func (t *trie) add(label byte, next int32) int32 {
	t.nodes = append(t.nodes, trieNode{label: label, id: -1, next: next})
	return int32(len(t.nodes) - 1)
}

// find returns the child of a node, or 0.
func (t *trie) find(at int32, label byte) int32 {
	for to := t.nodes[at].child; to != 0; to = t.nodes[to].next {
		if t.nodes[to].label == label {
			return to
		}
	}
	return 0
}

// first returns the leftmost, then longest, text of the set in s: its span and
// id, or len(s), len(s), -1.
func (t *trie) first(s string) (start, end int, id int32) {
	for i := range len(s) {
		if t.root[s[i]] == 0 {
			continue
		}
		if n, id := t.longest(s[i:]); n > 0 {
			return i, i + n, id
		}
	}
	return len(s), len(s), -1
}

// longest returns the length and id of the longest text that s begins with.
func (t *trie) longest(s string) (n int, id int32) {
	id = -1
	if s == "" {
		return 0, id
	}
	at := t.root[s[0]]
	for i := 1; at != 0; i++ {
		if t.nodes[at].id >= 0 {
			n, id = i, t.nodes[at].id
		}
		if i == len(s) {
			break
		}
		at = t.find(at, s[i])
	}
	return n, id
}
