package blend

import (
	"math"
	"slices"

	"pastel/fault"
)

// A Weighting turns similarity scores into blend weights that sum to one. The
// zero value is a softmax with temperature 0.1.
type Weighting struct {
	Kind WeightingKind
	Tau  float64 // temperature of Softmax and TopK, above 0; 0 means 0.1
	TopK int     // how many TopK keeps; 0 means 2
}

// A WeightingKind names how scores become weights. The values are the words
// used in pool manifests.
type WeightingKind string

// The weightings. Equal scores always get equal weights, so that the order of
// a pool means nothing: OneHot shares among ties, TopK keeps ties at its edge.
const (
	Softmax WeightingKind = "softmax"      // exp(s/τ), normalised; also the empty kind
	TopK    WeightingKind = "topk_softmax" // softmax over the k best
	ReLU    WeightingKind = "relu_norm"    // max(0, s), normalised; uniform if none is positive
	OneHot  WeightingKind = "onehot"       // the best alone: the nearest adapter
	Uniform WeightingKind = "uniform"      // all the same
)

// Validate reports whether w can be used.
//
// Errors: fault.BadRequest.
func (w Weighting) Validate() error {
	switch w.Kind {
	case "", Softmax, TopK, ReLU, OneHot, Uniform:
	default:
		return fault.New(fault.BadRequest, "blend: unknown weighting ", fault.Quote(string(w.Kind)))
	}
	if !(w.Tau >= 0) || w.Tau > 1e6 || w.TopK < 0 {
		return fault.New(fault.BadRequest, "blend: temperature ", w.Tau, " and top-k ", w.TopK, " are not in range")
	}
	return nil
}

// Weights returns one weight for each score.
//
// Errors: fault.BadRequest for no scores, scores that are not finite, or an
// invalid w.
// Source: Crayon, crayon.md eq. 5; the alternatives are its ablations.
func (w Weighting) Weights(scores []float64) ([]float64, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if len(scores) == 0 {
		return nil, fault.New(fault.BadRequest, "blend: no scores")
	}
	for _, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, fault.New(fault.BadRequest, "blend: score ", s, " is not finite")
		}
	}
	out := make([]float64, len(scores))
	w.fill(out, scores)
	normalize(out)
	return out, nil
}

// fill writes weights before normalisation.
func (w Weighting) fill(out, scores []float64) {
	best := slices.Max(scores)
	threshold := math.Inf(-1)
	if w.Kind == TopK {
		threshold = kthLargest(scores, cmpOr(w.TopK, 2))
	}
	tau := cmpOr(w.Tau, 0.1)
	for i, s := range scores {
		switch {
		case w.Kind == Uniform, w.Kind == OneHot && s == best:
			out[i] = 1
		case w.Kind == ReLU:
			out[i] = max(0, s)
		case w.Kind == OneHot, s < threshold:
			out[i] = 0
		default:
			out[i] = math.Exp((s - best) / tau)
		}
	}
}

func cmpOr[T int | float64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

func kthLargest(scores []float64, k int) float64 {
	sorted := slices.Sorted(slices.Values(scores))
	return sorted[max(0, len(sorted)-k)]
}

// normalize makes weights sum to one; all zero becomes uniform.
func normalize(w []float64) {
	sum := 0.0
	for _, v := range w {
		sum += v
	}
	for i := range w {
		if sum == 0 {
			w[i] = 1 / float64(len(w))
		} else {
			w[i] /= sum
		}
	}
}

// EffectiveCount is exp(H(weights)): how many adapters a blend really uses, from
// 1 (one-hot) to len(weights) (uniform).
func EffectiveCount(weights []float64) float64 {
	h := 0.0
	for _, w := range weights {
		if w > 0 {
			h -= w * math.Log(w)
		}
	}
	return math.Exp(h)
}
