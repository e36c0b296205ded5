package train

import (
	"context"
	"math/rand/v2"
	"sync"

	"pastel/fault"
)

// Options say how long and how fast to train. Zero fields take the default.
type Options struct {
	Steps     int     // optimiser steps; default 300
	Batch     int     // examples per step; default 16
	Rate      float64 // peak learning rate; default 2e-3
	Seed      uint64
	Progress  func(step, steps int, loss float64) // called after every step; may be nil
	SaveEvery int                                 // steps between checkpoints; 0 means none
	Save      func(state []byte) error            // receives checkpoints; may be nil
	Resume    []byte                              // a checkpoint of the same run, or nil
}

func (o Options) withDefaults() Options {
	if o.Steps == 0 {
		o.Steps = 300
	}
	if o.Batch == 0 {
		o.Batch = 16
	}
	if o.Rate == 0 {
		o.Rate = 2e-3
	}
	return o
}

// shards is how many parts a batch is computed in, at once where there are
// cores. It is fixed so that sums are made in one order on every machine.
const shards = 4

// A gradFunc adds the gradient of example i, times weight, to grad and returns
// the loss of the example.
type gradFunc func(i int, weight float64, grad []float64) float64

// optimize runs AdamW on params. Batches are drawn by (seed, step) alone, so a
// resumed run continues exactly where it was.
func optimize(ctx context.Context, params []float64, nExamples int, o Options, f gradFunc) error {
	if nExamples == 0 {
		return fault.New(fault.BadRequest, "train: no examples")
	}
	state := newAdamW(len(params))
	if o.Resume != nil {
		if err := state.restore(o.Resume, params, o.Seed); err != nil {
			return err
		}
	}
	grads := make([][]float64, shards)
	for i := range grads {
		grads[i] = make([]float64, len(params))
	}
	for state.step < o.Steps {
		if err := ctx.Err(); err != nil {
			return fault.New(fault.Aborted, "train: stopped at step ", state.step, ": ", err)
		}
		step := state.step
		loss := batchGradient(grads, draw(o.Seed, step, o.Batch, nExamples), f)
		state.update(params, grads[0], rate(o.Rate, step, o.Steps))
		if o.Progress != nil {
			o.Progress(state.step, o.Steps, loss)
		}
		if o.Save != nil && o.SaveEvery > 0 && state.step%o.SaveEvery == 0 {
			if err := o.Save(state.snapshot(params, o.Seed)); err != nil {
				return err
			}
		}
	}
	return nil
}

// draw picks the examples of one step.
func draw(seed uint64, step, batch, n int) []int {
	rng := rand.New(rand.NewPCG(seed, uint64(step)))
	out := make([]int, batch)
	for i := range out {
		out[i] = rng.IntN(n)
	}
	return out
}

// batchGradient leaves the mean gradient of the batch in grads[0] and returns
// the mean loss.
func batchGradient(grads [][]float64, batch []int, f gradFunc) float64 {
	losses := make([]float64, shards)
	var wg sync.WaitGroup
	for s := range shards {
		wg.Go(func() {
			clear(grads[s])
			for i := s; i < len(batch); i += shards {
				losses[s] += f(batch[i], 1/float64(len(batch)), grads[s])
			}
		})
	}
	wg.Wait()
	for s := 1; s < shards; s++ {
		add(grads[0], grads[s])
		losses[0] += losses[s]
	}
	return losses[0] / float64(len(batch))
}

// Base trains all weights of m on the examples.
func Base(ctx context.Context, m *Model, examples []Example, o Options) error {
	o = o.withDefaults()
	return optimize(ctx, m.Flat, len(examples), o, func(i int, weight float64, grad []float64) float64 {
		return m.LossGrad(examples[i], nil, weight, Gradients{Model: m.over(grad)})
	})
}

// over returns a model of the same shape whose weights lie in flat.
func (m *Model) over(flat []float64) *Model {
	g := &Model{Config: m.Config, Layers: make([]Layer, m.Config.Layers), Flat: flat}
	at := 0
	g.each(func(_ string, p *[]float64, n int) {
		*p = flat[at : at+n]
		at += n
	})
	if m.Tied {
		g.Output = g.Embed
	}
	return g
}
