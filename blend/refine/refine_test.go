package refine

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"pastel/fault"
)

// bowl has its minimum 0 at 0.7, 0.2, 0.7, 0.2 …, with axes of different steepness.
func bowl(w []float64) (float64, error) {
	sum := 0.0
	for i, v := range w {
		d := v - 0.7 + 0.5*float64(i%2)
		sum += float64(1+i) * d * d
	}
	return sum, nil
}

func TestMinimizeFindsTheBowl(t *testing.T) {
	for _, n := range []int{1, 2, 8, 16} {
		start := make([]float64, n)
		r, err := Minimize(start, bowl, Options{MaxEvals: 1500, Seed: 1})
		if err != nil || r.Loss > 1e-3 || r.Loss >= r.StartLoss {
			t.Errorf("%d weights: loss %v from %v, %v", n, r.Loss, r.StartLoss, err)
		}
	}
}

func TestFewEvaluationsStillHelp(t *testing.T) {
	r, err := Minimize(make([]float64, 8), bowl, Options{})
	if err != nil || r.Evals != 64 || r.Loss > 0.7*r.StartLoss {
		t.Errorf("%d evaluations took %v to %v, %v", r.Evals, r.StartLoss, r.Loss, err)
	}
}

func TestNeverWorseThanTheStart(t *testing.T) {
	start := []float64{0.5, 0.5}
	broken := errors.New("broken")
	calls := 0
	for _, tt := range []struct {
		name string
		loss LossFunc
		o    Options
		err  error
	}{
		{"start is the best", func(w []float64) (float64, error) { return math.Abs(w[0]-0.5) + math.Abs(w[1]-0.5), nil }, Options{}, nil},
		{"everything else is NaN", func(w []float64) (float64, error) {
			if w[0] == 0.5 {
				return 1, nil
			}
			return math.NaN(), nil
		}, Options{}, nil},
		{"one evaluation", bowl, Options{MaxEvals: 1}, nil},
		{"fails later", func(w []float64) (float64, error) {
			if calls++; calls > 10 {
				return 0, broken
			}
			return bowl(w)
		}, Options{}, broken},
	} {
		r, err := Minimize(start, tt.loss, tt.o)
		if !errors.Is(err, tt.err) || r.Loss > r.StartLoss && r.Evals > 0 || len(r.Weights) != 2 {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
		if tt.name != "fails later" && r.Evals > 0 && r.Loss == r.StartLoss && !reflect.DeepEqual(r.Weights, start) {
			t.Errorf("%s: weights moved to %v without gain", tt.name, r.Weights)
		}
	}
}

// A search may be left after any number of evaluations.
func TestSearchCanBeLeft(t *testing.T) {
	start := []float64{0.5, 0.1, -0.2}
	for leave := range 40 {
		s, err := New(start, Options{Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		for range leave {
			w := s.Next()
			if again := s.Next(); &again[0] != &w[0] {
				t.Fatal("Next proposed something else before it was told")
			}
			loss, _ := bowl(w)
			s.Tell(loss)
		}
		got := s.Best()
		want, err := Minimize(start, bowl, Options{Seed: 2, MaxEvals: leave})
		if leave == 0 {
			want, err = Result{Weights: start, Loss: math.Inf(1)}, nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("left after %d: %+v, want %+v, %v", leave, got, want, err)
		}
	}
}

func TestMinimizeIsDeterministicAndBounded(t *testing.T) {
	far := func(w []float64) (float64, error) {
		for _, v := range w {
			if math.Abs(v) > 1.5 {
				t.Fatalf("weight %v is out of bounds", v)
			}
		}
		return -w[0] - w[1], nil
	}
	a, _ := Minimize([]float64{0, 0}, far, Options{Seed: 4, MaxEvals: 300})
	b, _ := Minimize([]float64{0, 0}, far, Options{Seed: 4, MaxEvals: 300})
	if !reflect.DeepEqual(a, b) {
		t.Error("equal seeds give different results")
	}
	if a.Loss > -2.9 {
		t.Errorf("loss %v, want about -3 at the corner", a.Loss)
	}
}

func TestMinimizeRefuses(t *testing.T) {
	for _, start := range [][]float64{nil, {math.NaN()}, {math.Inf(1)}} {
		if _, err := Minimize(start, bowl, Options{}); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("Minimize(%v) = %v", start, err)
		}
	}
}
