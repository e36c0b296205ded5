package train

import "math"

// A pass holds the activations of one sequence of n tokens, which the backward
// pass needs again.
type pass struct {
	m      *Model
	lora   *LoRA // may be nil
	delta  Delta // may be nil
	n      int
	first  int // first position whose logits are wanted
	tokens []int
	layers []layerPass
	x      []float64 // [n, dim]; the residual stream after the last layer
	normed []float64 // [n, dim]; after output_norm
	logits []float64 // [n-first, vocab]
}

// A layerPass holds the activations of one block.
type layerPass struct {
	x, normed  []float64          // [n, dim]; block input, after attn_norm
	q, k, v    []float64          // [n, heads·headDim], [n, kvHeads·headDim]; q and k after rope
	probs      []float64          // [heads, n, n]
	attn       []float64          // [n, heads·headDim]
	mid, fnorm []float64          // [n, dim]; residual after attention, after ffn_norm
	gate, up   []float64          // [n, hidden]
	act        []float64          // [n, hidden]; silu(gate)·up
	u          [nLinear][]float64 // [n, rank]; A·x of each adapted map
}

// Logits runs the model over tokens and returns [len(tokens), vocab]. lora may be nil.
func (m *Model) Logits(tokens []int, lora *LoRA) []float64 {
	return m.run(&pass{m: m, lora: lora, tokens: tokens}).logits
}

// A Delta adds to the output y of a linear map what an adapter chosen for this one
// token makes of its input x.
//
// Shapes: x [in], y [out].
type Delta func(layer, linear int, x, y []float64)

// LogitsRouted runs the model with an adapter chosen anew for every token and map, and
// returns [len(tokens), vocab].
func (m *Model) LogitsRouted(tokens []int, delta Delta) []float64 {
	return m.run(&pass{m: m, delta: delta, tokens: tokens}).logits
}

// forward runs e without its last token and keeps the logits of what is predicted.
func (m *Model) forward(e Example, lora *LoRA) *pass {
	return m.run(&pass{m: m, lora: lora, tokens: e.Tokens[:len(e.Tokens)-1], first: e.From - 1})
}

// run is the whole model in one straight line.
func (m *Model) run(p *pass) *pass {
	tokens, n := p.tokens, len(p.tokens)
	p.n, p.layers = n, make([]layerPass, m.Config.Layers)
	x := make([]float64, n*m.Dim)
	for t, id := range tokens {
		copy(x[t*m.Dim:], m.Embed[id*m.Dim:(id+1)*m.Dim])
	}
	for l := range p.layers {
		x = p.block(l, x)
	}
	p.x = x
	p.normed = rmsnorm(x, m.Norm, m.Dim, m.Eps)
	p.logits = make([]float64, (n-p.first)*m.VocabSize)
	addNT(p.logits, p.normed[p.first*m.Dim:], m.Output, n-p.first, m.Dim, m.VocabSize)
	return p
}

// block runs layer l on x and returns the residual stream after it.
func (p *pass) block(l int, x []float64) []float64 {
	m, a, layer := p.m, &p.layers[l], &p.m.Layers[l]
	a.x = x
	a.normed = rmsnorm(x, layer.AttnNorm, m.Dim, m.Eps)
	a.q, a.k, a.v = p.linear(l, AttnQ, a.normed), p.linear(l, AttnK, a.normed), p.linear(l, AttnV, a.normed)
	m.rope(a.q, m.Heads, 1)
	m.rope(a.k, m.KVHeads, 1)
	p.attention(a)
	a.mid = p.linear(l, AttnOut, a.attn)
	add(a.mid, x)
	a.fnorm = rmsnorm(a.mid, layer.FFNNorm, m.Dim, m.Eps)
	a.gate, a.up = p.linear(l, FFNGate, a.fnorm), p.linear(l, FFNUp, a.fnorm)
	a.act = make([]float64, len(a.gate))
	for i, g := range a.gate {
		a.act[i] = g * sigmoid(g) * a.up[i]
	}
	out := p.linear(l, FFNDown, a.act)
	add(out, a.mid)
	return out
}

