package engine

import (
	"math"

	"pastel/engine/sample"
	"pastel/engine/stop"
	"pastel/engine/tokenizer"
	"pastel/fault"
)

// A Constraint limits what the next token may be (see engine/constrain).
type Constraint interface {
	// Mask returns one bit per vocabulary entry: which tokens may come next.
	Mask() []uint64
	// Accept tells it which token came.
	Accept(id int32) error
}

// A Request is a prompt and how to continue it.
type Request struct {
	Prompt     []int32 // token ids, special tokens included
	MaxTokens  int     // 0: until a stop or the end of the context
	Sampling   sample.Options
	Stop       []string
	IgnoreEnd  bool // go on after an end-of-generation token
	Logprobs   bool // report each token's log-probability
	TopTokens  int  // how many rivals to report with it
	Adapters   []ActiveAdapter
	Constraint Constraint // nil: none

	// ShiftContext lets the text outgrow the context: see Session.Shift.
	ShiftContext bool
}

// FinishReason says why a generation ended, in OpenAI's words.
type FinishReason string

// The reasons.
const (
	FinishStop   FinishReason = "stop"   // an end token or a stop string
	FinishLength FinishReason = "length" // MaxTokens or the end of the context
)

// An Event is what one step of a generation did. Its slices are the
// generation's own and change with the next step.
type Event struct {
	Prefilled int    // prompt tokens done so far, while there is no token yet
	Token     int32  // the token that came, or -1
	Text      []byte // whole characters to show; may be empty
	Logprob   float32
	Top       []sample.Logprob
	Finish    FinishReason // "" until the last event
}

// A Generation continues a session's text one step at a time, so that whoever
// drives it can stop between any two. Only one runs in a session.
type Generation struct {
	s        *Session
	req      Request
	sampler  *sample.Sampler
	stream   *tokenizer.Stream
	matcher  *stop.Matcher
	prompt   []int32 // not yet prefilled
	cached   int     // prompt tokens that were in the cache
	produced int
	pending  int32 // sampled, not yet in the cache; -1: none
	done     bool
	text     []byte
	piece    []byte
	top      []sample.Logprob
	one      [1]int32
}

// Generate starts a generation. What of the prompt the cache holds already,
// under the same adapters, is not computed again.
//
// Errors: ERR_CONTEXT when the prompt leaves no room for a token,
// ERR_BAD_REQUEST for an empty prompt or options that make no sense.
func (s *Session) Generate(req Request) (*Generation, error) {
	if len(req.Prompt) == 0 {
		return nil, fault.New(fault.BadRequest, "engine: empty prompt")
	}
	if len(req.Prompt) >= s.Capacity() {
		return nil, fault.New(fault.Context, "engine: prompt of ", len(req.Prompt), " tokens leaves no room in a context of ", s.Capacity())
	}
	if err := s.checkTokens(req.Prompt); err != nil {
		return nil, err
	}
	if err := s.SetAdapters(req.Adapters); err != nil {
		return nil, err
	}
	g := &Generation{s: s, req: req, pending: -1}
	var err error
	if g.sampler, err = sample.New(req.Sampling, s.model.Config().VocabSize); err != nil {
		return nil, err
	}
	if g.matcher, err = stop.New(req.Stop); err != nil {
		return nil, err
	}
	g.stream = s.model.tokenizer.NewStream(tokenizer.DecodeOptions{})
	g.cached = min(s.planner.Cache.CommonPrefix(req.Prompt), len(req.Prompt)-1) // the last is needed for its logits
	s.Truncate(g.cached)
	g.prompt = req.Prompt[g.cached:]
	for _, id := range req.Prompt {
		g.sampler.Accept(id)
	}
	return g, nil
}

// Cached is the number of prompt tokens that were not computed again.
func (g *Generation) Cached() int { return g.cached }

// Produced is the number of tokens sampled so far, an end token not counted.
func (g *Generation) Produced() int { return g.produced }

// Next runs one pass: a piece of the prompt, or one token. The last event has
// Finish set; calling Next after it panics.
//
// Errors: those of Forward and of the constraint. The generation is then over.
func (g *Generation) Next() (Event, error) {
	if g.done {
		panic("engine: Next after the end of a generation")
	}
	if len(g.prompt) > 0 {
		if err := g.prefill(); err != nil {
			return g.fail(err)
		}
		if len(g.prompt) > 0 {
			return Event{Prefilled: len(g.req.Prompt) - len(g.prompt), Token: -1}, nil
		}
	} else if err := g.decode(); err != nil {
		return g.fail(err)
	}
	return g.pick()
}

// prefill runs the next piece of the prompt.
func (g *Generation) prefill() error {
	n := min(len(g.prompt), g.s.Batch())
	rows := 0
	if n == len(g.prompt) {
		rows = 1
	}
	if err := g.s.Forward(g.prompt[:n], rows); err != nil {
		return err
	}
	g.prompt = g.prompt[n:]
	return nil
}

// decode runs the token sampled last.
func (g *Generation) decode() error {
	if err := g.makeRoom(); err != nil {
		return err
	}
	g.one[0] = g.pending
	return g.s.Forward(g.one[:], 1)
}

// pick samples from the logits of the last pass.
func (g *Generation) pick() (Event, error) {
	logits := g.s.Logits(0)
	id := g.choose(logits)
	if id == sample.None {
		return g.fail(fault.New(fault.Internal, "engine: no token can follow: all logits are NaN or forbidden"))
	}
	e := Event{Token: id}
	if g.req.Logprobs {
		e.Logprob, g.top = g.sampler.Logprobs(g.top[:0], logits, id, g.req.TopTokens)
		e.Top = g.top
	}
	if !g.req.IgnoreEnd && g.s.model.tokenizer.IsEndOfGeneration(id) {
		return g.finish(e, FinishStop), nil
	}
	g.sampler.Accept(id)
	if c := g.req.Constraint; c != nil {
		if err := c.Accept(id); err != nil {
			return g.fail(err)
		}
	}
	g.pending = id
	g.produced++
	g.piece = g.stream.Append(g.piece[:0], id)
	g.text = g.matcher.Feed(g.text[:0], bytesAsString(g.piece))
	e.Text = g.text
	switch {
	case g.matcher.Stopped():
		g.done = true
		e.Finish = FinishStop
	case g.produced == g.req.MaxTokens || g.s.Len() == g.s.Capacity() && !g.req.ShiftContext:
		return g.finish(e, FinishLength), nil
	}
	return e, nil
}

// choose returns the next token.
func (g *Generation) choose(logits []float32) int32 {
	var mask sample.Mask
	if c := g.req.Constraint; c != nil {
		mask = c.Mask()
	}
	if g.sampler.IsPlain() { // the kernels have looked already
		if id := g.s.Best(); mask.Has(id) && math.Abs(float64(logits[id])) <= math.MaxFloat32 {
			return id
		}
	}
	return g.sampler.Sample(logits, mask)
}

// finish ends the text: what was held back comes out.
func (g *Generation) finish(e Event, why FinishReason) Event {
	g.done = true
	e.Finish = why
	if e.Text == nil {
		g.text = g.text[:0]
	}
	g.text = g.matcher.Feed(g.text, g.stream.Flush())
	g.text = g.matcher.Flush(g.text)
	e.Text = g.text
	return e
}

func (g *Generation) fail(err error) (Event, error) {
	g.done = true
	return Event{Token: -1}, err
}
