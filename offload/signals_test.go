package offload

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pastel/fault"
)

// bigCosine is the definition in 200-bit arithmetic.
func bigCosine(a, b []float32) float64 {
	dot, na, nb := big.NewFloat(0).SetPrec(200), big.NewFloat(0).SetPrec(200), big.NewFloat(0).SetPrec(200)
	mul := func(x, y float32) *big.Float {
		return new(big.Float).SetPrec(200).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
	}
	for i := range a {
		dot.Add(dot, mul(a[i], b[i]))
		na.Add(na, mul(a[i], a[i]))
		nb.Add(nb, mul(b[i], b[i]))
	}
	norm := new(big.Float).SetPrec(200).Mul(na, nb)
	norm.Sqrt(norm)
	got, _ := dot.Quo(dot, norm).Float64()
	return got
}

func TestCosine(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, dim := range []int{1, 2, 3, 64, 577} {
		a, b := make([]float32, dim), make([]float32, dim)
		for i := range a {
			a[i], b[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		// Summing dim products in float64 loses at most dim ulps of Σ|a·b| ≤ |a||b|.
		bound := float64(dim+4) * 0x1p-52
		if got, want := Cosine(a, b), bigCosine(a, b); math.Abs(got-want) > bound {
			t.Errorf("dim %d: Cosine = %v, want %v ± %v", dim, got, want, bound)
		}
	}
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name string
		a, b []float32
		want float64
	}{
		{"same direction", []float32{1, 2}, []float32{2, 4}, 1},
		{"opposite", []float32{1, 2}, []float32{-1, -2}, -1},
		{"zero vector", []float32{0, 0}, []float32{1, 2}, 0},
		{"NaN", []float32{nan, 0}, []float32{1, 2}, 0},
		{"large values do not overflow", []float32{math.MaxFloat32, 0}, []float32{math.MaxFloat32, 0}, 1},
	} {
		if got := Cosine(tt.a, tt.b); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("%s: Cosine = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNearestSample(t *testing.T) {
	q := []float32{0, 0}
	samples := [][]float32{{3, 4}, {6, 8}, {-1, 0}}
	for n, want := range []float64{math.Inf(-1), -5, -5, -1} {
		if got := NearestSample(q, samples[:n]); got != want {
			t.Errorf("NearestSample of %d samples = %v, want %v", n, got, want)
		}
	}
}

func TestLeaveOneOutScope(t *testing.T) {
	if got := LeaveOneOutScope([][]float32{{1, 0}}); got != nil {
		t.Errorf("of one sample = %v, want nil", got)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	samples := make([][]float32, 9)
	for i := range samples {
		samples[i] = []float32{1 + float32(rng.NormFloat64())/4, float32(rng.NormFloat64()), 2}
	}
	for i, got := range LeaveOneOutScope(samples) {
		rest := append(append([][]float32{}, samples[:i]...), samples[i+1:]...)
		// The mean of the others is formed by subtraction in float32: a few ulps of it.
		if want := Cosine(samples[i], Center(rest)); math.Abs(got-want) > 1e-5 {
			t.Errorf("sample %d: %v, want %v", i, got, want)
		}
	}
}

func TestSetOptions(t *testing.T) {
	ln := math.Log
	for _, tt := range []struct {
		name                 string
		logs                 []float64
		maxProb, margin, ent float64
	}{
		{"even", []float64{-1, -1, -1, -1}, 0.25, 0, 0},
		{"certain", []float64{0, math.Inf(-1)}, 1, 1, 1},
		{"three to one", []float64{ln(3), ln(1)}, 0.75, 0.5, 1 - (0.75*ln(4.0/3)+0.25*ln(4))/ln(2)},
		{"unnormalised, far from zero", []float64{-1000 + ln(3), -1000}, 0.75, 0.5, 1 - (0.75*ln(4.0/3)+0.25*ln(4))/ln(2)},
		{"best two tie", []float64{ln(2), ln(2), ln(1)}, 0.4, 0, 1 - (0.8*ln(2.5)+0.2*ln(5))/ln(3)},
	} {
		var s Signals
		if err := s.SetOptions(tt.logs); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for k, want := range map[Signal]float64{MaxProb: tt.maxProb, Margin: tt.margin, Entropy: tt.ent} {
			// exp and log of values near 1000 lose 1000 ulps.
			if got, known := s.Get(k); !known || math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: %v = %v, want %v", tt.name, k, got, want)
			}
		}
	}
	inf := math.Inf(-1)
	for name, logs := range map[string][]float64{"none": nil, "one": {0}, "NaN": {0, math.NaN()}, "all impossible": {inf, inf}, "infinite": {math.Inf(1), 0}} {
		var s Signals
		if err := s.SetOptions(logs); fault.CodeOf(err) != fault.BadRequest || s != (Signals{}) {
			t.Errorf("%s: SetOptions = %v and signals %v", name, err, s)
		}
	}
}

func TestSequence(t *testing.T) {
	probs := []float64{0.9, 0.5, 0.8, 0.1, 1}
	q := Sequence{EarlyTokens: 3}
	for i, p := range probs {
		var s Signals
		q.Report(&s)
		if _, known := s.Get(Early); known != (i >= 3) {
			t.Errorf("after %d tokens: early known = %v", i, known)
		}
		if _, known := s.Get(GeoMean); known != (i > 0) {
			t.Errorf("after %d tokens: geo_mean known = %v", i, known)
		}
		q.Add(math.Log(p))
	}
	var s Signals
	q.Report(&s)
	geo, _ := s.Get(GeoMean)
	early, _ := s.Get(Early)
	if want := math.Pow(0.9*0.5*0.8*0.1, 0.2); math.Abs(geo-want) > 1e-15 {
		t.Errorf("geo_mean = %v, want %v", geo, want)
	}
	if want := math.Cbrt(0.9 * 0.5 * 0.8); math.Abs(early-want) > 1e-15 {
		t.Errorf("early = %v, want %v", early, want)
	}
	q.Add(math.NaN())
	q.Report(&s)
	if geo, _ := s.Get(GeoMean); geo != 0 {
		t.Errorf("geo_mean with an impossible token = %v, want 0", geo)
	}
	if n := testing.AllocsPerRun(100, func() { q.Add(-1) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
}

func TestSignalsJSON(t *testing.T) {
	var s Signals
	if got := string(s.AppendJSON(nil)); got != "{}" {
		t.Errorf("no signals = %s", got)
	}
	s.Set(Scope, -0.25)
	s.Set(Nearest, math.Inf(-1))
	s.Set(MaxProb, math.NaN())
	s.Set(Early, 1e-300)
	var got map[string]float64
	if err := json.Unmarshal(s.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["scope"] != -0.25 || got["early"] != 1e-300 {
		t.Errorf("signals = %v", got)
	}
}
