package dispatch

import (
	"slices"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/refine"
	"pastel/engine"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A customisation is one Customize under way.
type customisation struct {
	*Dispatcher
	request *protocol.Customize
	session *session
	reply   *protocol.Customized

	labelled []labelled
	search   *refine.Search
	begun    float64 // when the search began
}

// customize turns samples into an adapter: embedding, scores, weights, blend, and
// placement beside the model; or it begins a search for better weights.
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
	if len(m.Labelled) > 0 {
		return c.reply, c.beginSearch()
	}
	return c.finish()
}

// finish makes the adapter of the weights.
func (c *customisation) finish() (protocol.Message, error) {
	if err := c.place(c.request.ID, c.reply.Weights); err != nil {
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
	c.locate(embeddings)
	return nil
}

// locate says where the samples lie.
func (c *customisation) locate(embeddings [][]float32) {
	r, recipe := c.reply, c.recipe()
	r.Layer, r.Last, r.Mean = uint32(recipe.Layer), recipe.Last, c.pool.Keys.Mu
	r.Samples = slices.Concat(embeddings...)
}

// recipe is the pool's.
func (c *customisation) recipe() engine.Recipe {
	return engine.Recipe{Layer: c.pool.Embedding.Layer, Last: c.pool.Embedding.Pooling == "last"}
}

// embeddings are the samples', by the pool's recipe. Shapes: [samples][dim].
func (c *customisation) embeddings() ([][]float32, error) {
	var out [][]float32
	recipe := c.recipe()
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

// place blends the pool and adds the result to the model. Where factors stay float32 they
// are summed in plain Go: beside float weights.
func (c *customisation) place(id string, weights []float64) error {
	begun := c.config.NowMs()
	if !c.poolKernel.eightBit(c.pool) {
		return c.placeFloats(id, weights, begun)
	}
	sums, err := c.poolKernel.sums(c.pool, weights)
	if err == nil {
		err = c.model.AddSum(id, sums...)
	}
	if err != nil {
		return err
	}
	r := c.reply
	r.BlendMs, r.NModules = c.config.NowMs()-begun, uint32(len(c.pool.Targets))
	r.Rank, r.WeightBytes = uint32(len(sums)*c.pool.Ranks()), uint64(c.model.AdapterBytes(id))
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
