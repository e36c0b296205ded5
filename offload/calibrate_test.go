package offload

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"pastel/fault"
)

// calibrationSets are the shapes of score distributions that break quantiles.
func calibrationSets(n int) map[string][]Point {
	rng := rand.New(rand.NewPCG(5, 6))
	shapes := map[string]func(i int) float64{
		"continuous":      func(int) float64 { return rng.Float64() },
		"all equal":       func(int) float64 { return 1 },
		"two values":      func(i int) float64 { return float64(i % 2) },
		"90% certain":     func(int) float64 { return min(1, rng.Float64()*10) },
		"negative scores": func(int) float64 { return -rng.ExpFloat64() },
		"huge and tiny":   func(int) float64 { return math.Pow(10, rng.Float64()*600-300) },
	}
	sets := map[string][]Point{}
	for name, score := range shapes {
		for i := range n {
			sets[name] = append(sets[name], Point{score(i), TieBreak("query " + strconv.Itoa(i))})
		}
	}
	return sets
}

func TestBudgetIsMet(t *testing.T) {
	for _, n := range []int{1, 2, 17, 100, 1000} {
		for name, points := range calibrationSets(n) {
			for rho := 0.0; rho <= 1; rho += 0.05 {
				threshold, err := BudgetThreshold(points, rho)
				if err != nil {
					t.Fatal(err)
				}
				// The nearest share that n queries can make; at n ≥ 17 within 3 points.
				bound := 0.5/float64(n) + 1e-12
				if n >= 17 && bound > 0.03 {
					t.Fatal("the bound is looser than promised")
				}
				if got := Usage(points, threshold); math.Abs(got-rho) > bound {
					t.Errorf("%s, n %d: usage %v for budget %v (bound %v)", name, n, got, rho, bound)
				}
			}
		}
	}
}

// Higher thresholds, higher budgets and higher targets never mean less server use.
func TestMonotone(t *testing.T) {
	for name, points := range calibrationSets(300) {
		before, unseen := Threshold{}, calibrationSets(777)[name]
		for rho := 0.0; rho <= 1; rho += 0.01 {
			after, err := BudgetThreshold(points, rho)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range unseen {
				if before.Below(p) && !after.Below(p) {
					t.Fatalf("%s: at budget %v query %v came back to the device", name, rho, p)
				}
			}
			before = after
		}
	}
}

func TestIdenticalQueriesStayTogether(t *testing.T) {
	points := make([]Point, 0, 100)
	for i := range 100 {
		points = append(points, Point{0.5, TieBreak("query " + strconv.Itoa(i/10))})
	}
	threshold, err := BudgetThreshold(points, 0.33)
	if err != nil {
		t.Fatal(err)
	}
	if got := Usage(points, threshold); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("usage %v, want 0.3: the nearest multiple of a group of ten", got)
	}
}

func TestThresholdEdges(t *testing.T) {
	for _, tt := range []struct {
		name string
		t    Threshold
		p    Point
		want bool
	}{
		{"off routes nothing", Threshold{}, Point{math.Inf(-1), 0}, false},
		{"always routes the best score", Always(), Point{1, 0.999}, true},
		{"always routes the largest number", Always(), Point{math.MaxFloat64, 0.999}, true},
		{"NaN is no confidence", Threshold{On: true, Score: -1}, Point{math.NaN(), 0}, true},
		{"NaN under an off threshold", Threshold{}, Point{math.NaN(), 0}, false},
	} {
		if got := tt.t.Below(tt.p); got != tt.want {
			t.Errorf("%s: Below = %v", tt.name, got)
		}
	}
}

