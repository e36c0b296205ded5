package train

import "math"

// An Example is a sequence whose tokens from position From on are to be
// predicted; From is at least 1.
type Example struct {
	Tokens []int
	From   int
}

// targets is how many predictions an example has.
func (e *Example) targets() int { return len(e.Tokens) - e.From }

// Gradients says where gradients are added. Either may be nil.
type Gradients struct {
	Model *Model
	LoRA  *LoRA
}

// Loss returns the mean cross entropy of e in nats per predicted token. lora may be nil.
func (m *Model) Loss(e Example, lora *LoRA) float64 {
	p := m.forward(e, lora)
	return p.crossEntropy(e) / float64(e.targets())
}

// LossGrad returns Loss and adds weight times its gradient to g.
func (m *Model) LossGrad(e Example, lora *LoRA, weight float64, g Gradients) float64 {
	p := m.forward(e, lora)
	loss := p.crossEntropy(e)
	n := float64(e.targets())
	scaleAll(p.logits, weight/n) // now d loss / d logits
	p.backward(g)
	return loss / n
}

// crossEntropy returns the summed loss and turns the logits into its gradient,
// softmax minus one-hot.
func (p *pass) crossEntropy(e Example) float64 {
	loss := 0.0
	for t := range p.n - p.first {
		row := p.logits[t*p.m.VocabSize:][:p.m.VocabSize]
		softmax(row)
		want := e.Tokens[e.From+t]
		loss -= math.Log(max(row[want], 1e-300))
		row[want]--
	}
	return loss
}

// backward goes through forward in reverse. p.logits holds d loss / d logits.
func (p *pass) backward(g Gradients) {
	m := p.m
	dx := make([]float64, p.n*m.Dim)
	last := p.first * m.Dim // nothing before is predicted
	addNN(dx[last:], p.logits, m.Output, p.n-p.first, m.Dim, m.VocabSize)
	if g.Model != nil {
		addTN(g.Model.Output, p.logits, p.normed[last:], p.n-p.first, m.Dim, m.VocabSize)
	}
	dx = rmsnormBackward(dx, p.x, m.Norm, normGrad(g, func(m *Model) []float64 { return m.Norm }), m.Dim, m.Eps)
	for l := len(p.layers) - 1; l >= 0; l-- {
		dx = p.blockBackward(l, dx, g)
	}
	if g.Model != nil {
		for t, id := range p.tokens {
			add(g.Model.Embed[id*m.Dim:(id+1)*m.Dim], dx[t*m.Dim:(t+1)*m.Dim])
		}
	}
}

func normGrad(g Gradients, pick func(*Model) []float64) []float64 {
	if g.Model == nil {
		return nil
	}
	return pick(g.Model)
}

// blockBackward takes the gradient after layer l to the one before it.
func (p *pass) blockBackward(l int, dout []float64, g Gradients) []float64 {
	m, a, layer := p.m, &p.layers[l], &p.m.Layers[l]
	// FFN: out = mid + down(silu(gate)·up)
	dact := p.linearBackward(l, FFNDown, dout, a.act, g)
	dgate, dup := make([]float64, len(dact)), make([]float64, len(dact))
	for i, d := range dact {
		s := sigmoid(a.gate[i])
		dup[i] = d * a.gate[i] * s
		dgate[i] = d * a.up[i] * s * (1 + a.gate[i]*(1-s))
	}
	dnorm := p.linearBackward(l, FFNGate, dgate, a.fnorm, g)
	add(dnorm, p.linearBackward(l, FFNUp, dup, a.fnorm, g))
	dmid := rmsnormBackward(dnorm, a.mid, layer.FFNNorm, normGrad(g, func(m *Model) []float64 { return m.Layers[l].FFNNorm }), m.Dim, m.Eps)
	add(dmid, dout)
	// Attention: mid = x + out(attention)
	dattn := p.linearBackward(l, AttnOut, dmid, a.attn, g)
	dq, dk, dv := p.attentionBackward(a, dattn)
	m.rope(dq, m.Heads, -1)
	m.rope(dk, m.KVHeads, -1)
	dnorm = p.linearBackward(l, AttnQ, dq, a.normed, g)
	add(dnorm, p.linearBackward(l, AttnK, dk, a.normed, g))
	add(dnorm, p.linearBackward(l, AttnV, dv, a.normed, g))
	dx := rmsnormBackward(dnorm, a.x, layer.AttnNorm, normGrad(g, func(m *Model) []float64 { return m.Layers[l].AttnNorm }), m.Dim, m.Eps)
	add(dx, dmid)
	return dx
}

