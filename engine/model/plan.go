package model

import (
	"pastel/engine/kvcache"
	"pastel/kernels"
)

// A Planner writes forward passes onto tapes. It holds what stays the same from
// one pass to the next and is used by one session.
type Planner struct {
	Weights  *Weights
	Cache    *kvcache.Cache
	Work     *Work
	Ropes    []kernels.Addr // rotation table of each of Config.Ropes
	Slopes   kernels.Addr   // ALiBi slopes [nHeads], or zero
	Adapters AdapterSet
	Q8Zero   int  // the executor's bias of Q8_0 weights
	ExactAct bool // multiply quantised weights with float activations

	tape *kernels.Tape
	n    int
	err  error
}

// input is the activations [n, k] a linear layer reads, and the quantised forms
// of them that exist already.
type input struct {
	at        kernels.Addr
	stride, k int
	made      []actKey
}

// OpsPerPass bounds the operations of one pass.
func (p *Planner) OpsPerPass() int {
	sides := 0
	for _, s := range p.Adapters {
		sides += 3 * len(s)
	}
	return 16 + 40*p.Weights.Config.NLayers + sides
}

// Forward writes the pass of n tokens whose ids and positions lie in Work:
// embed, blocks, and logits of the last rows tokens (0: none).
func (p *Planner) Forward(tape *kernels.Tape, n, rows int) error {
	c := p.Weights.Config
	p.tape, p.n, p.err = tape, n, nil
	p.embed()
	for i := range p.Weights.Blocks {
		p.block(&p.Weights.Blocks[i], i)
	}
	if rows > 0 {
		p.logits(c, n, rows)
	}
	return p.err
}

// Query writes the pass that leaves a layer's queries, before rotation, in Work.QKV
// [n, qkvDim]: embedding, the layers below, norm and one matrix.
//
// Source: Bang et al. 2024, arXiv:2406.07007 (Crayon), the query embedding.
func (p *Planner) Query(tape *kernels.Tape, n, layer int) error {
	c := p.Weights.Config
	p.tape, p.n, p.err = tape, n, nil
	p.embed()
	for i := range layer {
		p.block(&p.Weights.Blocks[i], i)
	}
	b := &p.Weights.Blocks[layer]
	in := p.normed(b.attnNorm(), p.Work.H)
	if b.AttnQKV != nil {
		p.linear(b.AttnQKV, in, p.Work.QKV, c.QKVDim(), false, 1)
	} else {
		p.linear(b.AttnQ, in, p.Work.QKV, c.QKVDim(), false, 1)
	}
	return p.err
}

// embed fills X with the tokens' embeddings.
func (p *Planner) embed() {
	c, w := p.Weights.Config, p.Work
	p.gather(p.Weights.TokenEmbd, w.X, w.IDs, c.EmbedScale)
	if p.Weights.PosEmbd != nil {
		p.gather(p.Weights.PosEmbd, w.Tmp, w.Positions, 1)
		p.add(kernels.Add{Dst: w.X, A: w.X, B: w.Tmp, Count: p.n * c.Dim, Scale: 1})
	}
	if norm := p.Weights.TokenEmbdNorm; norm != nil {
		p.norm(norm, w.X, w.X, 1, c.Dim, c.Dim)
	}
}

func (p *Planner) gather(m *Matrix, dst, ids kernels.Addr, scale float32) {
	p.add(kernels.Embed{Dst: dst, Table: m.Addr, IDs: ids, N: p.n, Rows: m.Rows, K: m.K, Format: m.Format,
		Scale: scale, Zero: m.Format.Zero(p.Q8Zero)})
}

// block is one layer: attention and feed-forward, each added to the residual.
func (p *Planner) block(b *Block, layer int) {
	c, w := p.Weights.Config, p.Work
	ffnNorm := b.FFNNorm
	if b.AttnNorm2 != nil {
		ffnNorm = b.AttnNorm
	}
	if !c.Parallel {
		p.attention(b, layer, p.normed(b.attnNorm(), w.H))
		p.feedForward(b, p.normed(ffnNorm, w.H))
		return
	}
	attnIn, ffnIn := p.normed(b.attnNorm(), w.H), p.actsOf(w.H, c.Dim)
	if ffnNorm != nil {
		ffnIn = p.normed(ffnNorm, w.H2)
	}
	p.attention(b, layer, attnIn)
	p.feedForward(b, ffnIn)
}

