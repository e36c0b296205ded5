package blend

import (
	"math"

	"pastel/blend/linalg"
	"pastel/fault"
)

// A Space says in which space adapters are added. The values are the words
// used in pool manifests.
type Space string

// The spaces of a blend.
const (
	FactorSpace Space = "factor" // A = Σ wₙ·Aₙ, B = Σ wₙ·Bₙ: rank r, with cross terms
	DeltaSpace  Space = "delta"  // Σ wₙ·Bₙ·Aₙ exactly: rank N·r
)

// Factor adds A's and B's apart: the result has the rank of one adapter, and
// its delta is Σᵢⱼ wᵢ·wⱼ·Bᵢ·Aⱼ, cross terms included. It is meant for pools
// that were trained with it.
//
// Errors: fault.LoRAMismatch unless all adapters have the same targets, shapes
// and ranks; fault.BadRequest for no adapters or a wrong number of weights.
// Source: LoRAHub, arXiv:2307.13269, eq. 1; crayon.md §1.4 (a).
func Factor(name string, adapters []*Adapter, weights []float64) (*Adapter, error) {
	if err := checkWeights(adapters, weights); err != nil {
		return nil, err
	}
	first := adapters[0]
	for _, a := range adapters[1:] {
		if err := sameLayout(first, a); err != nil {
			return nil, err
		}
	}
	var pairs []Pair
	for i := range first.Pairs {
		p := first.Pairs[i]
		p.A, p.B = make([]float32, len(p.A)), make([]float32, len(p.B))
		for n, a := range adapters {
			q := &a.Pairs[i]
			addScaled(p.A, float32(weights[n]), q.A)
			// Scalings may differ; the result keeps the first one's.
			addScaled(p.B, float32(weights[n]*ratio(q.Scaling, p.Scaling)), q.B)
		}
		pairs = append(pairs, p)
	}
	return finish(name, first.Arch, pairs)
}

// ratio is a/b, 1 when both are zero.
func ratio(a, b float32) float64 {
	if a == b {
		return 1
	}
	return float64(a) / float64(b)
}

func addScaled(dst []float32, w float32, x []float32) {
	for i, v := range x {
		dst[i] += w * v
	}
}

func finish(name, arch string, pairs []Pair) (*Adapter, error) {
	a, err := NewAdapter(name, pairs)
	if err != nil {
		return nil, err
	}
	a.Arch = arch
	return a, nil
}

func checkWeights(adapters []*Adapter, weights []float64) error {
	if len(adapters) == 0 || len(adapters) != len(weights) {
		return fault.New(fault.BadRequest, "blend: ", len(weights), " weights for ", len(adapters), " adapters")
	}
	for _, w := range weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return fault.New(fault.BadRequest, "blend: weight ", w, " is not finite")
		}
	}
	for _, a := range adapters[1:] {
		if a.Arch != adapters[0].Arch {
			return fault.New(fault.LoRAMismatch, "blend: adapters for ", fault.Quote(adapters[0].Arch), " and ", fault.Quote(a.Arch))
		}
	}
	return nil
}

// sameLayout reports how a and b differ in targets, shapes or ranks.
func sameLayout(a, b *Adapter) error {
	if len(a.Pairs) != len(b.Pairs) {
		return fault.New(fault.LoRAMismatch, "blend: adapters of ", len(a.Pairs), " and ", len(b.Pairs), " tensors cannot be blended factor by factor")
	}
	for i := range a.Pairs {
		p, q := &a.Pairs[i], &b.Pairs[i]
		if p.Target != q.Target || p.Rank != q.Rank || p.In != q.In || p.Out != q.Out || p.Scaling == 0 && q.Scaling != 0 {
			return fault.New(fault.LoRAMismatch, "blend: ", fault.Quote(p.Target), " of rank ", p.Rank, " and ",
				fault.Quote(q.Target), " of rank ", q.Rank, " cannot be blended factor by factor")
		}
	}
	return nil
}

// Delta adds the deltas exactly by concatenation: A = [A₁; …; A_N],
// B = [w₁s₁B₁ … w_N s_N B_N], scaling 1. Adapters of weight zero take no rank;
// ranks and targets may differ.
//
// Errors: as Factor for weights and architectures; fault.LoRAMismatch when two
// adapters disagree on a tensor's shape; fault.BadFile when ranks add up to more
// than MaxRank.
// Source: crayon.md §1.4 (b); PEFT's combination "cat".
func Delta(name string, adapters []*Adapter, weights []float64) (*Adapter, error) {
	stacks, err := stack(adapters, weights)
	if err != nil {
		return nil, err
	}
	var pairs []Pair
	for _, s := range stacks {
		pairs = append(pairs, s.concatenate())
	}
	return finish(name, adapters[0].Arch, pairs)
}

