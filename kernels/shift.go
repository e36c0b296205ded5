package kernels

import "math"

// A Turn rotates keys back by a number of positions: the inverse of what Rope
// did to them, without its magnitude.
//
// Shapes: Table is one row of the rope table [RopeDims/2, 2], that of the
// position to turn back by.
type Turn struct {
	Table       []float32
	RopeDims    int
	Interleaved bool
}

// MoveKeys moves n cached keys (values: MoveValues) of every head from position
// from to position to < from, turning them when turn is not nil. It is policy
// work, done once in thousands of tokens, so it is plain Go on every executor.
func MoveKeys(m *Memory, cache Addr, l KVLayout, from, to, n int, turn *Turn) {
	move(cacheView{m: m, addr: cache, l: l}, from, to, n, turn)
}

// MoveValues is MoveKeys for values.
func MoveValues(m *Memory, cache Addr, l KVLayout, from, to, n int) {
	move(cacheView{m: m, addr: cache, l: l, values: true}, from, to, n, nil)
}

func move(v cacheView, from, to, n int, turn *Turn) {
	x := make([]float32, v.l.Dim)
	for h := range v.l.Heads {
		for i := range n {
			v.read(h, from+i, x)
			if turn != nil {
				turn.back(x)
			}
			v.store(h, to+i, x)
		}
	}
}

// ReadKey copies the key of head h at position p into dst [Dim].
func ReadKey(m *Memory, cache Addr, l KVLayout, h, p int, dst []float32) {
	cacheView{m: m, addr: cache, l: l}.read(h, p, dst)
}

// ReadValue copies the value of head h at position p into dst [Dim].
func ReadValue(m *Memory, cache Addr, l KVLayout, h, p int, dst []float32) {
	cacheView{m: m, addr: cache, l: l, values: true}.read(h, p, dst)
}

func (v cacheView) read(h, p int, dst []float32) {
	for c := range dst {
		dst[c] = float32(v.load(h, p, c))
	}
}

// back rotates one head by the negative angle.
func (t *Turn) back(x []float32) {
	half := t.RopeDims / 2
	a, b := 1, half
	if t.Interleaved {
		a, b = 2, 1
	}
	for i := range half {
		c, s := float64(t.Table[2*i]), float64(t.Table[2*i+1])
		norm := math.Hypot(c, s)
		c, s = c/norm, s/norm
		u, v := float64(x[i*a]), float64(x[i*a+b])
		x[i*a], x[i*a+b] = float32(u*c+v*s), float32(v*c-u*s)
	}
}
