package train

import (
	"context"

	"pastel/blend"
	"pastel/fault"
)

// A Pool is a set of adapters in training, one after another in Flat.
type Pool struct {
	Flat     []float64
	Adapters []*LoRA // each lies in Flat
}

// A Shape says which linear maps get factors, and how large.
type Shape struct {
	Linears []int
	Rank    int
	Scaling float64
}

// NewPool returns n adapters. All start from the same A, so that sums of
// factors mean something from the first step (crayon.md §1.4).
func NewPool(c Config, n int, shape Shape, seed uint64) *Pool {
	size := len(NewLoRA(c, shape.Linears, shape.Rank, shape.Scaling).Flat)
	p := &Pool{Flat: make([]float64, n*size)}
	for i := range n {
		l := NewLoRA(c, shape.Linears, shape.Rank, shape.Scaling)
		l.rebase(p.Flat[i*size : (i+1)*size])
		l.Init(seed)
		p.Adapters = append(p.Adapters, l)
	}
	return p
}

// rebase moves the factors to flat without copying them.
func (l *LoRA) rebase(flat []float64) {
	l.Flat = flat
	for i := range l.Sites {
		s := &l.Sites[i]
		s.A, flat = flat[:len(s.A)], flat[len(s.A):]
		s.B, flat = flat[:len(s.B)], flat[len(s.B):]
	}
}

// blend returns Σ αₙ·φₙ, factor by factor.
func (p *Pool) blend(c Config, alpha []float64) *LoRA {
	out := p.Adapters[0].Like(c)
	for n, a := range alpha {
		if a != 0 {
			axpy(out.Flat, a, p.Adapters[n].Flat)
		}
	}
	return out
}

// Joint trains the pool so that example i, run with the factor blend of weights
// alpha[i], is predicted well; the base is frozen. With one-hot weights every
// adapter sees only its own cluster and the same code trains per cluster.
//
// Source: crayon.md §1.3 eq. 6 and 7; the gradient of adapter n is αₙ times that
// of the blend.
func (p *Pool) Joint(ctx context.Context, m *Model, examples []Example, alpha [][]float64, o Options) error {
	if len(alpha) != len(examples) {
		return fault.New(fault.BadRequest, "train: weights for ", len(alpha), " of ", len(examples), " examples")
	}
	for i, a := range alpha {
		if len(a) != len(p.Adapters) {
			return fault.New(fault.BadRequest, "train: example ", i, " has ", len(a), " weights for ", len(p.Adapters), " adapters")
		}
	}
	o = o.withDefaults()
	size := len(p.Adapters[0].Flat)
	return optimize(ctx, p.Flat, len(examples), o, func(i int, weight float64, grad []float64) float64 {
		lora := p.blend(m.Config, alpha[i])
		g := lora.Like(m.Config)
		loss := m.LossGrad(examples[i], lora, weight, Gradients{LoRA: g})
		for n, a := range alpha[i] {
			if a != 0 {
				axpy(grad[n*size:(n+1)*size], a, g.Flat)
			}
		}
		return loss
	})
}

// Export converts the adapters for storing.
func (p *Pool) Export(name func(n int) string) ([]*blend.Adapter, error) {
	var out []*blend.Adapter
	for n, l := range p.Adapters {
		a, err := l.Adapter(name(n))
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// FromAdapter makes factors for evaluation from a stored adapter whose pairs
// all lie on linear maps of the model; ranks may differ.
func FromAdapter(c Config, a *blend.Adapter) *LoRA {
	rank := a.Rank()
	l := NewLoRA(c, []int{AttnQ, AttnK, AttnV, AttnOut, FFNGate, FFNUp, FFNDown}, rank, 1)
	for i := range l.Sites {
		s := &l.Sites[i]
		p := a.Pair(Target(s.Layer, s.Linear))
		if p == nil {
			continue
		}
		for j, v := range p.A {
			s.A[j] = float64(v)
		}
		for o := range p.Out {
			for k := range p.Rank {
				s.B[o*rank+k] = float64(p.Scaling) * float64(p.B[o*p.Rank+k])
			}
		}
	}
	return l
}
