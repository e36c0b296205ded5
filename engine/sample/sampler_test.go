package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"pastel/fault"
)

func newSampler(t testing.TB, o Options, vocab int) *Sampler {
	t.Helper()
	s, err := New(o, vocab)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	nan    = float32(math.NaN())
	posInf = float32(math.Inf(1))
	negInf = float32(math.Inf(-1))
)

// TestGreedy tables the zero value with bias, penalties and masks.
func TestGreedy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   Options
		logits []float32
		accept []int32
		mask   Mask
		want   int32
	}{
		{"best", Options{}, []float32{1, 3, 2}, nil, nil, 1},
		{"first of equals", Options{}, []float32{1, 3, 3}, nil, nil, 1},
		{"one token", Options{}, []float32{-5}, nil, nil, 0},
		{"all negative", Options{}, []float32{-3, -1, -2}, nil, nil, 1},
		{"not a number", Options{}, []float32{nan, 1, nan}, nil, nil, 1},
		{"infinity", Options{}, []float32{1, posInf, 2}, nil, nil, 1},
		{"nothing possible", Options{}, []float32{nan, negInf}, nil, nil, None},
		{"no logits", Options{}, nil, nil, nil, None},
		{"too few logits", Options{}, []float32{1}, nil, nil, 0},
		{"too many logits", Options{}, []float32{1, 2, 0, 9}, nil, nil, 1},
		{"mask", Options{}, []float32{1, 3, 2}, nil, Mask{0b101}, 2},
		{"empty mask", Options{}, []float32{1, 3, 2}, nil, Mask{}, None},
		{"mask of the impossible", Options{}, []float32{1, negInf, 2}, nil, Mask{0b010}, None},
		{"bias", Options{LogitBias: map[int32]float32{0: 5}}, []float32{1, 3, 2}, nil, nil, 0},
		{"forbidden by bias", Options{LogitBias: map[int32]float32{1: negInf}}, []float32{1, 3, 2}, nil, nil, 2},
		{"demanded by bias", Options{LogitBias: map[int32]float32{0: posInf}}, []float32{1, 3, 2}, nil, nil, 0},
		{"infinite logit, opposite bias", Options{LogitBias: map[int32]float32{0: negInf}}, []float32{posInf, 3, 2}, nil, nil, 1},
		{"repeat penalty divides", Options{RepeatPenalty: 2}, []float32{1, 3, 2}, []int32{1}, nil, 2},
		{"repeat penalty multiplies below zero", Options{RepeatPenalty: 4}, []float32{-3, -1, -2}, []int32{1}, nil, 2},
		{"presence penalty", Options{PresencePenalty: 1.5}, []float32{1, 3, 2}, []int32{1, 1, 1}, nil, 2},
		{"frequency penalty is too small", Options{FrequencyPenalty: 0.5}, []float32{1, 3, 2}, []int32{1}, nil, 1},
		{"frequency penalty adds up", Options{FrequencyPenalty: 0.5}, []float32{1, 3, 2}, []int32{1, 1, 1}, nil, 2},
		{"out of the window", Options{PresencePenalty: 5, RepeatLastN: 2}, []float32{1, 3, 2}, []int32{1, 0, 0}, nil, 1},
		{"no window", Options{PresencePenalty: 5, RepeatLastN: -1}, []float32{1, 3, 2}, slices.Concat([]int32{1}, make([]int32, 500)), nil, 2},
		{"ids outside are ignored", Options{PresencePenalty: 5}, []float32{1, 3, 2}, []int32{-1, 3, 1 << 30}, nil, 1},
		{"filters do not matter", Options{TopK: 1, TypicalP: 0.01, TopP: 0.01, MinP: 1}, []float32{1, 3, 2.9}, nil, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vocab := max(1, len(tt.logits))
			if tt.name == "too few logits" || tt.name == "too many logits" {
				vocab = 3
			}
			s := newSampler(t, tt.opts, vocab)
			for _, id := range tt.accept {
				s.Accept(id)
			}
			before := slices.Clone(tt.logits)
			if got := s.Sample(tt.logits, tt.mask); got != tt.want {
				t.Errorf("Sample = %d, want %d", got, tt.want)
			}
			for i, x := range before {
				if math.Float32bits(x) != math.Float32bits(tt.logits[i]) {
					t.Errorf("logit %d changed from %v to %v", i, x, tt.logits[i])
				}
			}
		})
	}
}