// linearBackward adds the gradients of a linear map and its adapter and returns dx.
func (p *pass) linearBackward(l, which int, dy, x []float64, g Gradients) []float64 {
	shape := p.m.shapes()[which]
	dx := make([]float64, p.n*shape[1])
	addNN(dx, dy, p.m.Layers[l].Linear[which], p.n, shape[1], shape[0])
	if g.Model != nil {
		addTN(g.Model.Layers[l].Linear[which], dy, x, p.n, shape[1], shape[0])
	}
	s := p.lora.site(l, which)
	if s == nil {
		return dx
	}
	r := p.lora.Rank
	du := make([]float64, p.n*r)
	addNN(du, dy, s.B, p.n, r, s.Out)
	scaleAll(du, p.lora.Scaling)
	addNN(dx, du, s.A, p.n, s.In, r)
	if gs := g.LoRA.site(l, which); gs != nil {
		addTN(gs.B, dy, p.layers[l].u[which], p.n, r, s.Out)
		addTN(gs.A, du, x, p.n, s.In, r)
	}
	return dx
}

// attentionBackward returns the gradients of q, k (both after rope) and v.
func (p *pass) attentionBackward(a *layerPass, dattn []float64) (dq, dk, dv []float64) {
	m, n, hd := p.m, p.n, p.m.HeadDim
	dq, dk, dv = make([]float64, len(a.q)), make([]float64, len(a.k)), make([]float64, len(a.v))
	scale := 1 / math.Sqrt(float64(hd))
	dp := make([]float64, n)
	for h := range m.Heads {
		kv := h * m.KVHeads / m.Heads
		for t := range n {
			dout := head(dattn, t, h, m.Heads, hd)
			probs := a.probs[(h*n+t)*n:][:t+1]
			mean := 0.0 // Σ probs·dp, the softmax's own term
			for s, w := range probs {
				dp[s] = dot(dout, head(a.v, s, kv, m.KVHeads, hd))
				mean += w * dp[s]
				axpy(head(dv, s, kv, m.KVHeads, hd), w, dout)
			}
			for s, w := range probs {
				d := w * (dp[s] - mean) * scale
				axpy(head(dq, t, h, m.Heads, hd), d, head(a.k, s, kv, m.KVHeads, hd))
				axpy(head(dk, s, kv, m.KVHeads, hd), d, head(a.q, t, h, m.Heads, hd))
			}
		}
	}
	return dq, dk, dv
}

// rmsnormBackward returns dx and adds to dweight unless it is nil.
//
// With r = 1/rms(x): dx = r·(w·dy − x·r²·mean(x·w·dy)).
func rmsnormBackward(dy, x, weight, dweight []float64, dim int, eps float64) []float64 {
	dx := make([]float64, len(x))
	for t := 0; t < len(x); t += dim {
		row, dyRow, dxRow := x[t:t+dim], dy[t:t+dim], dx[t:t+dim]
		r := invRMS(row, eps)
		mean := 0.0
		for i, v := range row {
			mean += v * weight[i] * dyRow[i]
		}
		mean *= r * r / float64(dim)
		for i, v := range row {
			dxRow[i] = r * (weight[i]*dyRow[i] - v*mean)
		}
		if dweight != nil {
			for i, v := range row {
				dweight[i] += dyRow[i] * v * r
			}
		}
	}
	return dx
}
