package tokenizer

// A min-heap of uint64 with four children a node: half as deep as a binary one
// and its children share a cache line.

const arity = 4

func heapify(h []uint64) {
	for i := (len(h)+arity-2)/arity - 1; i >= 0; i-- { // from the last that has a child
		sink(h, i)
	}
}

func push(h []uint64, x uint64) []uint64 {
	h = append(h, x)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / arity
		if h[parent] <= x {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = x
	return h
}

func pop(h []uint64) (uint64, []uint64) {
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	if last > 0 {
		sink(h, 0)
	}
	return top, h
}

// sink moves h[i] down to where no child is smaller.
func sink(h []uint64, i int) {
	x := h[i]
	for {
		child := i*arity + 1
		if child >= len(h) {
			break
		}
		best := child
		for c := child + 1; c < min(child+arity, len(h)); c++ {
			if h[c] < h[best] {
				best = c
			}
		}
		if h[best] >= x {
			break
		}
		h[i] = h[best]
		i = best
	}
	h[i] = x
}
