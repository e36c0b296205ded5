package sample

import "math"

// Logprob is a token and the natural logarithm of its probability.
type Logprob struct {
	ID      int32
	Logprob float32
}

// Logprobs returns the log-probability of id under logits as they are, without
// bias, penalties, filters or temperature, and appends the topN likeliest tokens
// to dst, best first. A token that can never be has negative infinity.
//
// Shapes: logits [vocab], not changed.
func (s *Sampler) Logprobs(dst []Logprob, logits []float32, id int32, topN int) (float32, []Logprob) {
	s.prepareRaw(logits)
	best := argmax(s.logits)
	if best == None {
		return never, dst
	}
	top, sum := float64(s.logits[best]), 0.0
	for _, x := range s.logits {
		sum += exp(float64(x) - top)
	}
	norm := top + math.Log(sum)
	s.cands = s.cands[:0]
	if k := min(topN, len(s.logits)); k > 0 {
		s.topK(k)
	}
	heapify(s.cands, worstFirst)
	at := len(dst)
	for n := len(s.cands) - 1; n >= 0; n-- {
		dst = append(dst, Logprob{s.cands[0].id, float32(float64(s.cands[0].logit) - norm)})
		s.cands[0] = s.cands[n]
		sink(s.cands[:n], 0, worstFirst)
	}
	for i, j := at, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	if id < 0 || int(id) >= len(s.logits) {
		return never, dst
	}
	return float32(float64(s.logits[id]) - norm), dst
}

// prepareRaw copies logits and cleans them.
func (s *Sampler) prepareRaw(logits []float32) {
	n := copy(s.logits, logits)
	for i := range s.logits {
		if i < n {
			s.logits[i] = clean(s.logits[i])
		} else {
			s.logits[i] = never
		}
	}
}
