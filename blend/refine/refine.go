package refine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"pastel/fault"
)

// A LossFunc tells what weights cost on the samples; lower is better. It must not
// keep or change its argument.
type LossFunc func(weights []float64) (float64, error)

// Options bound a search. Zero fields take the default.
type Options struct {
	MaxEvals int     // evaluations, the start included; default 64
	Sigma    float64 // first step length per weight; default 0.3
	Bound    float64 // weights stay in ±Bound; default 1.5
	Seed     uint64
}

func (o Options) withDefaults() Options {
	o.MaxEvals = cmp.Or(o.MaxEvals, 64)
	o.Sigma = cmp.Or(o.Sigma, 0.3)
	o.Bound = cmp.Or(o.Bound, 1.5)
	return o
}

// A Result is the best that was seen: the start before any evaluation.
type Result struct {
	Weights         []float64
	Loss, StartLoss float64
	Evals           int
}

// A Search proposes weights one after another and is told what each costs: a separable
// CMA-ES. It may be left between any two; equal arguments and losses give equal proposals.
//
// Source: Ros & Hansen 2008, "A simple modification in CMA-ES achieving linear
// time and space complexity"; bounds as LoRAHub, arXiv:2307.13269.
type Search struct {
	o      Options
	rng    *rand.Rand
	best   Result
	step   rates
	next   *point  // proposed and not yet told
	points []point // of the generation under way

	mean, variance, path []float64
	sigma                float64
}

// A point is a candidate and its loss; z is the standard normal draw it came from.
type point struct {
	w, z []float64
	loss float64
}

// New begins a search whose first proposal is start.
//
// Errors: fault.BadRequest for an empty start or values that are not finite.
func New(start []float64, o Options) (*Search, error) {
	for _, w := range start {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return nil, fault.New(fault.BadRequest, "refine: weight ", w, " is not finite")
		}
	}
	if len(start) == 0 {
		return nil, fault.New(fault.BadRequest, "refine: no weights")
	}
	o = o.withDefaults()
	s := &Search{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0xC3A)), best: Result{Weights: slices.Clone(start), Loss: math.Inf(1)}, step: ratesOf(len(start)),
		next: &point{w: slices.Clone(start)}, mean: slices.Clone(start), variance: make([]float64, len(start)), path: make([]float64, len(start)), sigma: o.Sigma}
	for i := range s.variance {
		s.variance[i] = 1
	}
	return s, nil
}

// Best is the best so far; its loss is at most the start's. Before any loss is told it is the start,
// with a loss of infinity.
func (s *Search) Best() Result { return s.best }

// Next returns the weights to evaluate next, the same until Tell; nil when MaxEvals have been.
// They are the search's own.
func (s *Search) Next() []float64 {
	if s.best.Evals >= s.o.MaxEvals {
		return nil
	}
	if s.next == nil {
		s.next = s.draw()
	}
	return s.next.w
}

// Tell gives the loss of what Next returned. One that is not a number is the worst.
func (s *Search) Tell(loss float64) {
	if math.IsNaN(loss) {
		loss = math.Inf(1)
	}
	p := *s.next
	p.loss, s.next = loss, nil
	s.best.Evals++
	if loss < s.best.Loss {
		s.best.Loss, s.best.Weights = loss, slices.Clone(p.w)
	}
	if s.best.Evals == 1 {
		s.best.StartLoss = loss
		return
	}
	if s.points = append(s.points, p); len(s.points) == s.step.lambda {
		s.adapt()
		s.points = s.points[:0]
	}
}

// Minimize runs a whole search. The result's loss is at most the start's, however it ends.
//
// Errors: those of New; what loss returns, with the best so far.
func Minimize(start []float64, loss LossFunc, o Options) (Result, error) {
	s, err := New(start, o)
	if err != nil {
		return Result{}, err
	}
	for w := s.Next(); w != nil; w = s.Next() {
		v, err := loss(w)
		if err != nil {
			return s.Best(), err
		}
		s.Tell(v)
	}
	return s.Best(), nil
}

// rates are the constants of the CMA-ES for a number of weights.
type rates struct {
	lambda             int       // points in a generation
	share              []float64 // of the better half in the new mean
	mu                 float64   // effective number of parents
	cSigma, damp, cCov float64
	chi                float64 // expected length of a standard normal draw
}

func ratesOf(dim int) (r rates) {
	n := float64(dim)
	r.lambda = 4 + int(3*math.Log(n))
	r.share = recombination(r.lambda / 2)
	for _, v := range r.share {
		r.mu += v * v
	}
	r.mu = 1 / r.mu
	r.cSigma = (r.mu + 2) / (n + r.mu + 5)
	r.damp = 1 + 2*max(0, math.Sqrt((r.mu-1)/(n+1))-1) + r.cSigma
	r.cCov = min(1, (n+2)/3*2/((n+math.Sqrt2)*(n+math.Sqrt2))) // (n+2)/3 times faster than the full matrix
	r.chi = math.Sqrt(n) * (1 - 1/(4*n) + 1/(21*n*n))
	return r
}

// recombination returns the falling shares of the parents, which sum to one.
func recombination(parents int) []float64 {
	share := make([]float64, parents)
	sum := 0.0
	for i := range share {
		share[i] = math.Log(float64(parents)+0.5) - math.Log(float64(i+1))
		sum += share[i]
	}
	for i := range share {
		share[i] /= sum
	}
	return share
}

// draw makes a point around the mean.
func (s *Search) draw() *point {
	p := &point{w: make([]float64, len(s.mean)), z: make([]float64, len(s.mean))}
	for i := range s.mean {
		step := s.sigma * math.Sqrt(s.variance[i])
		p.w[i] = max(-s.o.Bound, min(s.o.Bound, s.mean[i]+step*s.rng.NormFloat64()))
		p.z[i] = (p.w[i] - s.mean[i]) / step // what is left of the draw inside the bounds
	}
	return p
}

// adapt ranks a generation, moves the mean towards its better half, and adapts the step
// length and the variance of each weight.
func (s *Search) adapt() {
	r := &s.step
	slices.SortStableFunc(s.points, func(a, b point) int { return cmp.Compare(a.loss, b.loss) })
	norm := 0.0
	for i := range s.mean {
		shift, z, spread := 0.0, 0.0, 0.0
		for k, v := range r.share {
			shift += v * s.points[k].w[i]
			z += v * s.points[k].z[i]
			spread += v * s.points[k].z[i] * s.points[k].z[i]
		}
		s.mean[i] = shift
		s.path[i] = (1-r.cSigma)*s.path[i] + math.Sqrt(r.cSigma*(2-r.cSigma)*r.mu)*z
		norm += s.path[i] * s.path[i]
		s.variance[i] *= 1 - r.cCov + r.cCov*spread
	}
	s.sigma *= math.Exp(min(1, r.cSigma/r.damp*(math.Sqrt(norm)/r.chi-1)))
}
