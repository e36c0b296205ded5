package offload

import (
	"cmp"
	"math"
	"slices"

	"pastel/fault"
)

// A Point is one query's score with its tie-break.
type Point struct {
	Score float64
	Tie   float64 // [0, 1), from TieBreak; orders queries of equal score
}

// A Threshold cuts the queries into those below (to the server) and the rest.
//
// Scores tie often (a small model is certain of many answers), and a cut on the
// score alone would then miss its budget by the size of the tie. So the cut is
// through pairs (score, tie-break) in lexicographic order.
//
// The zero value is off: nothing is below it.
type Threshold struct {
	On    bool    `json:"on"`
	Score float64 `json:"score"`
	Tie   float64 `json:"tie"`
}

// Always is the threshold that every score is below. It is finite because
// JSON has no infinity.
func Always() Threshold { return Threshold{On: true, Score: math.MaxFloat64, Tie: 1} }

// Below reports whether a query belongs to the server. NaN is below everything
// but an off threshold: a score that could not be computed is no confidence.
func (t Threshold) Below(p Point) bool {
	if !t.On {
		return false
	}
	if p.Score == t.Score {
		return p.Tie < t.Tie
	}
	return !(p.Score > t.Score)
}

// TieBreak spreads queries of equal score over [0, 1): the same text always
// falls on the same side of a threshold.
//
// Source: FNV-1a, 64 bit, with the finaliser of SplitMix64.
func TieBreak(text string) float64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return float64((h^h>>31)>>11) / (1 << 53)
}

func comparePoints(a, b Point) int {
	if c := cmp.Compare(a.Score, b.Score); c != 0 {
		return c
	}
	return cmp.Compare(a.Tie, b.Tie)
}

// sortedPoints copies and sorts, refusing what cannot be ordered.
func sortedPoints(points []Point) ([]Point, error) {
	if len(points) == 0 {
		return nil, fault.New(fault.BadRequest, "offload: no calibration queries")
	}
	for i, p := range points {
		if math.IsNaN(p.Score) || math.IsInf(p.Score, 0) || !(p.Tie >= 0 && p.Tie < 1) {
			return nil, fault.New(fault.BadRequest, "offload: calibration query ", i, ": score ", p.Score, ", tie ", p.Tie)
		}
	}
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, comparePoints)
	return sorted, nil
}

// cut returns the threshold that has exactly k of the sorted points below it.
// k must be a boundary: points k-1 and k differ.
func cut(sorted []Point, k int) Threshold {
	switch k {
	case 0:
		return Threshold{}
	case len(sorted):
		return Always()
	}
	return Threshold{On: true, Score: sorted[k].Score, Tie: sorted[k].Tie}
}

// boundary returns the boundary nearest to k: queries with the same score and
// tie-break are the same query and cannot be separated.
func boundary(sorted []Point, k int) int {
	lo, hi := k, k
	for lo > 0 && lo < len(sorted) && sorted[lo-1] == sorted[lo] {
		lo--
	}
	for hi > 0 && hi < len(sorted) && sorted[hi-1] == sorted[hi] {
		hi++
	}
	if k-lo <= hi-k {
		return lo
	}
	return hi
}
