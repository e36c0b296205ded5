package tokenizer

import "slices"

// trie finds the longest of a set of texts at a position. The zero value holds
// none; it is immutable once built.
//
// Nodes are laid out so that the children of one node are neighbours, sorted by
// label.
type trie struct {
	nodes []trieNode
	first [256]bool // bytes that begin some text
}

type trieNode struct {
	label  byte
	id     int32 // the text that ends here, or -1
	lo, hi int32 // children
}

// newTrie builds a trie of tokens[id] for the given ids.
func newTrie(tokens []string, ids []int32) trie {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b int32) int { return compare(tokens[a], tokens[b]) })
	t := trie{nodes: []trieNode{{id: -1}}}
	// Breadth first: span[i] are the sorted ids below node i.
	spans := [][]int32{ids}
	depths := []int{0}
	for i := 0; i < len(t.nodes); i++ {
		span, depth := spans[i], depths[i]
		if len(span) > 0 && len(tokens[span[0]]) == depth {
			t.nodes[i].id = span[0]
			span = span[1:]
		}
		t.nodes[i].lo = int32(len(t.nodes))
		for len(span) > 0 {
			label := tokens[span[0]][depth]
			n := 1
			for n < len(span) && tokens[span[n]][depth] == label {
				n++
			}
			t.nodes = append(t.nodes, trieNode{label: label, id: -1})
			spans = append(spans, span[:n])
			depths = append(depths, depth+1)
			span = span[n:]
		}
		t.nodes[i].hi = int32(len(t.nodes))
	}
	for _, child := range t.nodes[t.nodes[0].lo:t.nodes[0].hi] {
		t.first[child.label] = true
	}
	return t
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// find returns the leftmost, then longest, text of the set in s: its span and
// id, or len(s), len(s), -1.
func (t *trie) find(s string) (start, end int, id int32) {
	if len(t.nodes) < 2 {
		return len(s), len(s), -1
	}
	for i := 0; i < len(s); i++ {
		if !t.first[s[i]] {
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
	node := &t.nodes[0]
	for i := 0; i < len(s); i++ {
		node = t.child(node, s[i])
		if node == nil {
			break
		}
		if node.id >= 0 {
			n, id = i+1, node.id
		}
	}
	return n, id
}

// child is a binary search among neighbours.
func (t *trie) child(node *trieNode, label byte) *trieNode {
	lo, hi := node.lo, node.hi
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := t.nodes[mid].label; {
		case c == label:
			return &t.nodes[mid]
		case c < label:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil
}
