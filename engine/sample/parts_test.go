package sample

import (
	"math"
	"slices"
	"testing"
)

// TestSourceAgainstReference holds the generators against the outputs of their
// authors' C code, xoshiro256plusplus.c for the state 1, 2, 3, 4 and splitmix64.c
// for the seed 0.
func TestSourceAgainstReference(t *testing.T) {
	s := source{1, 2, 3, 4}
	for i, want := range []uint64{
		41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205,
		9973669472204895162, 14011001112246962877, 12406186145184390807, 15849039046786891736, 10450023813501588000,
	} {
		if got := s.uint64(); got != want {
			t.Errorf("output %d = %d, want %d", i, got, want)
		}
	}
	if got, want := newSource(0), (source{0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC}); got != want {
		t.Errorf("newSource(0) = %x, want %x", got, want)
	}
}

func TestFloat64IsUniform(t *testing.T) {
	s := newSource(11)
	sum, squares := 0.0, 0.0
	const n = 100000
	for range n {
		x := s.float64()
		if x < 0 || x >= 1 {
			t.Fatalf("%v is outside [0, 1)", x)
		}
		sum += x
		squares += x * x
	}
	// Four standard deviations of the mean, 1/√(12n), and of the mean square.
	if mean := sum / n; math.Abs(mean-0.5) > 4/math.Sqrt(12*n) {
		t.Errorf("mean %v", mean)
	}
	if mean := squares / n; math.Abs(mean-1.0/3) > 4*math.Sqrt(4.0/45/n) {
		t.Errorf("mean square %v", mean)
	}
}

// TestExp compares with math.Exp, which is good to less than one ulp.
func TestExp(t *testing.T) {
	worst, at := 0.0, 0.0
	for i := range 400000 {
		x := -float64(i) * float64(i) / 4e5 / 4e5 * 708
		if e := math.Abs(exp(x)/math.Exp(x) - 1); e > worst {
			worst, at = e, x
		}
	}
	if worst > 0x1p-51 {
		t.Errorf("relative error %.3g at %v, bound %.3g", worst, at, 0x1p-51)
	}
	for _, tt := range []struct{ x, want float64 }{{0, 1}, {-709, 0}, {math.Inf(-1), 0}, {math.NaN(), 0}} {
		if got := exp(tt.x); got != tt.want {
			t.Errorf("exp(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
}

func TestLogprobsAgainstOracle(t *testing.T) {
	for seed := range uint64(10) {
		logits := randomLogits(seed, 300)
		logits[7], logits[8] = nan, negInf
		s := newSampler(t, Options{Temperature: 0.1, TopK: 3, LogitBias: map[int32]float32{0: 50}}, len(logits))
		var tokens []weighted
		for id, x := range logits {
			if x == x {
				tokens = append(tokens, weighted{int32(id), float64(x)})
			}
		}
		probs := make(map[int32]float64)
		for i, p := range softmax(tokens, 1) {
			probs[tokens[i].id] = math.Log(p)
		}
		for _, topN := range []int{0, 1, 5, 299, 1000} {
			id := int32(seed * 20)
			got, top := s.Logprobs(nil, logits, id, topN)
			if math.Abs(float64(got)-probs[id]) > 1e-5 {
				t.Errorf("seed %d: logprob of %d = %v, want %v", seed, id, got, probs[id])
			}
			want := oracleTopK(tokens, min(topN, 298)) // two are impossible
			if len(top) != len(want) {
				t.Fatalf("seed %d: %d of the top %d, want %d", seed, len(top), topN, len(want))
			}
			for i, w := range want {
				if top[i].ID != w.id || math.Abs(float64(top[i].Logprob)-probs[w.id]) > 1e-5 {
					t.Errorf("seed %d: top %d of %d = %+v, want %d %v", seed, i, topN, top[i], w.id, probs[w.id])
				}
			}
		}
	}
}

func TestLogprobsOfTheImpossible(t *testing.T) {
	s := newSampler(t, Options{}, 3)
	for _, tt := range []struct {
		name   string
		logits []float32
		id     int32
		top    int
	}{
		{"all impossible", []float32{nan, negInf, nan}, 0, 0},
		{"id outside", []float32{1, 2, 3}, 3, 2},
		{"negative id", []float32{1, 2, 3}, None, 2},
		{"impossible token", []float32{1, nan, 3}, 1, 2},
	} {
		if got, top := s.Logprobs(nil, tt.logits, tt.id, 2); got != negInf || len(top) != tt.top {
			t.Errorf("%s: %v and %v", tt.name, got, top)
		}
	}
}

// TestWindowAgainstList keeps the last n of a sequence in a plain list.
func TestWindowAgainstList(t *testing.T) {
	for _, n := range []int{1, 2, 5, 40, -1} {
		w := newWindow(n, 8)
		var list []int32
		for step := range 100 {
			id := int32(step*step%7 + step%2)
			w.add(id)
			if list = append(list, id); n > 0 && len(list) > n {
				list = list[1:]
			}
			var counts [8]int32
			for _, id := range list {
				counts[id]++
			}
			if !slices.Equal(w.counts, counts[:]) {
				t.Fatalf("last %d, step %d: %v, want %v", n, step, w.counts, counts)
			}
			distinct := 0
			for id, c := range counts {
				if c > 0 {
					distinct++
					if w.distinct[w.where[id]] != int32(id) {
						t.Fatalf("last %d, step %d: token %d is not where it should be", n, step, id)
					}
				}
			}
			if distinct != len(w.distinct) {
				t.Fatalf("last %d, step %d: %d distinct tokens, want %d", n, step, len(w.distinct), distinct)
			}
		}
		w.clear()
		if len(w.distinct) != 0 || slices.Max(w.counts) != 0 {
			t.Errorf("last %d: clear leaves %v", n, w.counts)
		}
	}
}