var filterOptions = []Options{
	{TopK: 1}, {TopK: 7}, {TopK: 40}, {TopK: 499}, {TopK: 500}, {TopK: 1000},
	{TopP: 0.05}, {TopP: 0.5}, {TopP: 0.95}, {TopP: 0.999},
	{MinP: 0.001}, {MinP: 0.1}, {MinP: 1},
	{TypicalP: 0.05}, {TypicalP: 0.5}, {TypicalP: 0.97},
	{TopK: 40, TopP: 0.95, MinP: 0.05}, {TopK: 40, TypicalP: 0.9, TopP: 0.9, MinP: 0.01}, {TypicalP: 0.9, TopP: 0.9},
}

// TestFiltersAgainstOracle compares the tokens that may be drawn, and their
// probabilities at the temperature.
func TestFiltersAgainstOracle(t *testing.T) {
	for seed := range uint64(20) {
		logits := randomLogits(seed, 500)
		for _, o := range filterOptions {
			o.Temperature = 0.5 + float32(seed)/10
			s := newSampler(t, o, len(logits))
			s.Sample(logits, nil) // leaves the candidates with their weights in key
			want := oracleFilter(logits, o)
			probs := softmax(want, float64(o.Temperature))
			wantP := make(map[int32]float64)
			for i, w := range want {
				wantP[w.id] = probs[i]
			}
			if len(s.cands) != len(want) {
				t.Fatalf("seed %d, %+v: %d candidates, want %d", seed, o, len(s.cands), len(want))
			}
			sum := 0.0
			for _, c := range s.cands {
				sum += c.key
			}
			for _, c := range s.cands {
				p, ok := wantP[c.id]
				if !ok || math.Abs(c.key/sum-p) > 1e-12 {
					t.Fatalf("seed %d, %+v: token %d has probability %v, want %v", seed, o, c.id, c.key/sum, p)
				}
			}
		}
	}
}

// TestPenaltiesAgainstOracle follows a random sequence through the window.
func TestPenaltiesAgainstOracle(t *testing.T) {
	const vocab = 30
	rng := rand.New(rand.NewPCG(5, 6))
	for _, o := range []Options{
		{RepeatPenalty: 1.3}, {PresencePenalty: 0.7, FrequencyPenalty: 0.3}, {RepeatPenalty: 1.1, PresencePenalty: -0.5, FrequencyPenalty: 0.2, RepeatLastN: 7},
		{RepeatPenalty: 0.8, RepeatLastN: 1}, {FrequencyPenalty: 0.01, RepeatLastN: -1},
	} {
		s := newSampler(t, o, vocab)
		n := map[int]int{0: defaultLastN, -1: math.MaxInt}[o.RepeatLastN]
		if n == 0 {
			n = o.RepeatLastN
		}
		var all []int32
		for step := range 200 {
			logits := randomLogits(uint64(step), vocab)
			want := oraclePenalise(logits, all[max(0, len(all)-n):], o)
			s.prepare(logits, nil)
			for id, x := range s.logits {
				// Three float32 operations of half an ulp each on values below 2⁵.
				if math.Abs(float64(x)-want[id]) > 3*0x1p-20 {
					t.Fatalf("%+v, step %d: logit %d = %v, want %v", o, step, id, x, want[id])
				}
			}
			id := int32(rng.IntN(vocab))
			all = append(all, id)
			s.Accept(id)
		}
	}
}

// TestDistribution draws 40 000 tokens and compares the counts with the
// probabilities: chi-square stays below the quantile that chance exceeds once in
// a thousand.
func TestDistribution(t *testing.T) {
	logits := []float32{0, 1, 2, -1, 0.5, 3, -0.5, 1.5, -2, 2.5}
	for _, o := range []Options{
		{Temperature: 1, Seed: 1}, {Temperature: 0.6, Seed: 2}, {Temperature: 3, Seed: 3},
		{Temperature: 1, TopK: 5, Seed: 4}, {Temperature: 1, TopP: 0.8, Seed: 5}, {Temperature: 1.5, TopK: 8, TypicalP: 0.9, TopP: 0.95, MinP: 0.05, Seed: 6},
	} {
		const draws = 40000
		s := newSampler(t, o, len(logits))
		counts := make(map[int32]int)
		for range draws {
			counts[s.Sample(logits, nil)]++
		}
		tokens := oracleFilter(logits, o)
		chi2 := 0.0
		for i, p := range softmax(tokens, float64(o.Temperature)) {
			d := float64(counts[tokens[i].id]) - p*draws
			chi2 += d * d / (p * draws)
			delete(counts, tokens[i].id)
		}
		if len(counts) > 0 {
			t.Errorf("%+v: drew tokens that the filters drop: %v", o, counts)
		}
		quantile := []float64{0, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88}
		if chi2 > quantile[len(tokens)-1] {
			t.Errorf("%+v: chi-square %.1f over %d tokens", o, chi2, len(tokens))
		}
	}
}

