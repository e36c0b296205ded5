package blend

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pastel/fault"
)

// makeAdapter draws an adapter with one pair per entry: name → {out, in, rank}.
func makeAdapter(t testing.TB, seed uint64, scaling float32, shapes map[string][3]int) *Adapter {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	var pairs []Pair
	for _, name := range sortedKeys(shapes) {
		s := shapes[name]
		p := Pair{Target: name, Out: s[0], In: s[1], Rank: s[2], Scaling: scaling, A: make([]float32, s[2]*s[1]), B: make([]float32, s[0]*s[2])}
		for _, x := range [][]float32{p.A, p.B} {
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
		}
		pairs = append(pairs, p)
	}
	a, err := NewAdapter("test", pairs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sortedKeys(m map[string][3]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var shapes = map[string][3]int{"blk.0.attn_q.weight": {9, 7, 3}, "blk.0.ffn_down.weight": {5, 13, 3}, "blk.1.attn_q.weight": {9, 7, 3}}

func pool(t testing.TB, n int) []*Adapter {
	var list []*Adapter
	for i := range n {
		list = append(list, makeAdapter(t, uint64(i+1), 2, shapes))
	}
	return list
}

// dense is the oracle: Σ over (weight, B-owner, A-owner) of s·B·A in float64.
func dense(p, q *Pair) []float64 {
	d := make([]float64, p.Out*q.In)
	for o := range p.Out {
		for i := range q.In {
			for k := range p.Rank {
				d[o*q.In+i] += float64(p.Scaling) * float64(p.B[o*p.Rank+k]) * float64(q.A[k*q.In+i])
			}
		}
	}
	return d
}

func addTo(dst []float64, w float64, x []float64) {
	for i, v := range x {
		dst[i] += w * v
	}
}

// assertClose compares with a bound of n·2⁻²⁴ per product summed, relative to
// the largest element, and prints the worst.
func assertClose(t *testing.T, what string, got, want []float64, terms int) {
	t.Helper()
	worst, at, largest := 0.0, 0, 1e-30
	for i := range want {
		largest = max(largest, math.Abs(want[i]))
		if d := math.Abs(got[i] - want[i]); d > worst {
			worst, at = d, i
		}
	}
	if bound := 4 * float64(terms) * 0x1p-24 * largest; worst > bound || len(got) != len(want) {
		t.Errorf("%s: element %d is %v, want %v (off by %v, bound %v)", what, at, got[at], want[at], worst, bound)
	}
}

func mustWeights(t *testing.T, w Weighting, s []float64) []float64 {
	t.Helper()
	out, err := w.Weights(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var allKinds = []WeightingKind{Softmax, TopK, ReLU, OneHot, Uniform}

func TestWeightsLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for _, kind := range allKinds {
		for _, n := range []int{1, 2, 3, 8, 17} {
			w := Weighting{Kind: kind, Tau: 0.2, TopK: 3}
			scores := make([]float64, n)
			for i := range scores {
				scores[i] = 2*rng.Float64() - 1
			}
			weights := mustWeights(t, w, scores)
			sum := 0.0
			for _, v := range weights {
				sum += v
				if v < 0 {
					t.Errorf("%s: negative weight %v", kind, v)
				}
			}
			if math.Abs(sum-1) > 1e-14*float64(n) {
				t.Errorf("%s: %d weights sum to %v", kind, n, sum)
			}
			perm := rng.Perm(n)
			moved := make([]float64, n)
			for i, p := range perm {
				moved[i] = scores[p]
			}
			for i, v := range mustWeights(t, w, moved) {
				if math.Abs(v-weights[perm[i]]) > 1e-15 {
					t.Errorf("%s: not equivariant under permutation", kind)
				}
			}
			if i := slices.Index(scores, slices.Max(scores)); weights[i] != slices.Max(weights) {
				t.Errorf("%s: the best score has not the largest weight", kind)
			}
		}
	}
}

func TestWeightsByHand(t *testing.T) {
	for _, tt := range []struct {
		name   string
		w      Weighting
		scores []float64
		want   []float64
	}{
		{"softmax", Weighting{Tau: 1}, []float64{math.Log(1), math.Log(3)}, []float64{0.25, 0.75}},
		{"zero value has temperature 0.1", Weighting{}, []float64{0, 0.1 * math.Log(3)}, []float64{0.25, 0.75}},
		{"cold softmax is one-hot", Weighting{Tau: 1e-9}, []float64{0.1, 0.9, 0.8}, []float64{0, 1, 0}},
		{"top 2", Weighting{Kind: TopK, Tau: 1}, []float64{math.Log(3), -9, math.Log(1)}, []float64{0.75, 0, 0.25}},
		{"top 1 with a tie", Weighting{Kind: TopK, TopK: 1}, []float64{2, 1, 2}, []float64{0.5, 0, 0.5}},
		{"top 9 of 2", Weighting{Kind: TopK, TopK: 9, Tau: 1}, []float64{1, 1}, []float64{0.5, 0.5}},
		{"relu", Weighting{Kind: ReLU}, []float64{-1, 1, 3}, []float64{0, 0.25, 0.75}},
		{"relu without a positive score", Weighting{Kind: ReLU}, []float64{-1, -2}, []float64{0.5, 0.5}},
		{"one-hot with a tie", Weighting{Kind: OneHot}, []float64{1, 1, 0}, []float64{0.5, 0.5, 0}},
		{"uniform", Weighting{Kind: Uniform}, []float64{5, -5, 0, 1}, []float64{0.25, 0.25, 0.25, 0.25}},
		{"huge scores do not overflow", Weighting{Tau: 1e-3}, []float64{1e300, -1e300}, []float64{1, 0}},
	} {
		got := mustWeights(t, tt.w, tt.scores)
		for i := range tt.want {
			if math.Abs(got[i]-tt.want[i]) > 1e-12 {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
				break
			}
		}
	}
	if got := EffectiveCount([]float64{0.5, 0.5, 0}); math.Abs(got-2) > 1e-15 {
		t.Errorf("EffectiveCount = %v, want 2", got)
	}
}

func TestWeightsRefuse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		w      Weighting
		scores []float64
	}{
		{"no scores", Weighting{}, nil}, {"NaN", Weighting{}, []float64{math.NaN()}}, {"infinity", Weighting{}, []float64{math.Inf(1), 0}},
		{"unknown kind", Weighting{Kind: "best"}, []float64{1}}, {"negative temperature", Weighting{Tau: -1}, []float64{1}},
		{"NaN temperature", Weighting{Tau: math.NaN()}, []float64{1}}, {"negative k", Weighting{Kind: TopK, TopK: -1}, []float64{1}},
	} {
		if _, err := tt.w.Weights(tt.scores); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("%s: %v, want ERR_BAD_REQUEST", tt.name, err)
		}
	}
}

// A blend that gives one adapter weight 1 is that adapter, in every space; so is
// a pool of one.
func TestOneHotBlendIsTheAdapter(t *testing.T) {
	for _, n := range []int{1, 4} {
		adapters := pool(t, n)
		for which := range n {
			weights := make([]float64, n)
			weights[which] = 1
			want := adapters[which]
			factor, err := Factor("f", adapters, weights)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(factor.Pairs, want.Pairs) {
				t.Errorf("factor blend with weight 1 on %d is not that adapter", which)
			}
			delta, err := Delta("d", adapters, weights)
			if err != nil {
				t.Fatal(err)
			}
			svd, err := DeltaSVD("s", adapters, weights, 3)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want.Pairs {
				w := dense(&want.Pairs[i], &want.Pairs[i])
				if delta.Pairs[i].Rank != 3 {
					t.Errorf("delta blend has rank %d", delta.Pairs[i].Rank)
				}
				assertClose(t, "delta", dense(&delta.Pairs[i], &delta.Pairs[i]), w, 3)
				assertClose(t, "delta+svd at full rank", dense(&svd.Pairs[i], &svd.Pairs[i]), w, 8)
			}
		}
	}
}

// (a) of crayon.md §1.4: the factor blend holds all cross terms wᵢwⱼBᵢAⱼ; the
// delta blend holds the plain sum; so they differ.
func TestCrossTermIdentity(t *testing.T) {
	adapters := pool(t, 3)
	weights := []float64{0.5, 0.3, 0.2}
	factor, err := Factor("f", adapters, weights)
	if err != nil {
		t.Fatal(err)
	}
	delta, err := Delta("d", adapters, weights)
	if err != nil {
		t.Fatal(err)
	}
	for i := range factor.Pairs {
		p := &factor.Pairs[i]
		cross, plain := make([]float64, p.Out*p.In), make([]float64, p.Out*p.In)
		for n, a := range adapters {
			addTo(plain, weights[n], dense(&a.Pairs[i], &a.Pairs[i]))
			for m, b := range adapters {
				addTo(cross, weights[n]*weights[m], dense(&a.Pairs[i], &b.Pairs[i]))
			}
		}
		assertClose(t, "factor", dense(p, p), cross, 12)
		assertClose(t, "delta", dense(&delta.Pairs[i], &delta.Pairs[i]), plain, 12)
		if reflect.DeepEqual(cross, plain) {
			t.Error("cross terms vanished")
		}
	}
}

func TestBlendIsEquivariant(t *testing.T) {
	adapters := pool(t, 3)
	x, err := Factor("x", adapters, []float64{0.5, 0.3, 0.2})
	if err != nil {
		t.Fatal(err)
	}
	y, err := Factor("y", []*Adapter{adapters[2], adapters[0], adapters[1]}, []float64{0.2, 0.5, 0.3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Pairs {
		assertClose(t, "permuted factor blend", dense(&y.Pairs[i], &y.Pairs[i]), dense(&x.Pairs[i], &x.Pairs[i]), 12)
	}
}

func TestFactorWithDifferentScalings(t *testing.T) {
	adapters := []*Adapter{makeAdapter(t, 1, 2, shapes), makeAdapter(t, 2, 0.5, shapes)}
	got, err := Factor("f", adapters, []float64{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Pairs {
		assertClose(t, "second adapter", dense(&got.Pairs[i], &got.Pairs[i]), dense(&adapters[1].Pairs[i], &adapters[1].Pairs[i]), 3)
	}
}

func TestBlendRefuses(t *testing.T) {
	a := pool(t, 1)[0]
	otherRank := makeAdapter(t, 1, 2, map[string][3]int{"blk.0.attn_q.weight": {9, 7, 2}, "blk.0.ffn_down.weight": {5, 13, 3}, "blk.1.attn_q.weight": {9, 7, 3}})
	otherShape := makeAdapter(t, 1, 2, map[string][3]int{"blk.0.attn_q.weight": {9, 8, 3}, "blk.0.ffn_down.weight": {5, 13, 3}, "blk.1.attn_q.weight": {9, 7, 3}})
	otherArch := *a
	otherArch.Arch = "gpt2"
	fewer := &Adapter{Pairs: a.Pairs[:1]}
	two := []float64{0.5, 0.5}
	type combine func(string, []*Adapter, []float64) (*Adapter, error)
	for _, tt := range []struct {
		name    string
		f       combine
		list    []*Adapter
		weights []float64
		code    fault.Code
	}{
		{"factor: ranks differ", Factor, []*Adapter{a, otherRank}, two, fault.LoRAMismatch},
		{"factor: targets differ", Factor, []*Adapter{a, fewer}, two, fault.LoRAMismatch},
		{"factor: shapes differ", Factor, []*Adapter{a, otherShape}, two, fault.LoRAMismatch},
		{"delta: shapes differ", Delta, []*Adapter{a, otherShape}, two, fault.LoRAMismatch},
		{"architectures differ", Delta, []*Adapter{a, &otherArch}, two, fault.LoRAMismatch},
		{"too few weights", Factor, []*Adapter{a, a}, two[:1], fault.BadRequest},
		{"no adapters", Delta, nil, nil, fault.BadRequest},
		{"weight is NaN", Delta, []*Adapter{a}, []float64{math.NaN()}, fault.BadRequest},
	} {
		if _, err := tt.f("x", tt.list, tt.weights); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	if _, err := Delta("x", []*Adapter{a, fewer, otherRank}, []float64{1, 1, 0}); err != nil {
		t.Errorf("delta of different targets and ranks: %v", err)
	}
	if _, err := DeltaSVD("x", []*Adapter{a}, []float64{1}, 0); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("rank 0: %v", err)
	}
}

// The error of the compressed delta is the root of the sum of the squared
// singular values left out (Eckart–Young), and each prefix is optimal too.
func TestCompressIsOptimal(t *testing.T) {
	sum, err := Delta("d", pool(t, 2), []float64{0.6, 0.4})
	if err != nil {
		t.Fatal(err)
	}
	p := &sum.Pairs[0]
	full := Compress(p, p.Rank)
	want := dense(p, p)
	assertClose(t, "full rank", dense(&full, &full), want, 12)
	for rank := 1; rank <= p.Rank; rank++ {
		c := Compress(p, rank)
		tail := 0.0
		for k := rank; k < p.Rank; k++ {
			s := 0.0 // the square of √s·row is s
			for i := range p.In {
				s += float64(full.A[k*p.In+i]) * float64(full.A[k*p.In+i])
			}
			tail += s * s
		}
		diff := dense(&c, &c)
		addTo(diff, -1, want)
		got := 0.0
		for _, v := range diff {
			got += v * v
		}
		if math.Abs(math.Sqrt(got)-math.Sqrt(tail)) > 1e-5*math.Sqrt(tail)+1e-5 {
			t.Errorf("rank %d: error %v, Eckart–Young says %v", rank, math.Sqrt(got), math.Sqrt(tail))
		}
		cut := Truncate(&Adapter{Pairs: []Pair{full}}, rank)
		assertClose(t, "prefix of the full order", dense(&cut.Pairs[0], &cut.Pairs[0]), dense(&c, &c), 8)
	}
}

func TestOrderRanksKeepsBlends(t *testing.T) {
	adapters := pool(t, 3)
	weights := []float64{0.5, 0.3, 0.2}
	for _, tt := range []struct {
		space   Space
		combine func(string, []*Adapter, []float64) (*Adapter, error)
	}{{FactorSpace, Factor}, {DeltaSpace, Delta}} {
		ordered, err := OrderRanks(adapters, tt.space)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tt.combine("w", adapters, weights)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.combine("g", ordered, weights)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Pairs {
			assertClose(t, string(tt.space), dense(&got.Pairs[i], &got.Pairs[i]), dense(&want.Pairs[i], &want.Pairs[i]), 40)
		}
	}
	if out, err := OrderRanks(nil, FactorSpace); len(out) != 0 || err != nil {
		t.Errorf("OrderRanks of nothing = %v, %v", out, err)
	}
}

func TestNewAdapterRefuses(t *testing.T) {
	good := func() Pair {
		return Pair{Target: "a", Rank: 1, In: 2, Out: 3, A: make([]float32, 2), B: make([]float32, 3)}
	}
	for _, tt := range []struct {
		name   string
		change func(*Pair)
	}{
		{"rank 0", func(p *Pair) { p.Rank = 0 }}, {"rank 257", func(p *Pair) { p.Rank = 257 }}, {"negative rank", func(p *Pair) { p.Rank = -1 }},
		{"no inputs", func(p *Pair) { p.In = 0 }}, {"short A", func(p *Pair) { p.A = p.A[1:] }}, {"long B", func(p *Pair) { p.B = make([]float32, 4) }},
	} {
		p := good()
		tt.change(&p)
		if _, err := NewAdapter("x", []Pair{p}); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := NewAdapter("x", []Pair{good(), good()}); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
		t.Error("one target twice was accepted")
	}
	a, err := NewAdapter("x", []Pair{good()})
	if err != nil || a.Pair("a") == nil || a.Pair("b") != nil || a.Bytes() != 20 || a.Rank() != 1 {
		t.Errorf("NewAdapter = %+v, %v", a, err)
	}
	if err := a.Check(func(string) (int, int, bool) { return 0, 0, false }); !errors.Is(err, fault.Sentinel(fault.LoRAMismatch)) {
		t.Errorf("Check against a base without the tensor = %v", err)
	}
}

// One matrix of the 1B shape, 8 adapters of rank 16 compressed to rank 16.
func BenchmarkDeltaSVD(b *testing.B) {
	shape := map[string][3]int{"blk.0.attn_q.weight": {2048, 2048, 16}}
	var list []*Adapter
	weights := make([]float64, 8)
	for i := range weights {
		list, weights[i] = append(list, makeAdapter(b, uint64(i), 1, shape)), 0.125
	}
	for b.Loop() {
		if _, err := DeltaSVD("x", list, weights, 16); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCheckSize(t *testing.T) {
	for values, ok := range map[float64]bool{0: true, MaxBytes / 4: true, MaxBytes/4 + 1: false, 1e300: false, math.Inf(1): false} {
		if err := CheckSize(values); (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.BadFile {
			t.Errorf("CheckSize(%v) = %v", values, err)
		}
	}
}

func TestTranspose(t *testing.T) {
	if got := Transpose([]float32{1, 2, 3, 4, 5, 6}, 2, 3); !slices.Equal(got, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("Transpose = %v", got)
	}
}