// DeltaSVD is Delta compressed to at most rank: for every tensor the nearest
// matrix of that rank in the Frobenius norm, found without forming the delta.
//
// Errors: as Delta, but ranks may add up to anything; fault.BadRequest for a
// rank that is not in 1..MaxRank.
func DeltaSVD(name string, adapters []*Adapter, weights []float64, rank int) (*Adapter, error) {
	if rank < 1 || rank > MaxRank {
		return nil, fault.New(fault.BadRequest, "blend: rank ", rank, " is not in 1..", MaxRank)
	}
	stacks, err := stack(adapters, weights)
	if err != nil {
		return nil, err
	}
	var pairs []Pair
	for _, s := range stacks {
		p := s.concatenate()
		pairs = append(pairs, Compress(&p, rank))
	}
	return finish(name, adapters[0].Arch, pairs)
}

// A stacked lists what one tensor gets from several adapters.
type stacked struct {
	parts   []*Pair
	weights []float64
}

// stack groups the pairs of all adapters by target, in order of first sight.
func stack(adapters []*Adapter, weights []float64) ([]*stacked, error) {
	if err := checkWeights(adapters, weights); err != nil {
		return nil, err
	}
	var list []*stacked
	index := map[string]*stacked{}
	for n, a := range adapters {
		for i := range a.Pairs {
			p := &a.Pairs[i]
			s := index[p.Target]
			if s == nil {
				s = &stacked{}
				index[p.Target] = s
				list = append(list, s)
			}
			if len(s.parts) > 0 && (s.parts[0].In != p.In || s.parts[0].Out != p.Out) {
				return nil, fault.New(fault.LoRAMismatch, "blend: tensor ", fault.Quote(p.Target), " is [", p.Out, " ", p.In,
					"] in one adapter and [", s.parts[0].Out, " ", s.parts[0].In, "] in another")
			}
			s.parts, s.weights = append(s.parts, p), append(s.weights, weights[n])
		}
	}
	return list, nil
}

// concatenate makes the exact sum. If every weight is zero one zero column
// remains, because a pair has at least rank 1.
func (s *stacked) concatenate() Pair {
	first := s.parts[0]
	out := Pair{Target: first.Target, In: first.In, Out: first.Out, Scaling: 1}
	for n, p := range s.parts {
		if s.weights[n] != 0 {
			out.Rank += p.Rank
			out.A = append(out.A, p.A...)
		}
	}
	if out.Rank == 0 {
		out.Rank, out.A = 1, make([]float32, out.In)
	}
	out.B = make([]float32, out.Out*out.Rank)
	at := 0
	for n, p := range s.parts {
		if s.weights[n] == 0 {
			continue
		}
		w := float32(s.weights[n] * float64(p.Scaling))
		for o := range p.Out {
			addScaled(out.B[o*out.Rank+at:][:p.Rank], w, p.B[o*p.Rank:][:p.Rank])
		}
		at += p.Rank
	}
	return out
}

// Compress returns the best approximation of p's delta by a pair of at most the
// given rank and scaling 1. Its ranks are in the order of falling singular
// values, which are shared evenly between A and B, so the first r′ ranks alone
// are the best approximation of rank r′.
//
// With B = L_Bᵀ-combinations of orthonormal rows Q_B and A likewise, the delta
// is Q_Bᵀ·(core)·Q_A with a core of p.Rank × p.Rank, whose singular value
// decomposition is that of the delta.
func Compress(p *Pair, rank int) Pair {
	qa := widen(p.A, p.Rank, p.In)
	qb := linalg.New(p.Rank, p.Out) // the columns of B as rows
	for o := range p.Out {
		for k := range p.Rank {
			qb.Row(k)[o] = float64(p.B[o*p.Rank+k]) * float64(p.Scaling)
		}
	}
	la, lb := linalg.Orthonormalize(qa), linalg.Orthonormalize(qb)
	// delta = Σₖ bₖ·aₖᵀ = Q_Bᵀ·(L_Bᵀ·L_A)·Q_A
	core := linalg.New(p.Rank, p.Rank)
	for k := range p.Rank {
		for i, b := range lb.Row(k) {
			linalg.AddScaled(core.Row(i), b, la.Row(k))
		}
	}
	u, s, v := linalg.SVD(core)
	return fromSVD(p, min(rank, p.Rank), u, s, v, qa, qb)
}

// fromSVD puts √s·V·Q_A into A and Q_Bᵀ·Uᵀ·√s into B.
func fromSVD(p *Pair, rank int, u linalg.Matrix, s []float64, v, qa, qb linalg.Matrix) Pair {
	out := Pair{Target: p.Target, Rank: rank, In: p.In, Out: p.Out, Scaling: 1,
		A: make([]float32, rank*p.In), B: make([]float32, p.Out*rank)}
	a, b := make([]float64, p.In), make([]float64, p.Out)
	for k := range rank {
		root := math.Sqrt(s[k])
		clear(a)
		clear(b)
		for j := range p.Rank {
			linalg.AddScaled(a, root*v.Row(k)[j], qa.Row(j))
			linalg.AddScaled(b, root*u.Row(k)[j], qb.Row(j))
		}
		for i, x := range a {
			out.A[k*p.In+i] = float32(x)
		}
		for o, x := range b {
			out.B[o*rank+k] = float32(x)
		}
	}
	return out
}

func widen(x []float32, rows, cols int) linalg.Matrix {
	m := linalg.New(rows, cols)
	for i, v := range x {
		m.Data[i] = float64(v)
	}
	return m
}
