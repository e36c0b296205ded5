package kernels

import "math"

func route(m *Memory, e Route) {
	p := make([]float64, e.Experts)
	for t := range e.N {
		routerProbs(p, m.F32(e.X+Addr(4*t*e.Experts), e.Experts), e.Sigmoid != 0)
		ids := m.I32(e.IDs+Addr(4*t*e.Used), e.Used)
		weights := m.F32(e.Weights+Addr(4*t*e.Used), e.Used)
		choose(ids, p, func(i int) float64 {
			if e.Bias == 0 {
				return p[i]
			}
			return p[i] + float64(m.F32(e.Bias, e.Experts)[i])
		})
		var sum float64
		for _, id := range ids {
			sum += p[id]
		}
		if e.Normalise == 0 {
			sum = 1
		}
		for s, id := range ids {
			weights[s] = float32(p[id] / sum * float64(e.Scale))
		}
	}
}

// routerProbs is the softmax, or the sigmoid, of router scores.
func routerProbs(p []float64, x []float32, sigmoid bool) {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = math.Max(top, float64(v))
	}
	for i, v := range x {
		if sigmoid {
			p[i] = 1 / (1 + math.Exp(-float64(v)))
			continue
		}
		p[i] = math.Exp(float64(v) - top)
		sum += p[i]
	}
	for i := range p {
		if !sigmoid {
			p[i] /= sum
		}
	}
}

// choose fills ids with the indices of the largest scores, largest first.
func choose(ids []int32, p []float64, score func(i int) float64) {
	for s := range ids {
		best := -1
	candidates:
		for i := range p {
			for _, taken := range ids[:s] {
				if int(taken) == i {
					continue candidates
				}
			}
			if best < 0 || score(i) > score(best) {
				best = i
			}
		}
		ids[s] = int32(best)
	}
}

// expertMatmul runs one matrix product of one token for every slot.
func (x *Reference) expertMatmul(m *Memory, e ExpertMatmul) {
	xBytes := 4 * e.XStride
	if e.Act == ActQ8 {
		xBytes = ActLayout{K: e.K, Sub: e.Sub}.TokenBytes()
	}
	for i, id := range m.I32(e.IDs, e.N*e.Used) {
		op := e.matmul()
		op.N, op.Rows = 1, e.ExpertRows
		op.W += Addr(e.Format.PackedBytes(int(id)*e.ExpertRows, e.K))
		op.Dst += Addr(4 * i * e.DstStride)
		row := i
		if e.PerSlot == 0 {
			row = i / e.Used
		}
		op.X += Addr(row * xBytes)
		x.matmul(m, op)
	}
}

func expertSum(m *Memory, e ExpertSum) {
	for t := range e.N {
		dst := m.F32(e.Dst+Addr(4*t*e.Dim), e.Dim)
		for s, w := range m.F32(e.Weights+Addr(4*t*e.Used), e.Used) {
			for i, v := range m.F32(e.X+Addr(4*(t*e.Used+s)*e.Dim), e.Dim) {
				dst[i] += e.Scale * w * v
			}
		}
	}
}
