package kernels

import "math"

func rope(m *Memory, e Rope) {
	half := e.RopeDims / 2
	a, b := 1, half // distance between pairs, distance inside a pair
	if e.Interleaved != 0 {
		a, b = 2, 1
	}
	for t, pos := range m.I32(e.Positions, e.N) {
		table := m.F32(e.Table+Addr(4*int(pos)*e.RopeDims), e.RopeDims)
		for h := range e.Heads {
			x := m.F32(e.X+Addr(4*(t*e.Stride+h*e.HeadDim)), e.HeadDim)
			for i := range half {
				c, s := table[2*i], table[2*i+1]
				u, v := x[i*a], x[i*a+b]
				x[i*a], x[i*a+b] = u*c-v*s, u*s+v*c
			}
		}
	}
}

// storeKV writes new keys or values into the cache.
func storeKV(m *Memory, e StoreKV, values bool) {
	l := KVLayout{Heads: e.Heads, Dim: e.HeadDim, Capacity: e.Capacity, Type: e.Type}
	c := cacheView{m: m, addr: e.Cache, l: l, values: values}
	for t, pos := range m.I32(e.Positions, e.N) {
		for h := range e.Heads {
			c.store(h, int(pos), m.F32(e.X+Addr(4*(t*e.Stride+h*e.HeadDim)), e.HeadDim))
		}
	}
}

// cacheView reads and writes single elements of a cache of any type.
type cacheView struct {
	m      *Memory
	addr   Addr
	l      KVLayout
	values bool
}

// index is the element index of column c of head h at position p.
func (v cacheView) index(h, p, c int) int {
	if v.values {
		return v.l.valueIndex(h, p, c)
	}
	return v.l.keyIndex(h, p, c)
}

// scaleAddr is the address of the scale of 32 columns starting at c (KVQ8).
func (v cacheView) scaleAddr(h, p, c int) Addr {
	blocks := KVLayout{Heads: v.l.Heads, Dim: v.l.Dim / BlockK, Capacity: v.l.Capacity}
	i := blocks.keyIndex(h, p, c/BlockK)
	if v.values {
		i = blocks.valueIndex(h, p, c/BlockK)
	}
	return v.addr + Addr(v.l.elements()+4*i)
}

// store writes one head's vector at position p.
func (v cacheView) store(h, p int, x []float32) {
	switch v.l.Type {
	case KVF32:
		for c, f := range x {
			v.m.F32(v.addr+Addr(4*v.index(h, p, c)), 1)[0] = f
		}
	case KVF16:
		for c, f := range x {
			v.m.U16(v.addr+Addr(2*v.index(h, p, c)), 1)[0] = f32ToHalf(f)
		}
	case KVQ8:
		for b := 0; b < len(x); b += BlockK {
			d, inv := blockScale(x[b : b+BlockK])
			v.m.F32(v.scaleAddr(h, p, b), 1)[0] = d
			for c := b; c < b+BlockK; c++ {
				v.m.I8(v.addr+Addr(v.index(h, p, c)), 1)[0] = int8(math.RoundToEven(float64(x[c] * inv)))
			}
		}
	}
}

// load reads one element.
func (v cacheView) load(h, p, c int) float64 {
	i := v.index(h, p, c)
	switch v.l.Type {
	case KVF32:
		return float64(v.m.F32(v.addr+Addr(4*i), 1)[0])
	case KVF16:
		return float64(halfToF32(v.m.U16(v.addr+Addr(2*i), 1)[0]))
	}
	return float64(v.m.F32(v.scaleAddr(h, p, c), 1)[0]) * float64(v.m.I8(v.addr+Addr(i), 1)[0])
}

// attention evaluates every token and head on its own, softmax in two passes.
func (x *Reference) attention(m *Memory, e Attention) {
	keys := cacheView{m: m, addr: e.K, l: KVLayout{Heads: e.KVHeads, Dim: e.KeyDim, Capacity: e.Capacity, Type: e.Type}}
	values := cacheView{m: m, addr: e.V, l: KVLayout{Heads: e.KVHeads, Dim: e.ValueDim, Capacity: e.Capacity, Type: e.Type}, values: true}
	for t, pos := range m.I32(e.Positions, e.N) {
		for h := range e.Heads {
			q := m.F32(e.Q+Addr(4*(t*e.QStride+h*e.KeyDim)), e.KeyDim)
			dst := m.F32(e.Dst+Addr(4*(t*e.DstStride+h*e.ValueDim)), e.ValueDim)
			x.attendHead(m, &e, keys, values, q, dst, h, int(pos))
		}
	}
}

// attendHead computes one head of one token at position pos.
func (x *Reference) attendHead(m *Memory, e *Attention, keys, values cacheView, q, dst []float32, h, pos int) {
	kv := h * e.KVHeads / e.Heads
	first := 0
	if e.Window > 0 {
		first = max(0, pos-e.Window+1)
	}
	x.probs = grow(x.probs, pos+1-first)
	top := math.Inf(-1)
	for j := range x.probs {
		x.probs[j] = x.score(m, e, keys, q, h, kv, first+j, pos)
		top = math.Max(top, x.probs[j])
	}
	var sum float64
	for j, s := range x.probs {
		x.probs[j] = math.Exp(s - top)
		sum += x.probs[j]
	}
	x.acc = grow(x.acc, e.ValueDim)
	clear(x.acc)
	for j, p := range x.probs {
		for c := range x.acc {
			x.acc[c] += p * values.load(kv, first+j, c)
		}
	}
	for c, v := range x.acc {
		dst[c] = float32(v / sum)
	}
}

// score is the attention score of one query for position j.
func (x *Reference) score(m *Memory, e *Attention, keys cacheView, q []float32, h, kv, j, pos int) float64 {
	var s float64
	for c, v := range q {
		s += float64(v) * keys.load(kv, j, c)
	}
	s *= float64(e.Scale)
	if e.Softcap > 0 {
		s = float64(e.Softcap) * math.Tanh(s/float64(e.Softcap))
	}
	if e.Slopes != 0 {
		s += float64(m.F32(e.Slopes+Addr(4*h), 1)[0]) * float64(j-pos)
	}
	return s
}
