package crayon

import (
	"context"
	"math/rand/v2"
	"strconv"

	"pastel/blend"
	"pastel/blend/train"
)

// everyLinear are the maps that adapters change.
var everyLinear = []int{train.AttnQ, train.AttnK, train.AttnV, train.AttnOut, train.FFNGate, train.FFNUp, train.FFNDown}

func llama(dim, layers, vocab int) train.Config {
	return train.Config{Dim: dim, HiddenDim: 2 * dim, Layers: layers, Heads: 4, KVHeads: 2, HeadDim: dim / 4,
		VocabSize: vocab, RopeBase: 10000, Eps: 1e-5, Tied: true}
}

// pairsInContext is how many answered requests the longer texts of the base have.
const pairsInContext = 4

// trainBase teaches a small model the intents' names as far as it can hold them, and, on
// a quarter of its texts, English requests and that those of one user resemble each other.
func (x *experiment) trainBase(ctx context.Context) error {
	x.base = train.New(llama(x.Dim, x.Layers, x.vocab.size()))
	x.base.Init(x.seed)
	rng := rand.New(rand.NewPCG(x.seed, 0xBA5E))
	var data []train.Example
	for i := range x.BaseTexts {
		u := draw(rng, x.corpus, i%len(x.corpus.Domains))
		n := 1
		if i%4 == 0 {
			n = pairsInContext
		}
		var tokens []int
		for _, r := range u.take(rng, n, func(i int) []request { return x.requests(x.corpus.Intents[i].Train, i) }) {
			tokens = append(tokens, x.vocab.answered(r, r.intent)...)
		}
		from := 1
		if n == 1 {
			from = len(tokens) - 1
		}
		data = append(data, train.Example{Tokens: tokens, From: from})
	}
	return train.Base(ctx, x.base, data, train.Options{Steps: x.BaseSteps, Batch: x.Batch, Rate: 5e-3, Seed: x.seed, Progress: x.progress("base")})
}

// trainServer fits a larger model to all intents and to what is outside them.
func (x *experiment) trainServer(ctx context.Context) error {
	x.server = train.New(llama(x.ServerDim, x.ServerLayers, x.vocab.size()))
	x.server.Init(x.seed)
	var data []train.Example
	for i, intent := range x.corpus.Intents {
		for _, r := range x.requests(intent.Train, i) {
			data = append(data, x.vocab.example(r))
		}
	}
	strangers := x.requests(x.corpus.Outside.Train, x.corpus.outside())
	for i := range len(data) / 10 { // one in eleven, however few there are
		data = append(data, x.vocab.example(strangers[i%len(strangers)]))
	}
	return train.Base(ctx, x.server, data, train.Options{Steps: x.ServerSteps, Batch: x.Batch, Rate: 5e-3, Seed: x.seed, Progress: x.progress("server")})
}

// taskTexts is how many texts a training task has: as many as a user is asked for.
const taskTexts = 10

// drawTexts draws the training tasks: like users, on training texts.
func (x *experiment) drawTexts() (texts []train.Text) {
	rng := rand.New(rand.NewPCG(x.seed, 0x7A5C))
	for task := range x.Tasks {
		u := draw(rng, x.corpus, task%len(x.corpus.Domains))
		for _, r := range u.take(rng, taskTexts, func(i int) []request { return x.requests(x.corpus.Intents[i].Train, i) }) {
			e := x.vocab.example(r)
			texts = append(texts, train.Text{Tokens: e.Tokens, From: e.From, Embed: r.words, Task: strconv.Itoa(task)})
		}
	}
	return texts
}

// fit trains a pool of n adapters; a pool of one is a single LoRA.
func (x *experiment) fit(ctx context.Context, stage string, mode train.Mode, n, rank int, texts []train.Text) (*train.Fit, error) {
	spec := train.PoolSpec{Mode: mode, N: n, Shape: x.shape(rank), Weighting: x.soft()}
	o := train.Options{Steps: x.PoolSteps, Batch: x.Batch, Rate: x.Rate, Seed: x.seed, Progress: x.progress(stage)}
	return train.FitPool(ctx, x.base, texts, spec, func(i int) string { return "adapter-" + strconv.Itoa(i) }, o)
}

func (x *experiment) shape(rank int) train.Shape {
	return train.Shape{Linears: everyLinear, Rank: rank, Scaling: 2}
}

// fullRank is as many weights as the pool has, but no more than a map can have.
func (x *experiment) fullRank() int { return min(x.Rank*x.Adapters, x.Dim) }

// soft is Crayon's weighting.
func (x *experiment) soft() blend.Weighting { return blend.Weighting{Tau: x.Tau} }

func (x *experiment) progress(stage string) func(step, steps int, loss float64) {
	if x.Progress == nil {
		return nil
	}
	return func(step, steps int, loss float64) { x.Progress(stage, step, steps, loss) }
}