// attnNorm is the norm that feeds attention: falcon's second, where the first feeds the ffn.
func (b *Block) attnNorm() *Norm {
	if b.AttnNorm2 != nil {
		return b.AttnNorm2
	}
	return b.AttnNorm
}

// normed normalises X into dst and returns it as an input; without a norm X
// itself is the input.
func (p *Planner) normed(norm *Norm, dst kernels.Addr) *input {
	c := p.Weights.Config
	if norm == nil {
		return p.actsOf(p.Work.X, c.Dim)
	}
	p.norm(norm, dst, p.Work.X, 1, c.Dim, c.Dim)
	return p.actsOf(dst, c.Dim)
}

func (p *Planner) actsOf(at kernels.Addr, k int) *input { return &input{at: at, stride: k, k: k} }

// attention adds the attention half of a block to X.
func (p *Planner) attention(b *Block, layer int, in *input) {
	c, w := p.Weights.Config, p.Work
	stride := c.QKVDim()
	q := w.QKV
	k := q + floats(c.QueryDim())
	v := k + floats(c.KVKeyDim())
	if b.AttnQKV != nil {
		p.linear(b.AttnQKV, in, q, stride, false, 1)
	} else {
		p.linears(in, stride, target{b.AttnQ, q}, target{b.AttnK, k}, target{b.AttnV, v})
	}
	p.queryKeyNorm(b.AttnQNorm, q, c.NHeads)
	p.queryKeyNorm(b.AttnKNorm, k, c.NKVHeads)
	l := c.Layers[layer]
	if l.Rope != NoRope && c.RopeDims > 0 { // query and key heads lie side by side
		p.add(kernels.Rope{X: q, Positions: w.Positions, Table: p.Ropes[l.Rope], N: p.n, Heads: c.NHeads + c.NKVHeads,
			HeadDim: c.KeyDim, Stride: stride, RopeDims: c.RopeDims, Interleaved: oneIf(c.RopeInterleaved)})
	}
	cache := p.Cache.Layers[layer]
	p.addUnordered(kernels.StoreKV{Cache: cache.Keys, X: k, Positions: w.Positions, N: p.n, Heads: c.NKVHeads,
		HeadDim: c.KeyDim, Stride: stride, Capacity: p.Cache.Capacity, Type: p.Cache.Type})
	p.add(kernels.StoreKV{Values: true, Cache: cache.Values, X: v, Positions: w.Positions, N: p.n, Heads: c.NKVHeads,
		HeadDim: c.ValueDim, Stride: stride, Capacity: p.Cache.Capacity, Type: p.Cache.Type})
	p.add(kernels.Attention{Dst: w.Attn, Q: q, K: cache.Keys, V: cache.Values, Positions: w.Positions, Slopes: p.Slopes,
		N: p.n, Heads: c.NHeads, KVHeads: c.NKVHeads, KeyDim: c.KeyDim, ValueDim: c.ValueDim, QStride: stride,
		DstStride: c.AttnDim(), Capacity: p.Cache.Capacity, Type: p.Cache.Type, Scale: c.AttnScale,
		Softcap: c.AttnSoftcap, Window: l.Window})
	p.residual(b.AttnOut, b.PostAttnNorm, p.actsOf(w.Attn, c.AttnDim()))
}

// queryKeyNorm normalises heads in place, each on its own or all together.
func (p *Planner) queryKeyNorm(norm *Norm, at kernels.Addr, heads int) {
	c := p.Weights.Config
	if norm == nil {
		return
	}
	rows, dim := heads, c.KeyDim
	if c.QKNormFull {
		rows, dim = 1, heads*c.KeyDim
	}
	p.norm(norm, at, at, rows, dim, c.QKVDim())
}

