package dispatch

import (
	"math"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/refine"
	"pastel/engine"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/kernels"
	"pastel/wasm/protocol"
)

// A customisation is one Customize under way.
type customisation struct {
	*Dispatcher
	request *protocol.Customize
	session *session
	reply   *protocol.Customized
}

// customize turns samples into an adapter: embedding, scores, weights, perhaps a
// search, blend, and placement beside the model.
func (d *Dispatcher) customize(m *protocol.Customize) (protocol.Message, error) {
	s, err := d.idle(m.Session)
	if err != nil {
		return nil, err
	}
	if d.pool == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: no pool is loaded")
	}
	if err := d.allIdle(); err != nil {
		return nil, err
	}
	c := &customisation{Dispatcher: d, request: m, session: s, reply: &protocol.Customized{ID: m.ID, PoolID: d.pool.ID, Scores: []float64{}}}
	if err := c.weigh(); err != nil || m.ScoresOnly {
		return c.reply, err
	}
	if m.ID == "" {
		return nil, fault.New(fault.BadRequest, "dispatch: an adapter without a name")
	}
	if err := c.refine(); err != nil {
		return nil, err
	}
	if err := c.place(m.ID, c.reply.Weights); err != nil {
		return nil, err
	}
	return c.reply, c.save()
}

// weigh finds the weights.
func (c *customisation) weigh() error {
	if len(c.request.Weights) > 0 {
		c.reply.Weights = append(c.reply.Weights, c.request.Weights...)
		return nil
	}
	begun := c.config.NowMs()
	embeddings, err := c.embeddings()
	if err != nil {
		return err
	}
	c.reply.EmbedMs = c.config.NowMs() - begun
	scores, weights, err := c.pool.Customise(embeddings)
	if err != nil {
		return err
	}
	if kind := c.request.Weighting; kind != "" {
		w := blend.Weighting{Kind: blend.WeightingKind(kind), Tau: c.request.Tau, TopK: int(c.request.TopK)}
		if weights, err = w.Weights(scores); err != nil {
			return err
		}
	}
	c.reply.Scores, c.reply.Weights = scores, weights
	return nil
}

// embeddings are the samples', by the pool's recipe. Shapes: [samples][dim].
func (c *customisation) embeddings() ([][]float32, error) {
	var out [][]float32
	recipe := engine.Recipe{Layer: c.pool.Embedding.Layer, Last: c.pool.Embedding.Pooling == "last"}
	for i, text := range c.request.Samples {
		ids := encode(c.model, text, false, false)
		if len(ids) == 0 {
			return nil, fault.New(fault.BadRequest, "dispatch: sample ", i, " is empty")
		}
		q, err := c.session.engine.Embed(ids, recipe)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

// place blends the pool and adds the result to the model. Beside float32 weights sums
// stay float32, in plain Go: such models are small.
func (c *customisation) place(id string, weights []float64) error {
	begun := c.config.NowMs()
	if c.model.AdapterFormat() == kernels.F32 {
		return c.placeFloats(id, weights, begun)
	}
	b, err := c.poolKernel.blend(c.pool, weights)
	if err != nil {
		return err
	}
	blended := c.config.NowMs()
	if err := c.model.PlaceAdapter(id, b.pairs, b.free); err != nil {
		b.free()
		return err
	}
	r := c.reply
	r.BlendMs, r.PackMs = blended-begun, c.config.NowMs()-blended
	r.NModules = uint32(len(c.pool.Targets))
	parts := len(b.pairs) / len(c.pool.Targets)
	r.Rank, r.WeightBytes = uint32(parts*c.pool.Ranks()), uint64(parts*2*c.pool.Values())
	return nil
}

func (c *customisation) placeFloats(id string, weights []float64, begun float64) error {
	a, err := c.pool.Blend(c.pool.Name+", blended", weights)
	if err != nil {
		return err
	}
	blended := c.config.NowMs()
	if err := c.model.AddAdapter(id, loraPairs(a)); err != nil {
		return err
	}
	r := c.reply
	r.BlendMs, r.PackMs = blended-begun, c.config.NowMs()-blended
	r.Rank, r.NModules, r.WeightBytes = uint32(a.Rank()), uint32(len(a.Pairs)), uint64(a.Bytes())
	return nil
}

// save writes the adapter down, if that is wanted.
func (c *customisation) save() (err error) {
	if !c.request.Save {
		return nil
	}
	a, err := c.pool.Blend(c.pool.Name+", blended", c.reply.Weights)
	if err == nil {
		c.reply.File, err = gguflora.Write(a, c.model.Config().Arch, tensor.F32)
	}
	return err
}

// refine improves the weights on the labelled samples.
func (c *customisation) refine() error {
	var samples []labelled
	for _, l := range c.request.Labelled {
		samples = append(samples, c.label(l))
	}
	if len(samples) == 0 {
		return nil
	}
	begun := c.config.NowMs()
	loss := func(weights []float64) (float64, error) {
		if err := c.place(c.request.ID, weights); err != nil {
			return 0, err
		}
		return c.loss(samples)
	}
	o := refine.Options{MaxEvals: int(c.request.MaxEvals), Seed: c.request.Seed}
	if c.request.MaxMs > 0 {
		o.Stop = func() bool { return c.config.NowMs()-begun >= c.request.MaxMs }
	}
	best, err := refine.Minimize(c.reply.Weights, loss, o)
	_ = c.session.engine.SetAdapters(nil) // the one that was tried is replaced next; none always exists
	if err != nil {
		c.model.RemoveAdapter(c.request.ID)
		return err
	}
	r := c.reply
	r.Weights, r.StartLoss, r.Loss, r.Evals = best.Weights, best.StartLoss, best.Loss, uint32(best.Evals)
	r.RefineMs = c.config.NowMs() - begun
	return nil
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
