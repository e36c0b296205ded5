package offload

import (
	"math"
	"slices"

	"pastel/fault"
)

// BudgetThreshold returns the threshold that sends the share rho of the
// calibration queries to the server.
//
// Units:  rho is a share of queries, 0..1.
// Error:  usage on the calibration set differs from rho by at most 1/(2n), plus
// half the largest group of identical queries; ties in the score alone cost nothing.
// Errors: ERR_BAD_REQUEST for no points, a score that is not finite, rho outside 0..1.
// Source: RouteLLM's quantile calibration, arXiv:2406.18665; crayon.md §3.
func BudgetThreshold(points []Point, rho float64) (Threshold, error) {
	if !(rho >= 0 && rho <= 1) {
		return Threshold{}, fault.New(fault.BadRequest, "offload: server budget ", rho, " is not a share between 0 and 1")
	}
	sorted, err := sortedPoints(points)
	if err != nil {
		return Threshold{}, err
	}
	k := int(math.Round(rho * float64(len(sorted))))
	return cut(sorted, boundary(sorted, k)), nil
}

// Usage returns the share of points below t.
func Usage(points []Point, t Threshold) float64 {
	n := 0
	for _, p := range points {
		if t.Below(p) {
			n++
		}
	}
	return float64(n) / float64(max(1, len(points)))
}

// A Labelled is a calibration query whose answers were graded, 0 (wrong) to 1.
type Labelled struct {
	Point
	Device float64
	Server float64
}

// AccuracyThreshold returns the threshold with the least server use whose
// accuracy on the calibration set is at least target.
//
// A higher target never gives less server use.
// Errors: ERR_BAD_REQUEST as BudgetThreshold, and when no amount of server use
// reaches the target (the message names the best accuracy there is).
func AccuracyThreshold(queries []Labelled, target float64) (Threshold, error) {
	curve, sorted, err := curveOf(queries)
	if err != nil {
		return Threshold{}, err
	}
	best := math.Inf(-1)
	for _, c := range curve {
		// Sums of grades differ from the exact mean by rounding only.
		if c.Accuracy >= target-1e-12 {
			return cut(sorted, c.routed), nil
		}
		best = max(best, c.Accuracy)
	}
	return Threshold{}, fault.New(fault.BadRequest, "offload: target accuracy ", target, " is above the best reachable, ", best)
}

// Thresholds are the two cuts of hybrid routing: a query goes to the server
// when it is out of scope or the device is unsure.
type Thresholds struct {
	Scope      Threshold `json:"scope"`
	Confidence Threshold `json:"confidence"`
}

// A Query is an unlabelled calibration query.
type Query struct {
	Scope      float64
	Confidence float64
	Tie        float64
}

// Routed reports whether the thresholds send q to the server.
func (t Thresholds) Routed(q Query) bool {
	return t.Scope.Below(Point{q.Scope, q.Tie}) || t.Confidence.Below(Point{q.Confidence, q.Tie})
}

// Calibrate chooses both thresholds so that together they send the share rho.
// What scope already sends counts first, because it costs no decode; where that
// alone exceeds the budget, scope is relaxed to the budget and confidence is off.
//
// Errors: as BudgetThreshold.
func Calibrate(queries []Query, rho float64, scope Threshold) (Thresholds, error) {
	scopes := make([]Point, len(queries))
	for i, q := range queries {
		scopes[i] = Point{q.Scope, q.Tie}
	}
	byScope, err := BudgetThreshold(scopes, rho)
	if err != nil {
		return Thresholds{}, err
	}
	used := Usage(scopes, scope)
	if used >= rho {
		return Thresholds{Scope: byScope}, nil
	}
	var rest []Point
	for i, q := range queries {
		if !scope.Below(scopes[i]) {
			rest = append(rest, Point{q.Confidence, q.Tie})
		}
	}
	share := min(1, (rho-used)*float64(len(queries))/float64(len(rest)))
	confidence, err := BudgetThreshold(rest, share)
	return Thresholds{scope, confidence}, err
}

// EarlyThreshold returns the highest cut on the early signal that gives up no
// draft of the calibration queries which the other thresholds keep: what it sends
// would have been sent anyway, only later.
//
// Shapes: early, routed [n]: the early score of a query that has one, and whether
// the other thresholds send it.
// Errors: as BudgetThreshold.
func EarlyThreshold(early []Point, routed []bool) (Threshold, error) {
	sorted, err := sortedPoints(early)
	if err != nil {
		return Threshold{}, err
	}
	k := len(sorted)
	for i, p := range early {
		if !routed[i] {
			at, _ := slices.BinarySearchFunc(sorted, p, comparePoints)
			k = min(k, at)
		}
	}
	return cut(sorted, k), nil
}

// ScopeQuantile is the share of the user's own samples that the default scope
// threshold would call out of scope.
const ScopeQuantile = 0.05

// ScopeThreshold returns the default scope threshold of a customisation: the
// 5th percentile of leave-one-out scope. With fewer than two samples it is off.
//
// Shapes: samples [n, dim].
func ScopeThreshold(samples [][]float32) Threshold {
	scores := LeaveOneOutScope(samples)
	if len(scores) == 0 {
		return Threshold{}
	}
	points := make([]Point, len(scores))
	for i, s := range scores {
		points[i] = Point{Score: s}
	}
	sorted, err := sortedPoints(points)
	if err != nil {
		return Threshold{}
	}
	// The sample at the percentile stays in scope; only what scores less is out.
	return Threshold{On: true, Score: sorted[int(ScopeQuantile*float64(len(sorted)))].Score}
}
