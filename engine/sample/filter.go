package sample

import "math"

// A candidate is a token that the filters have kept.
type candidate struct {
	key   float64 // what the filter at work orders by, smaller first
	logit float32
	id    int32
}

// before orders candidates by key, equal keys by id.
func (a candidate) before(b candidate) bool {
	return a.key < b.key || a.key == b.key && a.id < b.id
}

// farBelow is the distance from the best logit, in units of the temperature or
// of 1 if that is less, from which a token's weight is lost in the rounding of
// the sum: a million tokens at e⁻⁵⁰ weigh 2⁻⁵².
const farBelow = 50

// slack widens bounds that are only there for speed by more than logarithms err.
const slack = 1e-6

// gather fills the candidates: the top k, or all that weigh something.
func (s *Sampler) gather(best float32) {
	s.cands = s.cands[:0]
	if k := s.opts.TopK; k > 0 && k < len(s.logits) {
		s.topK(k)
		return
	}
	floor := float64(best) - farBelow*max(1, float64(s.opts.Temperature))
	if p := float64(s.opts.MinP); p > 0 && !cuts(s.opts.TypicalP) && !cuts(s.opts.TopP) {
		floor = max(floor, float64(best)+math.Log(p)-slack) // min-p itself comes later
	}
	for id, x := range s.logits {
		if float64(x) >= floor {
			s.cands = append(s.cands, candidate{float64(best) - float64(x), x, int32(id)})
		}
	}
}

// topK keeps the k best logits seen in a heap whose root is the worst of them:
// one comparison for nearly every token.
func (s *Sampler) topK(k int) {
	for id, x := range s.logits {
		if x == never || len(s.cands) == k && x <= s.cands[0].logit {
			continue
		}
		c := candidate{-float64(x), x, int32(id)}
		if len(s.cands) == k {
			s.cands[0] = c
			sink(s.cands, 0, worstFirst)
			continue
		}
		s.cands = append(s.cands, c)
		if len(s.cands) == k {
			heapify(s.cands, worstFirst)
		}
	}
}

// best returns the highest logit among the candidates.
func (s *Sampler) best() float64 {
	best := s.cands[0].logit
	for _, c := range s.cands {
		best = max(best, c.logit)
	}
	return float64(best)
}

// typical keeps the tokens whose surprise is nearest to the expected one, until
// their mass exceeds p.
//
// With d = logit - best and Z the sum of weights, surprise is ln Z - d and its
// mean, the entropy, ln Z - E[d]; their distance |E[d] - d| needs no logarithm.
//
// Source: Meister et al. 2022, arXiv:2202.00666.
func (s *Sampler) typical(p float64) {
	best := s.best()
	sum, mean := 0.0, 0.0
	for _, c := range s.cands {
		d := float64(c.logit) - best
		w := exp(d)
		sum += w
		mean += float64(w * d)
	}
	mean /= sum
	for i, c := range s.cands {
		d := mean - (float64(c.logit) - best)
		if d < 0 {
			d = -d
		}
		s.cands[i].key = d
	}
	s.keepMass(best, float64(p*sum), true)
}

// topP keeps the best tokens until their mass reaches p.
//
// Of n tokens those with a probability below (1-p)/n together have less than
// 1-p, so none of them is needed: only the others go through the heap.
//
// Source: Holtzman et al. 2019, arXiv:1904.09751.
func (s *Sampler) topP(p float64) {
	best := s.best()
	sum := 0.0
	for i, c := range s.cands {
		d := float64(c.logit) - best
		s.cands[i].key = -d
		sum += exp(d)
	}
	far := slack - math.Log(sum*(1-p)/float64(len(s.cands)))
	kept := s.cands[:0]
	for _, c := range s.cands {
		if c.key <= far {
			kept = append(kept, c)
		}
	}
	s.cands = kept
	s.keepMass(best, float64(p*sum), false)
}

// keepMass keeps candidates in the order of their keys until their weights reach
// (if strictly: exceed) mass. A heap finds them without sorting the rest.
func (s *Sampler) keepMass(best, mass float64, strictly bool) {
	heapify(s.cands, bestFirst)
	n, sum := len(s.cands), 0.0
	for n > 0 {
		sum += exp(float64(s.cands[0].logit) - best)
		n--
		s.cands[0], s.cands[n] = s.cands[n], s.cands[0]
		sink(s.cands[:n], 0, bestFirst)
		if sum > mass || !strictly && sum == mass {
			break
		}
	}
	s.cands = s.cands[:copy(s.cands, s.cands[n:])]
}

// minP keeps the tokens at least p times as likely as the best.
//
// Source: Nguyen et al. 2024, arXiv:2407.01082.
func (s *Sampler) minP(p float64) {
	best := s.best()
	kept := s.cands[:0]
	for _, c := range s.cands {
		if exp(float64(c.logit)-best) >= p {
			kept = append(kept, c)
		}
	}
	s.cands = kept
}

// draw picks a candidate with probability proportional to its weight at the
// temperature. One random number is used whatever the candidates.
func (s *Sampler) draw() int32 {
	best, sum := s.best(), 0.0
	scale := 1 / float64(s.opts.Temperature)
	for i, c := range s.cands {
		w := exp(float64((float64(c.logit) - best) * scale))
		s.cands[i].key = w
		sum += w
	}
	left := float64(s.random.float64() * sum)
	for _, c := range s.cands {
		left -= c.key
		if left < 0 {
			return c.id
		}
	}
	return s.cands[len(s.cands)-1].id
}