// TestSeed checks that the seed alone decides.
func TestSeed(t *testing.T) {
	logits := randomLogits(1, 300)
	run := func(s *Sampler) (ids []int32) {
		for range 50 {
			id := s.Sample(logits, nil)
			s.Accept(id)
			ids = append(ids, id)
		}
		return ids
	}
	o := Options{Temperature: 1, RepeatPenalty: 1.1, Seed: 42}
	s := newSampler(t, o, len(logits))
	first := run(s)
	s.Reset()
	if again := run(s); !slices.Equal(first, again) {
		t.Errorf("after Reset %v, before %v", again, first)
	}
	if again := run(newSampler(t, o, len(logits))); !slices.Equal(first, again) {
		t.Errorf("another sampler %v, first %v", again, first)
	}
	o.Seed = 43
	if other := run(newSampler(t, o, len(logits))); slices.Equal(first, other) {
		t.Error("another seed gives the same tokens")
	}
}

// TestExtremes checks that strange logits and options neither hang nor pick what
// is impossible.
func TestExtremes(t *testing.T) {
	for _, logits := range [][]float32{
		{nan, nan, 1, negInf}, {posInf, posInf, 1, nan}, {negInf, negInf, negInf, -3e38}, {3e38, -3e38, 0, nan}, {0, 0, 0, 0}, {nan, nan, nan, nan},
	} {
		for _, o := range []Options{
			{Temperature: 1}, {Temperature: 1e-30}, {Temperature: math.SmallestNonzeroFloat32}, {Temperature: math.MaxFloat32},
			{Temperature: 1, TopK: 2}, {Temperature: 1, TypicalP: 1e-30}, {Temperature: 1, TopP: 1e-30}, {Temperature: 1, MinP: 1},
			{Temperature: 1, TopK: 3, TypicalP: 0.999, TopP: 0.999, MinP: 1e-30, RepeatPenalty: math.MaxFloat32, PresencePenalty: -math.MaxFloat32},
		} {
			s := newSampler(t, o, len(logits))
			for range 8 {
				id := s.Sample(logits, nil)
				if id == None {
					if !slices.ContainsFunc(logits, func(x float32) bool { return x > negInf }) {
						break
					}
					t.Fatalf("%v, %+v: nothing picked", logits, o)
				}
				if x := logits[id]; x != x || x == negInf {
					t.Fatalf("%v, %+v: picked %d", logits, o, id)
				}
				s.Accept(id)
			}
		}
	}
}

func TestMask(t *testing.T) {
	const vocab = 200
	logits := randomLogits(3, vocab)
	rng := rand.New(rand.NewPCG(7, 8))
	for _, words := range []int{1, 3, 4, 9} { // short, one word missing, exact, too long
		mask := make(Mask, words)
		for i := range mask {
			mask[i] = rng.Uint64() & rng.Uint64() & rng.Uint64()
		}
		for _, o := range []Options{{}, {Temperature: 1}, {Temperature: 1, TopK: 20}, {Temperature: 2, TopP: 0.9}, {Temperature: 1, TypicalP: 0.5}} {
			s := newSampler(t, o, vocab)
			for range 50 {
				if id := s.Sample(logits, mask); id < 0 || !mask.Has(id) {
					t.Fatalf("%d words, %+v: picked %d", words, o, id)
				}
			}
		}
	}
	if !Mask(nil).Has(5) || (Mask{}).Has(0) || !(Mask{0, 2}).Has(65) || (Mask{0, 2}).Has(64) {
		t.Error("Has disagrees with the bits")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  Options
		vocab int
	}{
		{"no vocabulary", Options{}, 0},
		{"negative vocabulary", Options{}, -1},
		{"temperature is no number", Options{Temperature: nan}, 5},
		{"infinite temperature", Options{Temperature: posInf}, 5},
		{"negative top-k", Options{TopK: -1}, 5},
		{"top-p over 1", Options{TopP: 1.5}, 5},
		{"negative min-p", Options{MinP: -0.1}, 5},
		{"typical-p is no number", Options{TypicalP: nan}, 5},
		{"negative repeat penalty", Options{RepeatPenalty: -1}, 5},
		{"infinite presence penalty", Options{PresencePenalty: posInf}, 5},
		{"frequency penalty is no number", Options{FrequencyPenalty: nan}, 5},
		{"window too long", Options{RepeatLastN: maxLastN + 1}, 5},
		{"bias outside", Options{LogitBias: map[int32]float32{5: 1}}, 5},
		{"bias of a negative id", Options{LogitBias: map[int32]float32{-1: 1}}, 5},
		{"bias is no number", Options{LogitBias: map[int32]float32{1: nan}}, 5},
	} {
		if _, err := New(tt.opts, tt.vocab); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: New = %v, want %s", tt.name, err, fault.BadRequest)
		}
	}
}