func TestCalibrationRefusals(t *testing.T) {
	ok := []Point{{0.5, 0.5}}
	for _, tt := range []struct {
		name   string
		points []Point
		rho    float64
	}{
		{"no queries", nil, 0.5},
		{"budget below 0", ok, -0.01},
		{"budget above 1", ok, 1.01},
		{"budget NaN", ok, math.NaN()},
		{"score NaN", []Point{{math.NaN(), 0}}, 0.5},
		{"score infinite", []Point{{math.Inf(1), 0}}, 0.5},
		{"tie-break of 1", []Point{{0, 1}}, 0.5},
	} {
		if _, err := BudgetThreshold(tt.points, tt.rho); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
}

// scarcestCut is the oracle of AccuracyThreshold: it tries every subset that a
// threshold can make, by counting and not by sweeping.
func scarcestCut(queries []Labelled, target float64) (usage float64, ok bool) {
	best := math.Inf(1)
	for _, cut := range append(queries, Labelled{Point: Point{math.Inf(1), 0}}) {
		sum, sent := 0.0, 0.0
		for _, q := range queries {
			if q.Score < cut.Score || q.Score == cut.Score && q.Tie < cut.Tie {
				sum += q.Server
				sent++
			} else {
				sum += q.Device
			}
		}
		if n := float64(len(queries)); sum/n >= target-1e-9 {
			best = min(best, sent/n)
		}
	}
	return best, !math.IsInf(best, 1)
}

func labelledSet(n int, seed uint64) []Labelled {
	rng := rand.New(rand.NewPCG(seed, 9))
	queries := make([]Labelled, n)
	for i := range queries {
		score := math.Round(rng.Float64()*8) / 8 // many ties
		queries[i] = Labelled{Point: Point{score, rng.Float64()}}
		if rng.Float64() < score {
			queries[i].Device = 1
		}
		if rng.Float64() < 0.9 {
			queries[i].Server = 1
		}
	}
	return queries
}

func TestAccuracyThreshold(t *testing.T) {
	queries := labelledSet(120, 1)
	points := make([]Point, len(queries))
	for i, q := range queries {
		points[i] = q.Point
	}
	before := 0.0
	for target := 0.3; target <= 1; target += 0.02 {
		want, reachable := scarcestCut(queries, target)
		threshold, err := AccuracyThreshold(queries, target)
		if reachable != (err == nil) {
			t.Fatalf("target %v: error %v, reachable %v", target, err, reachable)
		}
		if err != nil {
			if fault.CodeOf(err) != fault.BadRequest {
				t.Errorf("target %v: code %v", target, fault.CodeOf(err))
			}
			continue
		}
		got := Usage(points, threshold)
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("target %v: usage %v, want %v", target, got, want)
		}
		if got < before {
			t.Errorf("target %v: usage fell from %v to %v", target, before, got)
		}
		before = got
	}
}

func TestCalibrateBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	queries := make([]Query, 400)
	for i := range queries {
		queries[i] = Query{rng.Float64(), math.Round(rng.Float64()*5) / 5, rng.Float64()}
	}
	scope := Threshold{On: true, Score: 0.15}
	before := map[int]bool{}
	for _, rho := range []float64{0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1} {
		both, err := Calibrate(queries, rho, scope)
		if err != nil {
			t.Fatal(err)
		}
		now := map[int]bool{}
		for i, q := range queries {
			if both.Routed(q) {
				now[i] = true
			}
		}
		if got := float64(len(now)) / 400; math.Abs(got-rho) > 0.03 {
			t.Errorf("budget %v: usage %v", rho, got)
		}
		for i := range before {
			if !now[i] {
				t.Errorf("budget %v: query %d came back to the device", rho, i)
			}
		}
		before = now
	}
}

func TestScopeThreshold(t *testing.T) {
	if got := ScopeThreshold([][]float32{{1, 0}}); got.On {
		t.Errorf("of one sample = %+v, want off", got)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	samples := make([][]float32, 200)
	for i := range samples {
		samples[i] = []float32{3, float32(rng.NormFloat64()), float32(rng.NormFloat64())}
	}
	threshold, out := ScopeThreshold(samples), 0
	for _, s := range LeaveOneOutScope(samples) {
		if threshold.Below(Point{Score: s}) {
			out++
		}
	}
	if out != 10 {
		t.Errorf("%d of 200 samples out of scope, want 10 (5%%)", out)
	}
}

// The early cut gives up only drafts that would have been given up in the end, and
// as many of them as one cut can.
func TestEarlyThreshold(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 60; n++ {
		early, routed := make([]Point, n), make([]bool, n)
		for i := range early {
			early[i] = Point{math.Round(rng.Float64()*10) / 10, rng.Float64()}
			routed[i] = early[i].Score+rng.NormFloat64()/5 < 0.5
		}
		got, err := EarlyThreshold(early, routed)
		if err != nil {
			t.Fatal(err)
		}
		given := 0
		for i, p := range early {
			if got.Below(p) {
				given++
				if !routed[i] {
					t.Fatalf("n %d: gives up %v, which is kept", n, p)
				}
			}
		}
		// The oracle: the largest run of routed drafts from the least sure on.
		most := 0
		for _, p := range early {
			all, run := true, 0
			for i, q := range early {
				if comparePoints(q, p) <= 0 {
					run++
					all = all && routed[i]
				}
			}
			if all {
				most = max(most, run)
			}
		}
		if given != most {
			t.Errorf("n %d: gives up %d drafts, want %d", n, given, most)
		}
	}
	if _, err := EarlyThreshold(nil, nil); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("of nothing: %v", err)
	}
}
