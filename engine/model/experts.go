package model

import (
	"pastel/engine/gguf"
	"pastel/fault"
	"pastel/kernels"
)

// An ExpertConfig describes a mixture of experts; the zero value is a dense model.
type ExpertConfig struct {
	Count     int     // experts per block; 0: dense
	Used      int     // experts per token
	HiddenDim int     // width of one expert
	Shared    int     // width of the expert every token uses; 0: none
	Sigmoid   bool    // score by sigmoid instead of softmax
	Normalise bool    // divide the chosen weights by their sum
	Scale     float32 // factor of the chosen weights
}

// Experts holds the tensors of a mixture of experts.
type Experts struct {
	Router         *Matrix // [count, dim]
	SelectBias     *Vector // [count], added for the choice only; nil: none
	Gate, Up, Down *Matrix // all experts one below the other
	SharedRouter   *Matrix // [1, dim], gate of the shared expert; nil: always on
	SharedGate     *Matrix // nil: no shared expert
	SharedUp       *Matrix
	SharedDown     *Matrix
}

// experts reads the keys of a mixture; normalise is the family's habit.
func (c *Config) experts(m *metadata, normalise bool) {
	e := &c.Experts
	e.Count = m.int("expert_count", 0, kernels.MaxExperts)
	if e.Count == 0 {
		return
	}
	e.Used = m.int("expert_used_count", 0, e.Count)
	e.HiddenDim = m.int("expert_feed_forward_length", c.HiddenDim, maxDim)
	if t, ok := m.file.Tensor("blk.0.ffn_down_exps.weight"); ok && len(t.Shape) == 3 {
		e.HiddenDim = t.Shape[2]
	}
	if t, ok := m.file.Tensor("blk.0.ffn_down_shexp.weight"); ok && len(t.Shape) == 2 {
		e.Shared = t.Shape[1]
	}
	e.Normalise = m.bool("expert_weights_norm", normalise)
	e.Scale = m.float("expert_weights_scale", 1)
	if e.Scale == 0 {
		e.Scale = 1
	}
	e.Sigmoid = m.int("expert_gating_func", 1, 2) == 2
	switch {
	case e.Used < 1:
		m.keep(fault.New(fault.BadFile, "model: expert_used_count is ", e.Used, " of ", e.Count, " experts"))
	case e.HiddenDim < 1 || e.HiddenDim%kernels.GroupRows != 0 || c.Dim%kernels.GroupRows != 0:
		m.keep(fault.New(fault.UnsupportedArch, "model: experts of ", e.HiddenDim, " by ", c.Dim, " values are not multiples of ", kernels.GroupRows))
	}
}

// experts reads a block's mixture.
func (r *weightReader) experts(c *Config, p string) *Experts {
	e := &Experts{Router: r.matrix(p+"ffn_gate_inp.weight", c.Experts.Count, c.Dim)}
	e.Gate = r.stack(p+"ffn_gate_exps.weight", c.Experts.Count, c.Experts.HiddenDim, c.Dim)
	e.Up = r.stack(p+"ffn_up_exps.weight", c.Experts.Count, c.Experts.HiddenDim, c.Dim)
	e.Down = r.stack(p+"ffn_down_exps.weight", c.Experts.Count, c.Dim, c.Experts.HiddenDim)
	if hasTensor(r.f, p+"exp_probs_b.bias") {
		e.SelectBias = r.vector(p+"exp_probs_b.bias", c.Experts.Count)
	}
	if c.Experts.Shared > 0 {
		e.SharedGate = r.matrix(p+"ffn_gate_shexp.weight", c.Experts.Shared, c.Dim)
		e.SharedUp = r.matrix(p+"ffn_up_shexp.weight", c.Experts.Shared, c.Dim)
		e.SharedDown = r.matrix(p+"ffn_down_shexp.weight", c.Dim, c.Experts.Shared)
		if hasTensor(r.f, p+"ffn_gate_inp_shexp.weight") {
			e.SharedRouter = r.row(p+"ffn_gate_inp_shexp.weight", c.Dim)
		}
	}
	return e
}

// stack reads a tensor [count, rows, k] as one matrix [count·rows, k].
func (r *weightReader) stack(name string, count, rows, k int) *Matrix {
	return r.shaped(name, []int{count, rows, k}, count*rows, k)
}

// row reads a tensor [k] (or [1, k]) as a matrix of one row.
func (r *weightReader) row(name string, k int) *Matrix {
	if t, ok := r.f.Tensor(name); ok && len(t.Shape) == 1 {
		return r.shaped(name, []int{k}, 1, k)
	}
	return r.matrix(name, 1, k)
}

// expertWork is the memory of a mixture for n tokens.
type expertWork struct {
	Scores  kernels.Addr // [n, count]
	IDs     kernels.Addr // [n, used] int32
	Weights kernels.Addr // [n, used]
	FFN     kernels.Addr // [n·used, 2·hiddenDim]
	Out     kernels.Addr // [n·used, dim]
	Shared  kernels.Addr // [n, 2·shared]
	acts    map[actKey]*kernels.Addr
}

