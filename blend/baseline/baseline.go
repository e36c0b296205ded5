package baseline

import (
	"math"
	"slices"

	"pastel/blend"
	"pastel/blend/refine"
	"pastel/fault"
)

// LoRAHub searches blend weights for the factor space from zero on labelled
// samples, with a penalty of 0.05·Σ|w|, |w| ≤ 1.5 and at most evals calls of loss
// (the paper takes 40). The loss reported includes the penalty.
//
// Errors: those of refine.Minimize.
// Source: Huang et al. 2023, arXiv:2307.13269, §3.
func LoRAHub(n int, loss refine.LossFunc, evals int, seed uint64) (refine.Result, error) {
	penalised := func(w []float64) (float64, error) {
		l, err := loss(w)
		for _, v := range w {
			l += 0.05 * math.Abs(v)
		}
		return l, err
	}
	return refine.Minimize(make([]float64, n), penalised, refine.Options{MaxEvals: evals, Seed: seed})
}

// AdapterSoup gives the k adapters of the highest scores equal weights; ties at
// the edge go to the lower index.
//
// Errors: fault.BadRequest for k outside 1..len(scores).
// Source: Chronopoulou et al. 2023, arXiv:2302.07027 (selection by similarity).
func AdapterSoup(scores []float64, k int) ([]float64, error) {
	if k < 1 || k > len(scores) {
		return nil, fault.New(fault.BadRequest, "baseline: ", k, " of ", len(scores), " adapters")
	}
	weights := make([]float64, len(scores))
	for _, i := range ranked(scores)[:k] {
		weights[i] = 1 / float64(k)
	}
	return weights, nil
}

// ranked returns the indices of scores, highest first.
func ranked(scores []float64) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case scores[i] > scores[j]:
			return -1
		case scores[i] < scores[j]:
			return 1
		}
		return 0
	})
	return order
}

// ArrowPrototypes returns each adapter's prototype for one tensor: the top right
// singular vector of B·A, of unit length; zero for an adapter without the tensor.
//
// Shapes: the result is [adapters][in].
// Source: Ostapenko et al. 2024, arXiv:2405.11157, §4.
func ArrowPrototypes(adapters []*blend.Adapter, target string) [][]float32 {
	out := make([][]float32, len(adapters))
	for n, a := range adapters {
		p := a.Pair(target)
		if p == nil {
			continue
		}
		row := blend.Compress(p, 1).A
		length := math.Sqrt(dot(row, row))
		for i := range row {
			if length > 0 {
				row[i] = float32(float64(row[i]) / length)
			}
		}
		out[n] = row
	}
	return out
}

// ArrowWeights routes one hidden state: a softmax over the k largest |h·v|.
//
// Errors: fault.BadRequest for k outside 1..len(prototypes).
func ArrowWeights(prototypes [][]float32, h []float32, k int) ([]float64, error) {
	if k < 1 || k > len(prototypes) {
		return nil, fault.New(fault.BadRequest, "baseline: ", k, " of ", len(prototypes), " adapters")
	}
	logits := make([]float64, len(prototypes))
	for n, v := range prototypes {
		if v != nil {
			logits[n] = math.Abs(dot(v, h))
		}
	}
	return blend.Weighting{Kind: blend.TopK, TopK: k, Tau: 1}.Weights(logits)
}

func dot(x, y []float32) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}
