package offload

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// A planted task has a known answer to "who should answer this?": queries near
// the user's samples are easy for the device unless they are hard, queries from
// other topics are not, and the server is good at everything.
type planted struct {
	rng     *rand.Rand
	topics  [][]float32 // [nTopics, plantedDim]; topic 0 is the user's
	samples [][]float32 // the user's own, [10, plantedDim]
}

const (
	plantedDim     = 24
	plantedTopics  = 5
	plantedOutside = 0.3 // share of queries outside the customisation
	plantedServer  = 0.92
)

func newPlanted(seed uint64) *planted {
	p := &planted{rng: rand.New(rand.NewPCG(seed, 42))}
	for range plantedTopics {
		p.topics = append(p.topics, p.gaussian(make([]float32, plantedDim), 1))
	}
	for range 10 {
		p.samples = append(p.samples, p.gaussian(p.topics[0], 0.7))
	}
	return p
}

func (p *planted) gaussian(center []float32, sd float64) []float32 {
	v := make([]float32, len(center))
	for i := range v {
		v[i] = center[i] + float32(sd*p.rng.NormFloat64())
	}
	return v
}

// draw makes one graded query with the signals a device would have.
func (p *planted) draw(id int) (Query, Labelled) {
	topic, difficulty := 0, p.rng.Float64()
	if p.rng.Float64() < plantedOutside {
		topic, difficulty = 1+p.rng.IntN(plantedTopics-1), 0.7+0.3*p.rng.Float64()
	}
	// The right option's logit leads by what is left of the device's skill, plus noise.
	logits := make([]float64, 4)
	for i := range logits {
		logits[i] = p.rng.NormFloat64()
	}
	logits[0] += 4 * (1 - difficulty)
	var s Signals
	if err := s.SetOptions(logits); err != nil {
		panic(err)
	}
	confidence, _ := s.Get(MaxProb)
	q := Query{Cosine(p.gaussian(p.topics[topic], 0.7), Center(p.samples)), confidence, TieBreak(strconv.Itoa(id))}
	graded := Labelled{Point: Point{confidence, q.Tie}}
	if logits[0] >= max(logits[1], logits[2], logits[3]) {
		graded.Device = 1
	}
	if p.rng.Float64() < plantedServer {
		graded.Server = 1
	}
	return q, graded
}

// budgets are those of crayon.md §3.
var budgets = []float64{0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9}

// hybridCurve calibrates on one half of a planted task without labels and
// answers the other half, once per budget.
func hybridCurve(seed uint64, n int) (curve []CurvePoint, server float64) {
	p := newPlanted(seed)
	unlabelled := make([]Query, n)
	for i := range unlabelled {
		unlabelled[i], _ = p.draw(i)
	}
	queries, graded := make([]Query, n), make([]Labelled, n)
	for i := range queries {
		queries[i], graded[i] = p.draw(n + i)
		server += graded[i].Server / float64(n)
	}
	for _, rho := range append(append([]float64{0}, budgets...), 1) {
		both, err := Calibrate(unlabelled, rho, ScopeThreshold(p.samples))
		if err != nil {
			panic(err)
		}
		curve = append(curve, answer(both, queries, graded))
	}
	return curve, server
}

func answer(t Thresholds, queries []Query, graded []Labelled) (c CurvePoint) {
	n := float64(len(queries))
	for i, q := range queries {
		if t.Routed(q) {
			c.Usage += 1 / n
			c.Accuracy += graded[i].Server / n
		} else {
			c.Accuracy += graded[i].Device / n
		}
	}
	return c
}

// interval is the mean and its 95% confidence half-width over seeds.
func interval(x []float64) (mean, half float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	var ss float64
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	return mean, 2.045 * math.Sqrt(ss/(n-1)/n) // Student's t with 29 degrees of freedom
}

// The proof that routing is worth anything: on every seed the ends are exactly
// device-only and server-only, and at every budget the hybrid is above the line
// between them by more than its 95% interval.
func TestHybridBeatsRandomOnPlantedTasks(t *testing.T) {
	const seeds, n = 30, 500
	gain := make([][]float64, len(budgets))
	var areas, missed []float64
	for seed := range uint64(seeds) {
		curve, server := hybridCurve(seed, n)
		first, last := curve[0], curve[len(curve)-1]
		if first.Usage != 0 || math.Abs(last.Usage-1) > 1e-9 || math.Abs(last.Accuracy-server) > 1e-9 {
			t.Fatalf("seed %d: ends %+v, %+v, server-only accuracy %v", seed, first, last, server)
		}
		for i, c := range curve[1 : len(curve)-1] {
			gain[i] = append(gain[i], c.Accuracy-RandomAt(curve, c.Usage))
			missed = append(missed, c.Usage-budgets[i])
		}
		areas = append(areas, AreaOverRandom(curve))
	}
	for i, rho := range budgets {
		mean, half := interval(gain[i])
		t.Logf("budget %.2f: %+.2f ± %.2f points over random", rho, 100*mean, 100*half)
		if mean-half <= 0 {
			t.Errorf("budget %v: the hybrid is not above the random line", rho)
		}
	}
	mean, half := interval(areas)
	t.Logf("area over the random line: %.2f ± %.2f points of accuracy (%d seeds, %d queries)", 100*mean, 100*half, seeds, n)
	if mean-half <= 0 {
		t.Error("no area over the random line")
	}
	if off, _ := interval(missed); math.Abs(off) > 0.03 {
		t.Errorf("unseen queries use %+.3f of the budget on average, want within 0.03", off)
	}
}

// A router whose scores mean nothing must land on the random line: the proof
// above would otherwise prove nothing.
func TestMeaninglessScoresGainNothing(t *testing.T) {
	var areas []float64
	for seed := range uint64(30) {
		p := newPlanted(seed)
		graded := make([]Labelled, 500)
		for i := range graded {
			_, graded[i] = p.draw(i)
			graded[i].Score = p.rng.Float64()
		}
		curve, err := Curve(graded)
		if err != nil {
			t.Fatal(err)
		}
		areas = append(areas, AreaOverRandom(curve))
	}
	if mean, half := interval(areas); math.Abs(mean) > 2*half {
		t.Errorf("area %v ± %v from scores without meaning", mean, half)
	}
}