// mixture adds the experts' outputs to X.
func (p *Planner) mixture(e *Experts, in *input) {
	c, w := p.Weights.Config, &p.Work.experts
	x := &c.Experts
	p.linear(e.Router, in, w.Scores, x.Count, false, 1)
	route := kernels.Route{IDs: w.IDs, Weights: w.Weights, X: w.Scores, N: p.n, Experts: x.Count, Used: x.Used,
		Sigmoid: oneIf(x.Sigmoid), Normalise: oneIf(x.Normalise), Scale: x.Scale}
	if e.SelectBias != nil {
		route.Bias = e.SelectBias.Addr
	}
	p.add(route)
	stride := 2 * x.HiddenDim
	p.expertMatmul(e.Gate, in, p.n, w.FFN, stride, x.HiddenDim, 0)
	p.expertMatmul(e.Up, in, p.n, w.FFN+floats(x.HiddenDim), stride, x.HiddenDim, 0)
	slots := p.n * x.Used
	p.add(kernels.GLU{Dst: w.FFN, Gate: w.FFN, Up: w.FFN + floats(x.HiddenDim), N: slots, Dim: x.HiddenDim, Stride: stride, DstStride: stride, Func: c.Func})
	p.expertMatmul(e.Down, &input{at: w.FFN, stride: stride, k: x.HiddenDim}, slots, w.Out, c.Dim, c.Dim, 1)
	p.add(kernels.ExpertSum{Dst: p.Work.X, X: w.Out, Weights: w.Weights, N: p.n, Used: x.Used, Dim: c.Dim, Scale: c.ResidualScale})
	if e.SharedGate != nil {
		p.sharedExpert(e, in)
	}
}

// expertMatmul multiplies rows of in with the chosen experts' part of m.
func (p *Planner) expertMatmul(m *Matrix, in *input, rows int, dst kernels.Addr, stride, expertRows, perSlot int) {
	c, w := p.Weights.Config, &p.Work.experts
	op := kernels.ExpertMatmul{Dst: dst, W: m.Addr, X: in.at, N: p.n, Rows: m.Rows, K: m.K, XStride: in.stride, DstStride: stride,
		Format: m.Format, Scale: 1, Zero: m.Format.Zero(p.Q8Zero), Sub: m.Format.Sub(), IDs: w.IDs, Used: c.Experts.Used,
		ExpertRows: expertRows, PerSlot: perSlot}
	if m.Format.Quantised() && !p.ExactAct {
		op.Act, op.X = kernels.ActQ8, *w.acts[actKey{op.Zero, op.Sub}]
		p.add(kernels.Quantize{Dst: op.X, X: in.at, N: rows, K: in.k, XStride: in.stride, Zero: op.Zero, Sub: op.Sub, Narrow: 1})
	}
	p.add(op)
}

// sharedExpert adds the expert every token uses, weighed by a sigmoid gate when
// there is one.
func (p *Planner) sharedExpert(e *Experts, in *input) {
	c, w := p.Weights.Config, &p.Work.experts
	n := c.Experts.Shared
	in = &input{at: in.at, stride: in.stride, k: in.k} // quantised forms may have been overwritten
	p.linears(in, 2*n, target{e.SharedGate, w.Shared}, target{e.SharedUp, w.Shared + floats(n)})
	p.add(kernels.GLU{Dst: w.Shared, Gate: w.Shared, Up: w.Shared + floats(n), N: p.n, Dim: n, Stride: 2 * n, DstStride: 2 * n, Func: c.Func})
	hidden := &input{at: w.Shared, stride: 2 * n, k: n}
	if e.SharedRouter == nil {
		p.linear(e.SharedDown, hidden, p.Work.X, c.Dim, true, c.ResidualScale)
		return
	}
	p.linear(e.SharedRouter, in, w.Weights, 1, false, 1)
	p.add(kernels.Activate{X: w.Weights, Count: p.n, Func: kernels.Sigmoid})
	p.linear(e.SharedDown, hidden, w.Out, c.Dim, false, 1)
	p.add(kernels.ExpertSum{Dst: p.Work.X, X: w.Out, Weights: w.Weights, N: p.n, Used: 1, Dim: c.Dim, Scale: c.ResidualScale})
}

// expertBuffers lists the buffers of a mixture for n tokens, in floats.
func (work *Work) expertBuffers(c *Config, n int) []buffer {
	w, e := &work.experts, &c.Experts
	if e.Count == 0 {
		return nil
	}
	slots := n * e.Used
	return []buffer{
		{&w.Scores, n * e.Count}, {&w.IDs, slots}, {&w.Weights, slots}, {&w.FFN, slots * 2 * e.HiddenDim},
		{&w.Out, slots * c.Dim}, {&w.Shared, n * 2 * e.Shared},
	}
}

// stacked reports whether a tensor holds all experts' matrices.
func stacked(t gguf.TensorInfo) bool { return len(t.Shape) == 3 }

// IsStack reports whether the matrix is all experts', one below the other.
func (m *Matrix) IsStack() bool { return stacked(m.Info) }