// full uses every part of the chain.
var full = Options{
	Temperature: 0.8, TopK: 40, TypicalP: 0.95, TopP: 0.95, MinP: 0.01, RepeatPenalty: 1.1, PresencePenalty: 0.1, FrequencyPenalty: 0.1,
	RepeatLastN: -1, LogitBias: map[int32]float32{3: 1},
}

func TestSampleAllocatesNothing(t *testing.T) {
	logits := randomLogits(1, 1000)
	mask := make(Mask, 16)
	for i := range mask {
		mask[i] = math.MaxUint64
	}
	all := full
	all.TopK = 0
	for _, o := range []Options{{}, full, all, {Temperature: 1}, {Temperature: 1, TopP: 0.9, RepeatPenalty: 1.1}} {
		s := newSampler(t, o, len(logits))
		top := make([]Logprob, 0, 8)
		if n := testing.AllocsPerRun(100, func() {
			id := s.Sample(logits, mask)
			s.Accept(id)
			_, top = s.Logprobs(top[:0], logits, id, 5)
		}); n > 0 {
			t.Errorf("%+v: %v allocations a token", o, n)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	const vocab = 151936
	logits := randomLogits(1, vocab)
	mask := make(Mask, vocab/64)
	for i := range mask {
		mask[i] = 0x5555555555555555
	}
	for _, bb := range []struct {
		name string
		opts Options
		mask Mask
	}{
		{"greedy", Options{}, nil}, {"greedy+mask", Options{}, mask}, {"temperature", Options{Temperature: 1}, nil},
		{"top-k=40", Options{Temperature: 1, TopK: 40}, nil}, {"top-p=0.95", Options{Temperature: 1, TopP: 0.95}, nil},
		{"min-p=0.05", Options{Temperature: 1, MinP: 0.05}, nil}, {"typical=0.9", Options{Temperature: 1, TypicalP: 0.9}, nil}, {"all", full, nil},
	} {
		b.Run("vocab="+strconv.Itoa(vocab)+"/chain="+bb.name, func(b *testing.B) {
			s := newSampler(b, bb.opts, vocab)
			for b.Loop() {
				s.Accept(s.Sample(logits, bb.mask))
			}
		})
	}
}

// FuzzSample feeds any bits as logits: the choice is possible and allowed.
func FuzzSample(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff}, uint64(7), float32(1), float32(0.9), float32(0.1), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, word uint64, temperature, p, minP float32, k uint8) {
		logits := make([]float32, len(data)/4)
		for i := range logits {
			logits[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
		}
		s, err := New(Options{Temperature: temperature, TopK: int(k), TopP: p, TypicalP: p, MinP: minP, RepeatPenalty: 1.5, Seed: word}, max(1, len(logits)))
		if err != nil {
			return
		}
		mask := Mask{word, ^word}
		for range 4 {
			id := s.Sample(logits, mask)
			if id == None {
				return
			}
			if x := logits[id]; x != x || x == negInf || !mask.Has(id) {
				t.Fatalf("%v with mask %x: picked %d", logits, mask, id)
			}
			s.Accept(id)
		}
	})
}

func TestIsPlain(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts Options
		want bool
	}{
		{"nothing asked", Options{}, true},
		{"filters of what is not drawn", Options{TopK: 40, TopP: 0.9, MinP: 0.1, Seed: 3}, true},
		{"temperature", Options{Temperature: 0.1}, false},
		{"bias", Options{LogitBias: map[int32]float32{1: 2}}, false},
		{"repeat penalty", Options{RepeatPenalty: 1.1}, false},
		{"presence penalty", Options{PresencePenalty: 0.1}, false},
	} {
		s, err := New(tt.opts, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.IsPlain(); got != tt.want {
			t.Errorf("%s: IsPlain() = %v, want %v", tt.name, got, tt.want)
		}
	}
}
