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
	MaxEvals int     // calls of the loss, the start included; default 64
	Sigma    float64 // first step length per weight; default 0.3
	Bound    float64 // weights stay in ±Bound; default 1.5
	Seed     uint64
	Stop     func() bool // asked before every call; true ends the search; may be nil
}

// A Result is the best that was seen.
type Result struct {
	Weights         []float64
	Loss, StartLoss float64
	Evals           int
}

// Minimize searches from start with a separable CMA-ES. The result's loss is at
// most the start's, however the search ends; equal arguments give equal results.
//
// Errors: fault.BadRequest for an empty start or values that are not finite; what
// loss returns, with the best so far.
// Source: Ros & Hansen 2008, "A simple modification in CMA-ES achieving linear
// time and space complexity"; bounds as LoRAHub, arXiv:2307.13269.
func Minimize(start []float64, loss LossFunc, o Options) (Result, error) {
	o = o.withDefaults()
	for _, w := range start {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return Result{}, fault.New(fault.BadRequest, "refine: weight ", w, " is not finite")
		}
	}
	if len(start) == 0 {
		return Result{}, fault.New(fault.BadRequest, "refine: no weights")
	}
	s := &search{o: o, loss: loss, rng: rand.New(rand.NewPCG(o.Seed, 0xC3A)), best: Result{Weights: slices.Clone(start), Loss: math.Inf(1)}}
	first, ok := s.eval(start)
	s.best.StartLoss = first
	if ok {
		s.run(start)
	}
	return s.best, s.err
}

func (o Options) withDefaults() Options {
	o.MaxEvals = cmp.Or(o.MaxEvals, 64)
	o.Sigma = cmp.Or(o.Sigma, 0.3)
	o.Bound = cmp.Or(o.Bound, 1.5)
	return o
}

// search counts calls of the loss and remembers the best.
type search struct {
	o    Options
	loss LossFunc
	rng  *rand.Rand
	best Result
	err  error
}

// eval returns the loss of w; ok is false when the search must end. A loss that
// is not a number is the worst.
func (s *search) eval(w []float64) (loss float64, ok bool) {
	if s.err != nil || s.best.Evals >= s.o.MaxEvals || s.o.Stop != nil && s.o.Stop() {
		return 0, false
	}
	s.best.Evals++
	loss, s.err = s.loss(w)
	if s.err != nil {
		return 0, false
	}
	if math.IsNaN(loss) {
		loss = math.Inf(1)
	}
	if loss < s.best.Loss {
		s.best.Loss, s.best.Weights = loss, slices.Clone(w)
	}
	return loss, true
}

// A point is a candidate and its loss; z is the standard normal draw it came from.
type point struct {
	w, z []float64
	loss float64
}

// run is the CMA-ES loop: draw around the mean, rank, move the mean towards the
// better half, adapt the step length and the variance of each weight.
func (s *search) run(start []float64) {
	n := float64(len(start))
	lambda := 4 + int(3*math.Log(n))
	share := recombination(lambda / 2)
	mu := 0.0 // effective number of parents
	for _, v := range share {
		mu += v * v
	}
	mu = 1 / mu
	cSigma := (mu + 2) / (n + mu + 5)
	damp := 1 + 2*max(0, math.Sqrt((mu-1)/(n+1))-1) + cSigma
	cCov := min(1, (n+2)/3*2/((n+math.Sqrt2)*(n+math.Sqrt2))) // (n+2)/3 times faster than the full matrix
	chi := math.Sqrt(n) * (1 - 1/(4*n) + 1/(21*n*n))

	mean, sigma := slices.Clone(start), s.o.Sigma
	variance, path := make([]float64, len(start)), make([]float64, len(start))
	for i := range variance {
		variance[i] = 1
	}
	for {
		points, ok := s.generation(mean, variance, sigma, lambda)
		if !ok {
			return
		}
		norm := 0.0
		for i := range mean {
			shift, z, spread := 0.0, 0.0, 0.0
			for k, v := range share {
				shift += v * points[k].w[i]
				z += v * points[k].z[i]
				spread += v * points[k].z[i] * points[k].z[i]
			}
			mean[i] = shift
			path[i] = (1-cSigma)*path[i] + math.Sqrt(cSigma*(2-cSigma)*mu)*z
			norm += path[i] * path[i]
			variance[i] *= 1 - cCov + cCov*spread
		}
		sigma *= math.Exp(min(1, cSigma/damp*(math.Sqrt(norm)/chi-1)))
	}
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

// generation draws and ranks lambda points.
func (s *search) generation(mean, variance []float64, sigma float64, lambda int) ([]point, bool) {
	points := make([]point, lambda)
	for k := range points {
		p := point{w: make([]float64, len(mean)), z: make([]float64, len(mean))}
		for i := range mean {
			step := sigma * math.Sqrt(variance[i])
			p.w[i] = max(-s.o.Bound, min(s.o.Bound, mean[i]+step*s.rng.NormFloat64()))
			p.z[i] = (p.w[i] - mean[i]) / step // what is left of the draw inside the bounds
		}
		var ok bool
		if p.loss, ok = s.eval(p.w); !ok {
			return nil, false
		}
		points[k] = p
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.loss, b.loss) })
	return points, true
}