// feedForward adds the feed-forward half of a block to X.
func (p *Planner) feedForward(b *Block, in *input) {
	c, w := p.Weights.Config, p.Work
	if b.Experts != nil {
		p.mixture(b.Experts, in)
		return
	}
	stride := 2 * c.HiddenDim
	up := w.FFN + floats(c.HiddenDim)
	switch {
	case b.FFNGate != nil:
		p.linears(in, stride, target{b.FFNGate, w.FFN}, target{b.FFNUp, up})
	case c.Gated:
		p.linear(b.FFNUp, in, w.FFN, stride, false, 1)
	default:
		p.linear(b.FFNUp, in, w.FFN, c.HiddenDim, false, 1)
		p.add(kernels.Activate{X: w.FFN, Count: p.n * c.HiddenDim, Func: c.Func})
		p.residual(b.FFNDown, b.PostFFNorm, p.actsOf(w.FFN, c.HiddenDim))
		return
	}
	p.add(kernels.GLU{Dst: w.FFN, Gate: w.FFN, Up: up, N: p.n, Dim: c.HiddenDim, Stride: stride, DstStride: stride, Func: c.Func})
	p.residual(b.FFNDown, b.PostFFNorm, &input{at: w.FFN, stride: stride, k: c.HiddenDim})
}

// residual adds m·in to X, through a post norm when there is one.
func (p *Planner) residual(m *Matrix, post *Norm, in *input) {
	c, w := p.Weights.Config, p.Work
	if post == nil {
		p.linear(m, in, w.X, c.Dim, true, c.ResidualScale)
		return
	}
	p.linear(m, in, w.Tmp, c.Dim, false, 1)
	p.norm(post, w.Tmp, w.Tmp, 1, c.Dim, c.Dim)
	p.add(kernels.Add{Dst: w.X, A: w.X, B: w.Tmp, Count: p.n * c.Dim, Scale: c.ResidualScale})
}

// logits normalises the last rows tokens and multiplies them with the output.
func (p *Planner) logits(c *Config, n, rows int) {
	w := p.Work
	x := w.X + floats((n-rows)*c.Dim)
	p.n = rows
	in := p.actsOf(x, c.Dim)
	if norm := p.Weights.OutputNorm; norm != nil {
		p.norm(norm, w.H, x, 1, c.Dim, c.Dim)
		in = p.actsOf(w.H, c.Dim)
	}
	p.linear(p.Weights.Output, in, w.Logits, c.VocabSize, false, c.LogitScale)
	if c.LogitSoftcap > 0 {
		p.add(kernels.Softcap{X: w.Logits, Count: rows * c.VocabSize, Cap: c.LogitSoftcap})
	}
	if rows == 1 {
		p.add(kernels.Argmax{Dst: w.Best, X: w.Logits, Count: c.VocabSize})
	}
}

// target is one output of several matrices with a common input.
type target struct {
	m   *Matrix
	dst kernels.Addr
}

// linears multiplies one input with several matrices, without waiting between them.
func (p *Planner) linears(in *input, stride int, targets ...target) {
	p.product(in, stride, false, 1, targets)
}

// linear is dst = scale·m·in + bias, or dst += when accumulate is set.
func (p *Planner) linear(m *Matrix, in *input, dst kernels.Addr, stride int, accumulate bool, scale float32) {
	p.product(in, stride, accumulate, scale, []target{{m, dst}})
}

// product multiplies one input with matrices and adds every active adapter's side
// path: dst += scale·Scale·B·(A·in). All products with A come first; those with B are
// done by the thread that has just written the rows they add to.
func (p *Planner) product(in *input, stride int, accumulate bool, scale float32, targets []target) {
	for _, t := range targets {
		p.ensureActs(t.m, in)
	}
	var downs []kernels.Operation
	ups := make([][]kernels.Operation, len(targets))
	low := p.Work.lora
	for i, t := range targets {
		for _, s := range p.Adapters[t.m.Info.Name] {
			down, up := p.sidePath(s, t, in, low, stride, scale)
			downs, ups[i] = append(downs, down), append(ups[i], up)
			low += floats(p.n * s.Rank)
		}
	}
	for i, op := range downs {
		p.addBefore(op, i == len(downs)-1)
	}
	for i, t := range targets {
		p.addBefore(p.matmul(t.m, in, t.dst, stride, accumulate, scale), i == len(targets)-1)
		for _, up := range ups[i] {
			p.addThen(up)
		}
	}
}

