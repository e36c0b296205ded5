package train

import "math"

// adamW is the state of the optimiser over one flat vector of parameters.
//
// Source: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, without
// weight decay (LoRA factors are small by rank, tiny bases by data).
type adamW struct {
	step int
	m, v []float64 // first and second moments
}

const (
	beta1, beta2 = 0.9, 0.99
	adamEps      = 1e-8
	clipNorm     = 1.0
)

func newAdamW(n int) *adamW { return &adamW{m: make([]float64, n), v: make([]float64, n)} }

// update moves params against grad, whose norm is first clipped to clipNorm.
func (o *adamW) update(params, grad []float64, rate float64) {
	o.step++
	clip := 1.0
	if norm := math.Sqrt(dot(grad, grad)); norm > clipNorm {
		clip = clipNorm / norm
	}
	c1 := 1 - math.Pow(beta1, float64(o.step))
	c2 := 1 - math.Pow(beta2, float64(o.step))
	for i, g := range grad {
		g *= clip
		o.m[i] = beta1*o.m[i] + (1-beta1)*g
		o.v[i] = beta2*o.v[i] + (1-beta2)*g*g
		params[i] -= rate * (o.m[i] / c1) / (math.Sqrt(o.v[i]/c2) + adamEps)
	}
}

// rate is the learning rate of a step: linear warm-up over the first 3%, then a
// cosine down to a tenth.
func rate(peak float64, step, steps int) float64 {
	warm := max(1, steps*3/100)
	if step < warm {
		return peak * float64(step+1) / float64(warm)
	}
	at := float64(step-warm) / float64(max(1, steps-warm))
	return peak * (0.1 + 0.9*(1+math.Cos(math.Pi*at))/2)
}
