package stop

// automaton is a trie of the stop strings in which every node knows where to go
// on when no edge fits. Node 0 is the root.
type automaton []node

type node struct {
	edges []edge
	fail  int32 // the node of the longest proper suffix that is in the trie
	depth int32 // bytes from the root
	found int32 // length of the longest stop string that ends here, or 0
}

type edge struct {
	label byte
	to    int32
}

func newAutomaton(stops []string) automaton {
	a := automaton{{}}
	for _, s := range stops {
		a.insert(s)
	}
	a.link()
	return a
}

func (a *automaton) insert(s string) {
	at := int32(0)
	for i := range len(s) {
		to := (*a)[at].child(s[i])
		if to == 0 {
			to = int32(len(*a))
			(*a)[at].edges = append((*a)[at].edges, edge{s[i], to})
			*a = append(*a, node{depth: int32(i + 1)})
		}
		at = to
	}
	(*a)[at].found = int32(len(s))
}

// link sets fail and found, parents before children.
func (a automaton) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range a[at].edges {
			if at != 0 {
				a[e.to].fail = a.next(a[at].fail, e.label)
			}
			if a[e.to].found == 0 {
				a[e.to].found = a[a[e.to].fail].found
			}
			queue = append(queue, e.to)
		}
	}
}

// next is the node after reading c at node at.
func (a automaton) next(at int32, c byte) int32 {
	for {
		if to := a[at].child(c); to != 0 {
			return to
		}
		if at == 0 {
			return 0
		}
		at = a[at].fail
	}
}

func (n *node) child(c byte) int32 {
	for _, e := range n.edges {
		if e.label == c {
			return e.to
		}
	}
	return 0
}