// linear applies a linear map with its adapter: y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ.
func (p *pass) linear(l, which int, x []float64) []float64 {
	shape := p.m.shapes()[which]
	y := make([]float64, p.n*shape[0])
	addNT(y, x, p.m.Layers[l].Linear[which], p.n, shape[1], shape[0])
	if s := p.lora.site(l, which); s != nil {
		r := p.lora.Rank
		u := make([]float64, p.n*r)
		addNT(u, x, s.A, p.n, s.In, r)
		scaleAll(u, p.lora.Scaling)
		addNT(y, u, s.B, p.n, r, s.Out)
		p.layers[l].u[which] = u // scaled
	}
	if p.delta != nil {
		for t := range p.n {
			p.delta(l, which, x[t*shape[1]:(t+1)*shape[1]], y[t*shape[0]:(t+1)*shape[0]])
		}
	}
	return y
}

// attention fills probs and attn: causal, query head h reads kv head h·kvHeads/heads.
func (p *pass) attention(a *layerPass) {
	m, n, hd := p.m, p.n, p.m.HeadDim
	a.probs = make([]float64, m.Heads*n*n)
	a.attn = make([]float64, n*m.Heads*hd)
	scale := 1 / math.Sqrt(float64(hd))
	for h := range m.Heads {
		for t := range n {
			q := head(a.q, t, h, m.Heads, hd)
			probs := a.probs[(h*n+t)*n:][:t+1]
			for s := range probs {
				probs[s] = scale * dot(q, head(a.k, s, h*m.KVHeads/m.Heads, m.KVHeads, hd))
			}
			softmax(probs)
			out := head(a.attn, t, h, m.Heads, hd)
			for s, w := range probs {
				axpy(out, w, head(a.v, s, h*m.KVHeads/m.Heads, m.KVHeads, hd))
			}
		}
	}
}

// head returns the part of row t that belongs to head h.
func head(x []float64, t, h, heads, headDim int) []float64 {
	return x[(t*heads+h)*headDim:][:headDim]
}

// rope rotates neighbouring pairs of every head by position·base^(-2j/headDim);
// direction -1 undoes it.
func (m *Model) rope(x []float64, heads int, direction float64) {
	width := heads * m.HeadDim
	for t := range len(x) / width {
		for j := 0; j < m.HeadDim; j += 2 {
			sin, cos := math.Sincos(direction * float64(t) * math.Pow(m.RopeBase, -float64(j)/float64(m.HeadDim)))
			for h := range heads {
				pair := x[t*width+h*m.HeadDim+j:][:2]
				pair[0], pair[1] = pair[0]*cos-pair[1]*sin, pair[0]*sin+pair[1]*cos
			}
		}
	}
}

func rmsnorm(x, weight []float64, dim int, eps float64) []float64 {
	y := make([]float64, len(x))
	for t := 0; t < len(x); t += dim {
		inv := invRMS(x[t:t+dim], eps)
		for i, w := range weight {
			y[t+i] = x[t+i] * inv * w
		}
	}
	return y
}

func invRMS(x []float64, eps float64) float64 {
	return 1 / math.Sqrt(dot(x, x)/float64(len(x))+eps)
}

func softmax(x []float64) {
	largest := math.Inf(-1)
	for _, v := range x {
		largest = max(largest, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = math.Exp(v - largest)
		sum += x[i]
	}
	scaleAll(x, 1/sum)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func axpy(dst []float64, a float64, x []float64) {
	for i, v := range x {
		dst[i] += a * v
	}
}

func add(dst, x []float64) {
	for i, v := range x {
		dst[i] += v
	}
}

func scaleAll(x []float64, a float64) {
	for i := range x {
		x[i] *= a
	}
}