// sidePath is the products with A and with B of one side path. low is room between them.
func (p *Planner) sidePath(s SidePath, t target, in *input, low kernels.Addr, stride int, scale float32) (down, up kernels.Operation) {
	a := kernels.Matmul{Dst: low, W: s.A, X: in.at, N: p.n, Rows: s.Rank, K: t.m.K, XStride: in.stride, DstStride: s.Rank,
		Format: s.Format, Scale: 1}
	if s.Format == kernels.F32 {
		return a, kernels.Matmul{Dst: t.dst, W: s.B, X: low, N: p.n, Rows: t.m.Rows, K: s.Rank, XStride: s.Rank,
			DstStride: stride, Format: s.Format, Accumulate: 1, Scale: scale * s.Scale}
	}
	key := loraActs(p.Q8Zero)
	p.quantised(key, in)
	a.Act, a.X, a.Zero, a.Sub = kernels.ActQ8, *p.Work.acts[key], key.zero, key.sub
	return a, kernels.AddLoRA{Dst: t.dst, W: s.B, X: low, N: p.n, Rows: t.m.Rows, Rank: s.Rank, DstStride: stride,
		Scale: scale * s.Scale, Zero: key.zero}
}

// ensureActs quantises in for m unless it is there already.
func (p *Planner) ensureActs(m *Matrix, in *input) {
	if !m.Format.Quantised() || p.ExactAct {
		return
	}
	p.quantised(actKey{m.Format.Zero(p.Q8Zero), m.Format.Sub()}, in)
}

// quantised quantises in unless that is done already.
func (p *Planner) quantised(key actKey, in *input) {
	for _, k := range in.made {
		if k == key {
			return
		}
	}
	in.made = append(in.made, key)
	for _, k := range in.made[:len(in.made)-1] {
		if k.sub == kernels.BlockK && key.sub == k.sub && k.zero > 0 && key.zero%k.zero == 0 {
			p.add(kernels.Rebias{Dst: *p.Work.acts[key], Src: *p.Work.acts[k], N: p.n, K: in.k, Factor: key.zero / k.zero})
			return
		}
	}
	p.add(kernels.Quantize{Dst: *p.Work.acts[key], X: in.at, N: p.n, K: in.k, XStride: in.stride, Zero: key.zero, Sub: key.sub})
}

func (p *Planner) matmul(m *Matrix, in *input, dst kernels.Addr, stride int, accumulate bool, scale float32) kernels.Matmul {
	op := kernels.Matmul{Dst: dst, W: m.Addr, X: in.at, N: p.n, Rows: m.Rows, K: m.K, XStride: in.stride, DstStride: stride,
		Format: m.Format, Act: kernels.ActF32, Accumulate: oneIf(accumulate), Scale: scale, Zero: m.Format.Zero(p.Q8Zero), Sub: m.Format.Sub()}
	if m.Bias != nil {
		op.Bias = m.Bias.Addr
	}
	if m.Format.Quantised() && !p.ExactAct {
		op.Act = kernels.ActQ8
		op.X = *p.Work.acts[actKey{op.Zero, op.Sub}]
	}
	return op
}

// norm normalises rows of dim values of every token.
func (p *Planner) norm(norm *Norm, dst, x kernels.Addr, rows, dim, stride int) {
	c := p.Weights.Config
	if c.Norm == RMSNorm {
		p.add(kernels.RMSNorm{Dst: dst, X: x, Weight: norm.Weight.Addr, N: p.n, Rows: rows, Dim: dim, XStride: stride, DstStride: stride, Eps: c.NormEps})
		return
	}
	op := kernels.LayerNorm{Dst: dst, X: x, Weight: norm.Weight.Addr, N: p.n, Rows: rows, Dim: dim, XStride: stride, DstStride: stride, Eps: c.NormEps}
	if norm.Bias != nil {
		op.Bias = norm.Bias.Addr
	}
	p.add(op)
}

func (p *Planner) add(op kernels.Operation) {
	if p.err == nil {
		p.err = p.tape.Add(op)
	}
}

// addBefore adds an operation that the next does not depend on, unless it is the last of its kind.
func (p *Planner) addBefore(op kernels.Operation, last bool) {
	if last {
		p.add(op)
	} else {
		p.addUnordered(op)
	}
}

func (p *Planner) addThen(op kernels.Operation) {
	if p.err == nil {
		p.err = p.tape.AddThen(op)
	}
}

func (p *Planner) addUnordered(op kernels.Operation) {
	if p.err == nil {
		p.err = p.tape.AddUnordered(op)
	}
}

// floats is the size of n floats as an address difference.
func floats(n int) kernels.Addr { return kernels.Addr(4 * n) }

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
