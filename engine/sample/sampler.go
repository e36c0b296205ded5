package sample

import (
	"math"

	"pastel/fault"
)

// None is what Sample returns when no token may be chosen.
const None = int32(-1)

// Mask is a set of tokens, bit id%64 of word id/64. A nil Mask allows every
// token; a short one forbids those past its end.
type Mask []uint64

// Has reports whether id is in the set.
func (m Mask) Has(id int32) bool {
	return m == nil || int(id>>6) < len(m) && m[id>>6]>>(uint(id)&63)&1 != 0
}

// A Sampler holds the recent tokens and the random state of one sequence. Make
// it with New; one goroutine may use it.
type Sampler struct {
	opts   Options
	bias   []biased
	recent window
	random source
	logits []float32   // [vocab] after bias, mask and penalties
	cands  []candidate // at most vocab: what the filters have kept
}

type biased struct {
	id   int32
	bias float32
}

// New makes a sampler for vocab tokens.
//
// Errors: ERR_BAD_REQUEST for options that are not numbers or out of range.
func New(opts Options, vocab int) (*Sampler, error) {
	if err := check(&opts, vocab); err != nil {
		return nil, err
	}
	s := &Sampler{opts: opts, random: newSource(opts.Seed), logits: make([]float32, vocab), cands: make([]candidate, 0, vocab)}
	for id, bias := range opts.LogitBias {
		s.bias = append(s.bias, biased{id, bias})
	}
	if opts.penalises() {
		n := opts.RepeatLastN
		if n == 0 {
			n = defaultLastN
		}
		s.recent = newWindow(n, vocab)
	}
	return s, nil
}

func check(o *Options, vocab int) error {
	if vocab <= 0 {
		return fault.New(fault.BadRequest, "sample: vocabulary of ", vocab, " tokens")
	}
	if o.TopK < 0 || o.RepeatLastN > maxLastN {
		return fault.New(fault.BadRequest, "sample: top-k ", o.TopK, " is negative or repeat-last-n ", o.RepeatLastN, " is over ", maxLastN)
	}
	for _, p := range []struct {
		name   string
		v      float32
		lo, hi float64
	}{
		{"temperature", o.Temperature, -math.MaxFloat32, math.MaxFloat32},
		{"typical-p", o.TypicalP, 0, 1}, {"top-p", o.TopP, 0, 1}, {"min-p", o.MinP, 0, 1},
		{"repeat penalty", o.RepeatPenalty, 0, math.MaxFloat32},
		{"presence penalty", o.PresencePenalty, -math.MaxFloat32, math.MaxFloat32},
		{"frequency penalty", o.FrequencyPenalty, -math.MaxFloat32, math.MaxFloat32},
	} {
		if !(float64(p.v) >= p.lo && float64(p.v) <= p.hi) {
			return fault.New(fault.BadRequest, "sample: ", p.name, " ", p.v, " is not between ", p.lo, " and ", p.hi)
		}
	}
	for id, bias := range o.LogitBias {
		if id < 0 || int(id) >= vocab || bias != bias {
			return fault.New(fault.BadRequest, "sample: logit bias ", bias, " for token ", id, " of ", vocab)
		}
	}
	return nil
}

// Accept tells the sampler that id is now part of the text, the prompt's tokens
// as well as the sampled ones: penalties look back at them.
func (s *Sampler) Accept(id int32) {
	if s.recent.counts != nil && id >= 0 && int(id) < len(s.recent.counts) {
		s.recent.add(id)
	}
}

// Reset forgets the accepted tokens and starts the random numbers again.
func (s *Sampler) Reset() {
	s.random = newSource(s.opts.Seed)
	s.recent.clear()
}

// Sample picks the next token among those that mask allows, or None if that
// leaves nothing. A logit that is not a number, and negative infinity, mean
// never; positive infinity means the largest finite number.
//
// Shapes: logits [vocab], not changed. It does not call Accept.
func (s *Sampler) Sample(logits []float32, mask Mask) int32 {
	s.prepare(logits, mask)
	best := argmax(s.logits)
	if best == None || s.opts.Temperature <= 0 {
		return best
	}
	s.gather(s.logits[best])
	if cuts(s.opts.TypicalP) {
		s.typical(float64(s.opts.TypicalP))
	}
	if cuts(s.opts.TopP) {
		s.topP(float64(s.opts.TopP))
	}
	if s.opts.MinP > 0 {
		s.minP(float64(s.opts.MinP))
	}
	return s.draw()
}

// IsPlain reports whether Sample without a mask is the first of the largest logits: the
// most likely token is wanted and nothing changes the logits before.
func (s *Sampler) IsPlain() bool {
	return s.opts.Temperature <= 0 && len(s.bias) == 0 && !s.opts.penalises()
}

// prepare copies logits, cleans them, and applies bias, penalties and mask.
func (s *Sampler) prepare(logits []float32, mask Mask) {
	n := copy(s.logits, logits)
	for i := n; i < len(s.logits); i++ {
		s.logits[i] = never
	}
	for i, x := range s.logits[:n] {
		if !(x <= math.MaxFloat32) { // +Inf or not a number
			s.logits[i] = clean(x)
		}
	}
	for _, b := range s.bias {
		s.logits[b.id] = clean(s.logits[b.id] + b.bias)
	}
	s.penalise()
	if mask != nil {
		s.restrict(mask)
	}
}

var never = float32(math.Inf(-1))

// clean maps what is not a number to never and keeps the rest finite from above.
func clean(x float32) float32 {
	if x != x {
		return never
	}
	return min(x, math.MaxFloat32)
}

// restrict makes never of what mask does not allow, a word of the mask at a time.
func (s *Sampler) restrict(mask Mask) {
	for lo := 0; lo < len(s.logits); lo += 64 {
		word := uint64(0)
		if lo>>6 < len(mask) {
			word = mask[lo>>6]
		}
		if word == math.MaxUint64 {
			continue
		}
		for i := range s.logits[lo:min(lo+64, len(s.logits))] {
			if word>>i&1 == 0 {
				s.logits[lo+i] = never
			}
		}
	}
}

// argmax returns the first of the highest logits, or None if all are never.
func argmax(logits []float32) int32 {
	best, at := never, None
	for i, x := range logits {
		if x > best {
			best, at = x, int32(i)
		}
	}
	return at
}
