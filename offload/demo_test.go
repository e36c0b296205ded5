package offload

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// A demoPoint is one budget of the demo page's calibration.
type demoPoint struct {
	Usage     float64   `json:"usage"`
	Accuracy  float64   `json:"accuracy"`
	Oracle    float64   `json:"oracle"`
	Threshold Threshold `json:"threshold"`
}

// demoSteps is how many budgets the demo's slider has beside 0.
const demoSteps = 100

// demoCurve calibrates confidence on one half of a planted task without labels,
// for each budget, and grades what the thresholds do on the other half.
func demoCurve(t *testing.T, seed uint64, n int) []demoPoint {
	p := newPlanted(seed)
	calibration, graded := make([]Point, n), make([]Labelled, n)
	for i := range n {
		_, known := p.draw(i)
		calibration[i] = known.Point
		_, graded[i] = p.draw(n + i)
	}
	oracle, err := OracleCurve(graded)
	if err != nil {
		t.Fatal(err)
	}
	points := make([]demoPoint, demoSteps+1)
	for i := range points {
		cut, err := BudgetThreshold(calibration, float64(i)/demoSteps)
		if err != nil {
			t.Fatal(err)
		}
		points[i] = gradeDemo(cut, graded, oracle)
	}
	return points
}

func gradeDemo(cut Threshold, graded []Labelled, oracle []CurvePoint) demoPoint {
	d := demoPoint{Threshold: cut}
	for _, q := range graded {
		if cut.Below(q.Point) {
			d.Usage += 1 / float64(len(graded))
			d.Accuracy += q.Server / float64(len(graded))
		} else {
			d.Accuracy += q.Device / float64(len(graded))
		}
	}
	d.Oracle = At(oracle, d.Usage)
	for _, x := range []*float64{&d.Usage, &d.Accuracy, &d.Oracle} {
		*x = math.Round(*x*1e4) / 1e4
	}
	return d
}

// The calibration that the demo page ships comes from this package, and holds
// what the page relies on: a higher budget never lowers the threshold, usage is
// near the budget, and the curve lies above the random line.
//
// PASTEL_CALIBRATION=write writes it.
func TestDemoCalibration(t *testing.T) {
	points := demoCurve(t, 1, 2000)
	first, last := points[0], points[demoSteps]
	for i, p := range points {
		budget := float64(i) / demoSteps
		if math.Abs(p.Usage-budget) > 0.03 {
			t.Errorf("budget %v: usage %v", budget, p.Usage)
		}
		if random := first.Accuracy + p.Usage*(last.Accuracy-first.Accuracy); p.Accuracy < random-1e-4 || p.Oracle < p.Accuracy-1e-4 {
			t.Errorf("budget %v: accuracy %v, random %v, oracle %v", budget, p.Accuracy, random, p.Oracle)
		}
		if i > 0 && !points[i-1].below(p) {
			t.Errorf("budget %v: the threshold fell to %v", budget, p.Threshold)
		}
	}
	want := bytes.NewBufferString("[\n")
	for i, p := range points {
		line, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		want.WriteString("  " + string(line) + map[bool]string{true: ",\n", false: "\n]\n"}[i < demoSteps])
	}
	path := filepath.Join("..", "web", "page", "calibration.json")
	if os.Getenv("PASTEL_CALIBRATION") == "write" {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what this test makes (%v); PASTEL_CALIBRATION=write writes it", path, err)
	}
}

func (p demoPoint) below(next demoPoint) bool {
	a, b := p.Threshold, next.Threshold
	return !a.On || b.On && comparePoints(Point{a.Score, a.Tie}, Point{b.Score, b.Tie}) <= 0
}
