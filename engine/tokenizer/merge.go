package tokenizer

import "slices"

// A symbol is a piece of a word while its pairs are merged. Symbols form a list
// through prev and next, ends marked by -1.
type symbol struct {
	start, end int32  // span in the word, bytes
	prev, next int32  // neighbours
	id         int32  // its token, or -1
	rank       uint32 // priority of merging it with next, smaller first; noRank if they do not merge
	merged     int32  // the token that merge makes
}

const noRank = ^uint32(0)

// pairRanker says how two neighbours merge: with what priority, into what token.
type pairRanker interface {
	rank(word []byte, left, right *symbol) (rank uint32, merged int32)
}

// shortWord is the length in symbols up to which looking at all pairs beats a
// heap: with it English text encodes 1.4 times as fast.
const shortWord = 24

// merger merges the pairs of a word, best first, leftmost first among equals.
// The zero value is ready; its memory is reused from word to word.
type merger struct {
	word    []byte
	symbols []symbol
	heap    []uint64 // rank<<32 | symbol; may hold entries that are out of date
}

// reset starts a word of at most n symbols.
func (m *merger) reset(word []byte, n int) {
	m.word = word
	m.symbols = slices.Grow(m.symbols[:0], n)
}

// add appends a symbol to the word.
func (m *merger) add(start, end int, id int32) {
	i := int32(len(m.symbols))
	m.symbols = append(m.symbols, symbol{start: int32(start), end: int32(end), prev: i - 1, next: i + 1, id: id, rank: noRank})
}

// run merges until no pair merges. Afterwards the list from symbol 0 is the
// result.
func (m *merger) run(p pairRanker) {
	s := m.symbols
	if len(s) == 0 {
		return
	}
	s[len(s)-1].next = -1
	for i := range len(s) - 1 {
		s[i].rank, s[i].merged = p.rank(m.word, &s[i], &s[i+1])
	}
	if len(s) <= shortWord {
		m.scan(p)
	} else {
		m.drain(p)
	}
}

// scan looks for the best pair by walking the list.
func (m *merger) scan(p pairRanker) {
	for {
		best, at := noRank, int32(-1)
		for i := int32(0); i >= 0; i = m.symbols[i].next {
			if m.symbols[i].rank < best {
				best, at = m.symbols[i].rank, i
			}
		}
		if at < 0 {
			return
		}
		m.join(at, p)
	}
}

// drain takes the best pair from a heap. An entry is out of date when its
// symbol's rank is another by now; the symbol's current rank has its own entry.
func (m *merger) drain(p pairRanker) {
	m.heap = slices.Grow(m.heap[:0], len(m.symbols))
	for i, s := range m.symbols {
		if s.rank != noRank {
			m.heap = append(m.heap, uint64(s.rank)<<32|uint64(i))
		}
	}
	heapify(m.heap)
	for len(m.heap) > 0 {
		var top uint64
		top, m.heap = pop(m.heap)
		at := int32(uint32(top))
		if m.symbols[at].rank != uint32(top>>32) {
			continue
		}
		prev := m.join(at, p)
		m.offer(at)
		if prev >= 0 {
			m.offer(prev)
		}
	}
}

// offer puts symbol i's pair on the heap, if it merges.
func (m *merger) offer(i int32) {
	if r := m.symbols[i].rank; r != noRank {
		m.heap = push(m.heap, uint64(r)<<32|uint64(i))
	}
}

// join merges symbol i with the next and ranks the two pairs that this makes. It
// returns the symbol before i, or -1.
func (m *merger) join(i int32, p pairRanker) (prev int32) {
	left := &m.symbols[i]
	right := &m.symbols[left.next]
	left.end, left.id, left.next = right.end, left.merged, right.next
	right.rank = noRank
	left.rank = noRank
	if left.next >= 0 {
		next := &m.symbols[left.next]
		next.prev = i
		left.rank, left.merged = p.rank(m.word, left, next)
	}
	if left.prev >= 0 {
		before := &m.symbols[left.prev]
		before.rank, before.merged = p.rank(m.word, before, left)
	}
	return left.prev
}
