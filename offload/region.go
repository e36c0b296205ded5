package offload

import "math"

// A Region is where a customisation lies in the space of query embeddings: the
// user's own samples around the mean of what the pool was trained on. What is far
// from it is out of scope.
//
// Embeddings of one model have a large part in common, so angles between them say
// little until the mean is subtracted (RATIONALE.md). A Mean of nothing subtracts nothing.
type Region struct {
	Mean    []float32   `json:"mean"`    // [dim], or none
	Samples [][]float32 `json:"samples"` // [n, dim], as embedded, not centred
}

// Score records Scope and Nearest of a query. Without samples neither is known.
//
// Shapes: q [dim], as embedded by the recipe of the samples.
func (r Region) Score(q []float32, s *Signals) {
	if len(r.Samples) == 0 {
		return
	}
	s.Set(Scope, Cosine(r.centred(q), r.centred(Center(r.Samples))))
	s.Set(Nearest, NearestSample(q, r.Samples))
}

// Threshold is the scope threshold that keeps what is as near as 95% of the
// samples are to each other.
func (r Region) Threshold() Threshold {
	points := make([][]float32, len(r.Samples))
	for i, s := range r.Samples {
		points[i] = r.centred(s)
	}
	return ScopeThreshold(points)
}

func (r Region) centred(q []float32) []float32 {
	if len(r.Mean) == 0 {
		return q
	}
	c := make([]float32, len(q))
	for i, x := range q {
		c[i] = x - r.Mean[i]
	}
	return c
}

// Cosine returns the cosine of the angle between a and b, and 0 when either
// has no direction (all zero, or not finite).
//
// Shapes: a, b [dim].
// Errors: panics when the lengths differ (our bug: both come from one embedder).
func Cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		panic("offload: cosine of different dims")
	}
	var dot, na, nb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot += x * y
		na += x * x
		nb += y * y
	}
	c := dot / math.Sqrt(na*nb)
	if math.IsNaN(c) {
		return 0
	}
	return max(-1, min(1, c))
}

// NearestSample returns minus the Euclidean distance from q to the nearest
// sample, and -Inf without samples.
//
// Shapes: q [dim]; samples [n, dim].
func NearestSample(q []float32, samples [][]float32) float64 {
	best := math.Inf(1)
	for _, s := range samples {
		best = min(best, squaredDistance(q, s))
	}
	return -math.Sqrt(best)
}

func squaredDistance(a, b []float32) float64 {
	if len(a) != len(b) {
		panic("offload: distance of different dims")
	}
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return sum
}

// Center returns the mean of the samples: the user embedding q_c.
//
// Shapes: samples [n, dim], n ≥ 1; result [dim].
// Source: crayon.md §2 (average first, then compare).
func Center(samples [][]float32) []float32 {
	sum := make([]float64, len(samples[0]))
	for _, s := range samples {
		for i, x := range s {
			sum[i] += float64(x)
		}
	}
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = float32(x / float64(len(samples)))
	}
	return mean
}

// LeaveOneOutScope returns, for each sample, its cosine to the mean of the
// others: how far in scope the user's own samples are without seeing
// themselves. With fewer than two samples it returns nil.
//
// Shapes: samples [n, dim]; result [n].
// Source: crayon.md §3 (theta_s is its 5th percentile).
func LeaveOneOutScope(samples [][]float32) []float64 {
	n := len(samples)
	if n < 2 {
		return nil
	}
	mean := Center(samples)
	scores := make([]float64, n)
	rest := make([]float32, len(mean))
	for i, s := range samples {
		for j := range rest {
			rest[j] = (mean[j]*float32(n) - s[j]) / float32(n-1)
		}
		scores[i] = Cosine(s, rest)
	}
	return scores
}
