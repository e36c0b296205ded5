package sample

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// The oracle: every filter as its paper says, in float64, with full sorts.

// weighted is a token and its logit.
type weighted struct {
	id    int32
	logit float64
}

// softmax returns the probabilities of tokens at a temperature.
func softmax(tokens []weighted, temperature float64) []float64 {
	best, sum := math.Inf(-1), 0.0
	for _, t := range tokens {
		best = math.Max(best, t.logit)
	}
	p := make([]float64, len(tokens))
	for i, t := range tokens {
		p[i] = math.Exp((t.logit - best) / temperature)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func oracleTopK(tokens []weighted, k int) []weighted {
	tokens = slices.Clone(tokens)
	slices.SortStableFunc(tokens, func(a, b weighted) int { return cmp.Compare(b.logit, a.logit) })
	return tokens[:min(k, len(tokens))]
}

// keepUntil keeps tokens in the order of key until their mass is enough.
func keepUntil(tokens []weighted, key []float64, enough func(sum float64) bool) []weighted {
	p := softmax(tokens, 1)
	order := make([]int, len(tokens))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
	var kept []weighted
	sum := 0.0
	for _, i := range order {
		kept = append(kept, tokens[i])
		if sum += p[i]; enough(sum) {
			break
		}
	}
	return kept
}

func oracleTypical(tokens []weighted, mass float64) []weighted {
	p := softmax(tokens, 1)
	entropy := 0.0
	for _, x := range p {
		if x > 0 {
			entropy -= x * math.Log(x)
		}
	}
	key := make([]float64, len(p))
	for i, x := range p {
		key[i] = math.Abs(-math.Log(x) - entropy)
	}
	return keepUntil(tokens, key, func(sum float64) bool { return sum > mass })
}

func oracleTopP(tokens []weighted, mass float64) []weighted {
	key := make([]float64, len(tokens))
	for i, t := range tokens {
		key[i] = -t.logit
	}
	return keepUntil(tokens, key, func(sum float64) bool { return sum >= mass })
}

func oracleMinP(tokens []weighted, minP float64) []weighted {
	p := softmax(tokens, 1)
	best := slices.Max(p)
	var kept []weighted
	for i, t := range tokens {
		if p[i] >= minP*best {
			kept = append(kept, t)
		}
	}
	return kept
}

// oraclePenalise lowers logits by the tokens of recent.
func oraclePenalise(logits []float32, recent []int32, o Options) []float64 {
	out := make([]float64, len(logits))
	for id, x := range logits {
		n := 0
		for _, r := range recent {
			if r == int32(id) {
				n++
			}
		}
		y := float64(x)
		if n > 0 {
			if o.RepeatPenalty != 0 {
				if y > 0 {
					y /= float64(o.RepeatPenalty)
				} else {
					y *= float64(o.RepeatPenalty)
				}
			}
			y -= float64(n)*float64(o.FrequencyPenalty) + float64(o.PresencePenalty)
		}
		out[id] = y
	}
	return out
}

// oracleFilter is the chain from logits to the tokens that may be drawn.
func oracleFilter(logits []float32, o Options) []weighted {
	var tokens []weighted
	for id, x := range logits {
		tokens = append(tokens, weighted{int32(id), float64(x)})
	}
	if o.TopK > 0 {
		tokens = oracleTopK(tokens, o.TopK)
	}
	if cuts(o.TypicalP) {
		tokens = oracleTypical(tokens, float64(o.TypicalP))
	}
	if cuts(o.TopP) {
		tokens = oracleTopP(tokens, float64(o.TopP))
	}
	if o.MinP > 0 {
		tokens = oracleMinP(tokens, float64(o.MinP))
	}
	return tokens
}

// randomLogits are normal with a few peaks, like a model's.
func randomLogits(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 9))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 3)
	}
	for range n / 50 {
		logits[rng.IntN(n)] += 8
	}
	return logits
}
