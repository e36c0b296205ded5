package planted

import (
	"context"
	"math/rand/v2"
	"strconv"

	"pastel/blend"
	"pastel/blend/train"
)

// Options size an experiment. Zero fields take the default, which is what
// docs/planted-tasks.md reports.
type Options struct {
	BaseSteps, PoolSteps int     // optimiser steps of 32 examples; default 300 and 1000
	Tasks                int     // training tasks of 10 queries; default 1200
	Users, Tests         int     // held-out users, and queries each is tested with; default 40 and 50
	Tau                  float64 // temperature; default 0.2
	Rank                 int     // default 2
	Progress             func(stage string, step, steps int, loss float64)
}

// A Score is what one method reached on the held-out queries of all users.
type Score struct {
	Method   string
	Loss     float64 // mean cross entropy of the answer, nats
	Accuracy float64 // share of answers that were the most likely token
}

var base = train.Config{Dim: 32, HiddenDim: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, VocabSize: vocabSize, RopeBase: 10000, Eps: 1e-5}

var everyLinear = []int{train.AttnQ, train.AttnK, train.AttnV, train.AttnOut, train.FFNGate, train.FFNUp, train.FFNDown}

func (o Options) withDefaults() Options {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.BaseSteps, 300)
	set(&o.PoolSteps, 1000)
	set(&o.Tasks, 1200)
	set(&o.Users, 40)
	set(&o.Tests, 50)
	set(&o.Rank, 2)
	if o.Tau == 0 {
		o.Tau = 0.2
	}
	return o
}

// An experiment is everything drawn and trained for one seed.
type experiment struct {
	Options
	seed  uint64
	rng   *rand.Rand
	world *world
	model *train.Model
	texts []train.Text
}

// Run trains a base, a pool and its rivals for one seed and tests all of them
// on users whose tasks none of them has seen.
func Run(ctx context.Context, seed uint64, o Options) ([]Score, error) {
	x := &experiment{Options: o.withDefaults(), seed: seed, rng: rand.New(rand.NewPCG(seed, 0x9A57)), model: train.New(base)}
	x.world = newWorld(x.rng)
	if err := x.trainBase(ctx); err != nil {
		return nil, err
	}
	x.drawTexts()
	joint, err := x.fit(ctx, "joint pool", train.Joint, nTopics)
	if err != nil {
		return nil, err
	}
	cluster, err := x.fit(ctx, "cluster pool", train.Cluster, nTopics)
	if err != nil {
		return nil, err
	}
	single, err := x.fit(ctx, "single", train.Joint, 1)
	if err != nil {
		return nil, err
	}
	return x.test(joint, cluster, single)
}

// trainBase teaches the format with answers that mean nothing: the base knows
// that a value follows a key, and nothing of topics.
func (x *experiment) trainBase(ctx context.Context) error {
	x.model.Init(x.seed)
	var data []train.Example
	for range 4000 {
		other := *x.world
		for z := range other.answer {
			for k := range other.answer[z] {
				other.answer[z][k] = x.rng.IntN(nValues)
			}
		}
		u := other.user(x.rng, 1)
		u.tested[0].From = 1
		data = append(data, u.tested[0])
	}
	return train.Base(ctx, x.model, data, train.Options{Steps: x.BaseSteps, Batch: 32, Rate: 3e-3, Seed: x.seed, Progress: x.progress("base")})
}

func (x *experiment) progress(stage string) func(step, steps int, loss float64) {
	if x.Progress == nil {
		return nil
	}
	return func(step, steps int, loss float64) { x.Progress(stage, step, steps, loss) }
}

// drawTexts draws the training tasks: like users, each on two topics.
func (x *experiment) drawTexts() {
	for task := range x.Tasks {
		for _, e := range x.world.user(x.rng, querySample).tested {
			x.texts = append(x.texts, train.Text{Tokens: e.Tokens, From: e.From, Embed: question(e), Task: strconv.Itoa(task)})
		}
	}
}

// fit trains a pool of n adapters; a pool of one is the single LoRA.
func (x *experiment) fit(ctx context.Context, stage string, mode train.Mode, n int) (*train.Fit, error) {
	spec := train.PoolSpec{Mode: mode, N: n, Shape: train.Shape{Linears: everyLinear, Rank: x.Rank, Scaling: 2}, Weighting: blend.Weighting{Tau: x.Tau}}
	o := train.Options{Steps: x.PoolSteps, Batch: 32, Rate: 1e-2, Seed: x.seed, Progress: x.progress(stage)}
	return train.FitPool(ctx, x.model, x.texts, spec, func(int) string { return stage }, o)
}
