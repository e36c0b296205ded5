package sample

// A binary heap of candidates in either direction.

type direction bool

const (
	bestFirst  direction = true
	worstFirst direction = false
)

func (d direction) before(a, b candidate) bool {
	if d == worstFirst {
		a, b = b, a
	}
	return a.before(b)
}

func heapify(h []candidate, d direction) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		sink(h, i, d)
	}
}

// sink moves h[i] down to where neither child comes before it.
func sink(h []candidate, i int, d direction) {
	if i >= len(h) {
		return
	}
	x := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && d.before(h[child+1], h[child]) {
			child++
		}
		if !d.before(h[child], x) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = x
}
