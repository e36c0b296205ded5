package kernels

import "math"

// loraGroup is a group of four rows packed in eight bits.
type loraGroup struct {
	data            []byte
	nb, block, zero int
}

func loraGroupAt(m *Memory, w Addr, g, k, block, zero int) loraGroup {
	n := loraGroupBytes(k, block)
	return loraGroup{m.Bytes(w+Addr(g*n), n), k / block, block, zero}
}

// integer is where the integer of row r and column c of block b lies.
func (p loraGroup) integer(r, b, c int) *byte {
	j := c/16*4 + (c/4-r)&3
	return &p.data[b*p.block*GroupRows+j*16+4*r+c%4]
}

// scale are the bytes of the scale of row r and block b.
func (p loraGroup) scale(r, b int) []byte {
	return p.data[p.nb*p.block*GroupRows+2*(b*GroupRows+r):][:2]
}

func (p loraGroup) value(r, b, c int) float64 {
	s := p.scale(r, b)
	return float64(halfToF32(uint16(s[0])|uint16(s[1])<<8)) * float64(int8(*p.integer(r, b, c)-byte(p.zero)))
}

// set packs a block of row r.
func (p loraGroup) set(r, b int, values []float32) {
	d, inv := blockScale(values)
	h := f32ToHalf(d)
	if h&0x7c00 == 0 {
		h = 0
	}
	s := p.scale(r, b)
	s[0], s[1] = byte(h), byte(h>>8)
	for c, v := range values {
		*p.integer(r, b, c) = byte(int8(math.RoundToEven(float64(v*inv)))) + byte(p.zero)
	}
}

func blend(m *Memory, e Blend) {
	sums := make([]float32, e.Block)
	src, weights := m.U32(e.Src, e.N), m.F32(e.Weights, e.N)
	for g := range e.Groups {
		to := loraGroupAt(m, e.Dst, g, e.K, e.Block, e.Zero)
		for b := range to.nb {
			for r := range GroupRows {
				clear(sums)
				for n, at := range src {
					from := m.U16(Addr(at)+Addr(e.Offset+2*GroupRows*(g*e.K+b*e.Block)), e.Block*GroupRows)
					for c := range sums {
						sums[c] += weights[n] * halfToF32(from[c*GroupRows+r])
					}
				}
				to.set(r, b, sums)
			}
		}
	}
}

func addLoRA(m *Memory, e AddLoRA) {
	for r := range e.Rows {
		w := loraGroupAt(m, e.W, r/GroupRows, e.Rank, LoRABlock, e.Zero)
		for t := range e.N {
			x, sum := m.F32(e.X+Addr(4*t*e.Rank), e.Rank), 0.0
			for k, v := range x {
				sum += w.value(r%GroupRows, k/LoRABlock, k%LoRABlock) * float64(v)
			}
			dst := &m.F32(e.Dst+Addr(4*(t*e.DstStride+r)), 1)[0]
			*dst = float32(float64(*dst) + float64(e.Scale)*sum)
		}
	}
}

func rebias(m *Memory, e Rebias) {
	layout := ActLayout{K: e.K, Sub: BlockK}
	copy(m.Bytes(e.Dst, layout.Bytes(e.N)), m.Bytes(e.Src, layout.Bytes(e.N)))
	for t := 0; t < e.N; {
		width := TileWidth(e.N - t)
		_, start, sum := layout.planes(width)
		for i, v := range m.I32(e.Dst+Addr(t*layout.TokenBytes()+start), (sum-start)/4) {
			m.I32(e.Dst+Addr(t*layout.TokenBytes()+start), (sum-start)/4)[i] = StartBits + int32(e.Factor)*(v-StartBits)
		}
		t += width
	}
}
