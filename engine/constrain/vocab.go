package constrain

import (
	"bytes"
	"cmp"
	"slices"
)

// A Vocab is a vocabulary as a trie of bytes, in preorder: the nodes below node
// i are those after it up to skip[i]. It is immutable; one serves all Maskers of
// a model.
type Vocab struct {
	size  int
	bytes []byte  // [nodes] the byte on the edge to the node; node 0 is the root
	depth []int32 // [nodes] length of the prefix
	skip  []int32 // [nodes]
	first []int32 // [nodes+1] tokens[first[i]:first[i+1]] end at node i
	ids   []int32 // token ids

	text    []byte  // the tokens' bytes, by id
	start   []int32 // [size+1] token id is text[start[id]:start[id+1]]
	longest int32   // bytes of the longest token
}

// NewVocab builds the trie of a vocabulary of n tokens. text returns a token's
// bytes; a token without bytes (a control token) is never allowed.
func NewVocab(n int, text func(id int32) []byte) *Vocab {
	v := &Vocab{size: n, start: make([]int32, 1, n+1)}
	order := make([]int32, 0, n)
	for id := range int32(n) {
		v.text = append(v.text, text(id)...)
		v.start = append(v.start, int32(len(v.text)))
		if size := v.start[id+1] - v.start[id]; size > 0 {
			order = append(order, id)
			v.longest = max(v.longest, size)
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(bytes.Compare(v.token(a), v.token(b)), cmp.Compare(a, b))
	})
	v.addNode(0, 0)
	var open []int32 // the nodes on the path to the last token
	var last []byte
	for _, id := range order {
		t := v.token(id)
		open = v.close(open, commonPrefix(last, t))
		for i := len(open); i < len(t); i++ {
			open = append(open, v.addNode(t[i], int32(i+1)))
		}
		v.ids = append(v.ids, id)
		last = t
	}
	v.close(open, 0)
	v.skip[0] = int32(len(v.bytes))
	v.first = append(v.first, int32(len(v.ids)))
	return v
}

// Size is the number of tokens, with those that have no bytes.
func (v *Vocab) Size() int { return v.size }

// token is the bytes of a token, empty for one that is never allowed.
func (v *Vocab) token(id int32) []byte { return v.text[v.start[id]:v.start[id+1]] }

func (v *Vocab) addNode(c byte, depth int32) int32 {
	v.bytes = append(v.bytes, c)
	v.depth = append(v.depth, depth)
	v.skip = append(v.skip, 0)
	v.first = append(v.first, int32(len(v.ids)))
	return int32(len(v.bytes) - 1)
}

// close ends the nodes on the path beyond the first keep.
func (v *Vocab) close(open []int32, keep int) []int32 {
	for _, node := range open[keep:] {
		v.skip[node] = int32(len(v.bytes))
	}
	return open[:keep]
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// leaf reports whether no longer token begins with node's prefix.
func (v *Vocab) leaf(node int32) bool { return v.skip[node] == node+1 }
