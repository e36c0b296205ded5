package planted

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
)

// A small run must already put the blended adapter before the four rivals.
// docs/planted-tasks.md has the full size.
func TestBlendedBeatsRivals(t *testing.T) {
	o := Options{BaseSteps: 100, PoolSteps: 250, Tasks: 300, Users: 12, Tests: 25}
	scores, err := Run(context.Background(), 1, o)
	if err != nil {
		t.Fatal(err)
	}
	rivals := map[string]bool{"no adapter": true, "one adapter trained on everything": true, "joint pool, uniform blend": true, "joint pool, nearest adapter": true}
	for _, s := range scores {
		t.Logf("%-36s loss %.3f accuracy %.2f", s.Method, s.Loss, s.Accuracy)
		if rivals[s.Method] && s.Loss <= scores[0].Loss {
			t.Errorf("%s reaches %.3f, the blended adapter %.3f", s.Method, s.Loss, scores[0].Loss)
		}
	}
}

func TestRunIsDeterministic(t *testing.T) {
	o := Options{BaseSteps: 3, PoolSteps: 3, Tasks: 10, Users: 2, Tests: 2}
	a, err := Run(context.Background(), 7, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Run(context.Background(), 7, o)
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("equal seeds give %v and %v, %v", a, b, err)
	}
}

func TestSummarise(t *testing.T) {
	rows := Summarise([][]Score{{{Blended, 1, 0.5}, {"x", 2, 0.25}}, {{Blended, 2, 0.5}, {"x", 5, 0.25}}})
	want := Row{Method: "x", Loss: 3.5, Accuracy: 0.25, Gain: 2, GainHalf: 12.706, AccGain: 0.25}
	if math.Abs(rows[1].GainHalf-want.GainHalf) > 1e-9 {
		t.Errorf("half width %v, want %v", rows[1].GainHalf, want.GainHalf)
	}
	rows[1].GainHalf = want.GainHalf
	if rows[1] != want {
		t.Errorf("row %+v, want %+v", rows[1], want)
	}
	if out := Table(rows); !strings.Contains(out, "| x | 3.500 | 25.0% | +2.000 ± 12.706 | +25.0 ± 0.0 points |") {
		t.Errorf("table:\n%s", out)
	}
}
