package train

import (
	"math"
	"math/rand/v2"
	"testing"
)

// tiny has grouped kv heads, odd sizes and more than one layer.
var tiny = Config{Dim: 12, HiddenDim: 10, Layers: 2, Heads: 6, KVHeads: 3, HeadDim: 2, VocabSize: 11, RopeBase: 100, Eps: 1e-5}

var allLinears = []int{AttnQ, AttnK, AttnV, AttnOut, FFNGate, FFNUp, FFNDown}

func randomLoRA(c Config, linears []int, rank int) *LoRA {
	l := NewLoRA(c, linears, rank, 1.5)
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range l.Flat {
		l.Flat[i] = 0.3 * rng.NormFloat64()
	}
	return l
}

// Every gradient equals the five-point difference of the loss. In float64 with
// h = 2e-4 that is good to about h⁴·f⁽⁵⁾/30 (fifth derivatives here reach 1e5) and
// 2⁻⁵²·f/h, some 1e-11 each.
func TestGradientsMatchFiniteDifferences(t *testing.T) {
	e := Example{Tokens: []int{1, 5, 3, 3, 10, 0, 7}, From: 3}
	for _, tied := range []bool{false, true} {
		c := tiny
		c.Tied = tied
		m := New(c)
		m.Init(1)
		lora := randomLoRA(c, allLinears, 2)
		g := Gradients{Model: New(c), LoRA: lora.Like(c)}
		loss := m.LossGrad(e, lora, 1, g)
		if want := m.Loss(e, lora); math.Abs(loss-want) > 1e-12 {
			t.Fatalf("LossGrad returned %v, Loss %v", loss, want)
		}
		compare := func(what string, x, grad []float64) {
			worst, at := 0.0, 0
			for i := range x {
				const h = 2e-4
				old := x[i]
				lossAt := func(steps float64) float64 {
					x[i] = old + steps*h
					return m.Loss(e, lora)
				}
				slope := (8*(lossAt(1)-lossAt(-1)) - (lossAt(2) - lossAt(-2))) / (12 * h)
				x[i] = old
				if d := math.Abs(slope - grad[i]); d > worst {
					worst, at = d, i
				}
			}
			if worst > 1e-10 {
				t.Errorf("tied %v: gradient of %s[%d] = %v is off by %v", tied, what, at, grad[at], worst)
			}
		}
		compare("model", m.Flat, g.Model.Flat)
		compare("adapter", lora.Flat, g.LoRA.Flat)
	}
}

// Products of every tail length equal the plain triple loop.
func TestProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	random := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	for _, n := range []int{1, 3, 4, 5, 8} {
		for _, out := range []int{1, 2, 4, 7} {
			in := 5
			x, w, dy := random(n*in), random(out*in), random(n*out)
			y, dx, dw := make([]float64, n*out), make([]float64, n*in), make([]float64, out*in)
			addNT(y, x, w, n, in, out)
			addNN(dx, dy, w, n, in, out)
			addTN(dw, dy, x, n, in, out)
			for a := range n {
				for b := range out {
					for i := range in {
						y[a*out+b] -= x[a*in+i] * w[b*in+i]
						dx[a*in+i] -= dy[a*out+b] * w[b*in+i]
						dw[b*in+i] -= dy[a*out+b] * x[a*in+i]
					}
				}
			}
			for _, rest := range [][]float64{y, dx, dw} {
				for _, v := range rest {
					if math.Abs(v) > 1e-13 {
						t.Fatalf("n %d, out %d: off by %v", n, out, v)
					}
				}
			}
		}
	}
}

// A zero B changes nothing; an adapter beside the weights equals one merged into them.
func TestAdapterEqualsMergedWeights(t *testing.T) {
	m := New(tiny)
	m.Init(3)
	tokens := []int{1, 2, 3, 9}
	fresh := NewLoRA(tiny, allLinears, 3, 2)
	fresh.Init(1)
	if base, got := m.Logits(tokens, nil), m.Logits(tokens, fresh); maxAbsDiff(base, got) != 0 {
		t.Errorf("a fresh adapter changes the logits")
	}
	lora := randomLoRA(tiny, allLinears, 2)
	a, err := lora.Adapter("x")
	if err != nil {
		t.Fatal(err)
	}
	for i := range lora.Flat { // what float32 kept
		lora.Flat[i] = float64(float32(lora.Flat[i]))
	}
	merged := m.Clone()
	merged.Merge(a, 1)
	if d := maxAbsDiff(m.Logits(tokens, lora), merged.Logits(tokens, nil)); d > 1e-12 {
		t.Errorf("beside and merged differ by %v", d)
	}
}

func maxAbsDiff(x, y []float64) float64 {
	worst := 0.0
	for i := range x {
		worst = max(worst, math.Abs(x[i]-y[i]))
	}
	return worst
}

func BenchmarkAddNT(b *testing.B) {
	const n, in, out = 32, 64, 172
	y, x, w := make([]float64, n*out), make([]float64, n*in), make([]float64, out*in)
	for b.Loop() {
		addNT(y, x, w, n, in, out)
	}
	b.ReportMetric(float64(b.N)*2*n*in*out/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
