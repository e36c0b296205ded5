package offload

import "slices"

// A CurvePoint is one setting of a threshold: what share of queries the server
// answered and how good the answers were.
type CurvePoint struct {
	Usage    float64 `json:"usage"`
	Accuracy float64 `json:"accuracy"`

	routed int // queries sent
}

// Curve returns accuracy against server usage for every possible threshold,
// from device-only (first) to server-only (last), in order of usage.
//
// Errors: as BudgetThreshold.
func Curve(queries []Labelled) ([]CurvePoint, error) {
	curve, _, err := curveOf(queries)
	return curve, err
}

func curveOf(queries []Labelled) ([]CurvePoint, []Point, error) {
	points := make([]Point, len(queries))
	for i, q := range queries {
		points[i] = q.Point
	}
	sorted, err := sortedPoints(points)
	if err != nil {
		return nil, nil, err
	}
	ordered := slices.Clone(queries)
	slices.SortStableFunc(ordered, func(a, b Labelled) int { return comparePoints(a.Point, b.Point) })
	return sweep(ordered, sorted), sorted, nil
}

// sweep moves queries to the server in order and notes every boundary.
func sweep(ordered []Labelled, sorted []Point) []CurvePoint {
	n := float64(len(ordered))
	sum := 0.0
	for _, q := range ordered {
		sum += q.Device
	}
	curve := []CurvePoint{{Usage: 0, Accuracy: sum / n}}
	for i, q := range ordered {
		sum += q.Server - q.Device
		if k := i + 1; k == len(sorted) || sorted[k] != sorted[i] {
			curve = append(curve, CurvePoint{Usage: float64(k) / n, Accuracy: sum / n, routed: k})
		}
	}
	return curve
}

// OracleCurve is Curve with the best possible order: first the queries that
// only the server gets right, last those that only the device does.
func OracleCurve(queries []Labelled) ([]CurvePoint, error) {
	perfect := slices.Clone(queries)
	for i := range perfect {
		perfect[i].Score = perfect[i].Device - perfect[i].Server
		perfect[i].Tie = float64(i) / float64(len(perfect))
	}
	return Curve(perfect)
}

// At returns the curve's accuracy at a usage, linear between its points (which
// is what mixing two thresholds at random would reach).
//
// Shapes: curve as from Curve, at least one point.
func At(curve []CurvePoint, usage float64) float64 {
	for i := 1; i < len(curve); i++ {
		if a, b := curve[i-1], curve[i]; usage <= b.Usage {
			return a.Accuracy + (b.Accuracy-a.Accuracy)*(usage-a.Usage)/(b.Usage-a.Usage)
		}
	}
	return curve[len(curve)-1].Accuracy
}

// RandomAt is the accuracy of sending the share usage at random: the straight
// line between the curve's ends that every router must beat.
func RandomAt(curve []CurvePoint, usage float64) float64 {
	first, last := curve[0].Accuracy, curve[len(curve)-1].Accuracy
	return first + (last-first)*usage
}

// AreaOverRandom is the area between the curve and the random line, in accuracy
// (0..1) averaged over usage 0..1.
func AreaOverRandom(curve []CurvePoint) float64 {
	area := 0.0
	for i := 1; i < len(curve); i++ {
		a, b := curve[i-1], curve[i]
		area += (b.Usage - a.Usage) * (a.Accuracy + b.Accuracy) / 2
	}
	return area - (curve[0].Accuracy+curve[len(curve)-1].Accuracy)/2
}
