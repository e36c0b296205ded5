package dispatch

import (
	"math"

	"pastel/blend/refine"
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// beginSearch prepares to try weights on the labelled samples, one evaluation a
// request, so that a host can stop between any two.
func (c *customisation) beginSearch() (err error) {
	for _, l := range c.request.Labelled {
		c.labelled = append(c.labelled, c.label(l))
	}
	o := refine.Options{MaxEvals: int(c.request.MaxEvals), Seed: c.request.Seed}
	if c.search, err = refine.New(c.reply.Weights, o); err != nil {
		return err
	}
	c.begun = c.config.NowMs()
	c.reply.Searching = true
	c.Dispatcher.search = c
	return nil
}

// refine tries the next weights, or makes the adapter of the best.
func (d *Dispatcher) refine(m *protocol.Refine) (protocol.Message, error) {
	c := d.search
	if c == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: no search is under way")
	}
	weights := c.search.Next()
	late := c.request.MaxMs > 0 && c.config.NowMs()-c.begun >= c.request.MaxMs
	if m.Stop || late || weights == nil {
		return c.endSearch()
	}
	loss, err := c.evaluate(weights)
	if err != nil {
		d.dropSearch()
		return nil, err
	}
	c.search.Tell(loss)
	c.report()
	return c.reply, nil
}

// report puts the best so far into the reply.
func (c *customisation) report() {
	r, best := c.reply, c.search.Best()
	r.Weights, r.StartLoss, r.Loss, r.Evals = best.Weights, best.StartLoss, best.Loss, uint32(best.Evals)
	r.RefineMs = c.config.NowMs() - c.begun
}

// endSearch makes the adapter of the best weights, or of the start's if none was tried.
func (c *customisation) endSearch() (protocol.Message, error) {
	if c.search.Best().Evals > 0 {
		c.report()
	}
	c.dropSearch()
	c.reply.Searching = false
	return c.finish()
}

// dropSearch forgets the search, if there is one, and the adapter it tried last.
func (d *Dispatcher) dropSearch() {
	c := d.search
	if c == nil {
		return
	}
	d.search = nil
	_ = c.session.engine.SetAdapters(nil) // none always exists
	c.model.RemoveAdapter(c.request.ID)
}

// evaluate places the adapter of some weights and returns its loss.
func (c *customisation) evaluate(weights []float64) (float64, error) {
	if err := c.place(c.request.ID, weights); err != nil {
		return 0, err
	}
	return c.loss(c.labelled)
}

// labelled is a tokenized sample; its answer begins at token from.
type labelled struct {
	ids  []int32
	from int
}

// label tokenizes prompt and answer as one text, as a model that answers sees them.
func (c *customisation) label(l protocol.Labelled) labelled {
	prompt, ids := encode(c.model, l.Prompt, true, false), encode(c.model, l.Prompt+l.Answer, true, false)
	from := 0
	for from < len(prompt) && from < len(ids) && prompt[from] == ids[from] {
		from++
	}
	return labelled{ids, from}
}

// loss is the mean negative log-likelihood of the answers' tokens under the adapter.
func (c *customisation) loss(samples []labelled) (float64, error) {
	s := c.session.engine
	if err := s.SetAdapters([]engine.ActiveAdapter{{ID: c.request.ID, Scale: 1}}); err != nil {
		return 0, err
	}
	sum, n := 0.0, 0
	for _, l := range samples {
		s.Truncate(0)
		nll, err := answerLoss(s, l)
		if err != nil {
			return 0, err
		}
		sum += nll
		n += len(l.ids) - l.from
	}
	s.Truncate(0)
	if n == 0 {
		return 0, fault.New(fault.BadRequest, "dispatch: labelled samples without answers")
	}
	return sum / float64(n), nil
}

// answerLoss adds up −ln p of the tokens from l.from on, in passes of as many tokens as
// the session has rows of logits for.
func answerLoss(s *engine.Session, l labelled) (sum float64, err error) {
	if l.from == 0 {
		return 0, fault.New(fault.BadRequest, "dispatch: a labelled sample without a prompt")
	}
	if l.from > 1 {
		if err := s.Prefill(l.ids[:l.from-1]); err != nil {
			return 0, err
		}
	}
	for at := l.from - 1; at < len(l.ids)-1; {
		n := min(len(l.ids)-1-at, s.LogitRows())
		if err := s.Forward(l.ids[at:at+n], n); err != nil {
			return 0, err
		}
		for i := range n {
			sum += negLogLikelihood(s.Logits(i), l.ids[at+i+1])
		}
		at += n
	}
	return sum, nil
}

func negLogLikelihood(logits []float32, id int32) float64 {
	most := logits[0]
	for _, v := range logits {
		most = max(most, v)
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - most))
	}
	return math.Log(sum) + float64(most-logits[id])
}
