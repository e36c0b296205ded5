package keys

import (
	"math"

	"pastel/fault"
)

// Keys are the centre of the embeddings and one unit vector for each adapter.
// They are immutable and safe for concurrent use.
type Keys struct {
	Mu        []float32   // [dim]; mean embedding of the training texts
	Centroids [][]float32 // [n][dim]; unit length, in the order of the adapters
}

// Validate reports whether k is usable: equal dimensions, finite, unit keys.
//
// Errors: fault.BadFile.
func (k *Keys) Validate() error {
	if len(k.Mu) == 0 || len(k.Centroids) == 0 {
		return fault.New(fault.BadFile, "keys: ", len(k.Centroids), " keys of ", len(k.Mu), " dimensions")
	}
	if !isFinite(k.Mu) {
		return fault.New(fault.BadFile, "keys: the mean is not finite")
	}
	for n, c := range k.Centroids {
		if len(c) != len(k.Mu) || !isFinite(c) || math.Abs(norm(c)-1) > 1e-3 {
			return fault.New(fault.BadFile, "keys: key ", n, " of ", len(c), " dimensions is no unit vector of ", len(k.Mu))
		}
	}
	return nil
}

// Query is the user's embedding: the mean of the samples' embeddings, centred
// and scaled to unit length. When the samples average to the centre itself it
// is zero, and every score is.
//
// Shapes: samples [m][dim]; the result [dim].
// Errors: fault.BadRequest for no samples, other dimensions, or values that are not finite.
// Source: crayon.md §2, steps 2 and 3 (averages embeddings first, then compares).
func (k *Keys) Query(samples [][]float32) ([]float32, error) {
	if len(samples) == 0 {
		return nil, fault.New(fault.BadRequest, "keys: no samples")
	}
	sum := make([]float64, len(k.Mu))
	for i, s := range samples {
		if len(s) != len(k.Mu) || !isFinite(s) {
			return nil, fault.New(fault.BadRequest, "keys: sample ", i, " of ", len(s), " dimensions, want ", len(k.Mu), " finite ones")
		}
		for j, v := range s {
			sum[j] += float64(v) - float64(k.Mu[j])
		}
	}
	return unit(sum), nil
}

// Scores are the cosines of q with every key, from -1 to 1.
func (k *Keys) Scores(q []float32) []float64 {
	out := make([]float64, len(k.Centroids))
	for n, c := range k.Centroids {
		out[n] = dot(q, c)
	}
	return out
}

// unit returns x at length one, zero for zero.
func unit(x []float64) []float32 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	out := make([]float32, len(x))
	if sum == 0 {
		return out
	}
	for i, v := range x {
		out[i] = float32(v / math.Sqrt(sum))
	}
	return out
}

func dot(x, y []float32) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

func norm(x []float32) float64 { return math.Sqrt(dot(x, x)) }

func isFinite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}
