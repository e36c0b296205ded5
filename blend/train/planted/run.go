package planted

import (
	"context"
	"math/rand/v2"

	"pastel/blend"
	"pastel/blend/keys"
	"pastel/blend/train"
)

// Options size an experiment. Zero fields take the default, which is what
// docs/planted-tasks.md reports.
type Options struct {
	BaseSteps, PoolSteps int     // default 400 and 1200
	Users, Tests         int     // per seed; default 40 users with 50 test queries each
	Tau                  float64 // temperature; default 0.1
	Rank                 int     // default 4
	Log                  func(stage string, step, steps int, loss float64)
}

// A Score is what one method reached on the held-out queries of all users.
type Score struct {
	Method   string
	Loss     float64 // mean cross entropy of the answer, nats
	Accuracy float64 // share of answers that are the most likely token
}

var base = train.Config{Dim: 32, HiddenDim: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, VocabSize: vocabSize, RopeBase: 10000, Eps: 1e-5, Tied: false}

var everyLinear = []int{train.AttnQ, train.AttnK, train.AttnV, train.AttnOut, train.FFNGate, train.FFNUp, train.FFNDown}

func (o Options) withDefaults() Options {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.BaseSteps, 400)
	set(&o.PoolSteps, 1200)
	set(&o.Users, 40)
	set(&o.Tests, 50)
	set(&o.Rank, 4)
	if o.Tau == 0 {
		o.Tau = 0.1
	}
	return o
}

// An experiment is everything drawn and trained for one seed.
type experiment struct {
	o          Options
	seed       uint64
	rng        *rand.Rand
	world      *world
	model      *train.Model
	keys       *keys.Keys
	data       []train.Example
	trainUsers []user
}

// Run trains a base, a pool and its rivals for one seed and tests all of them
// on users they have not seen.
func Run(ctx context.Context, seed uint64, o Options) ([]Score, error) {
	x := &experiment{o: o.withDefaults(), seed: seed, rng: rand.New(rand.NewPCG(seed, 0x9A57)), model: train.New(base)}
	x.world = newWorld(x.rng)
	if err := x.trainBase(ctx); err != nil {
		return nil, err
	}
	for range 3000 {
		u := x.world.user(x.rng, 10)
		x.trainUsers = append(x.trainUsers, u)
		x.data = append(x.data, u.tested...)
	}
	assign, err := x.makeKeys()
	if err != nil {
		return nil, err
	}
	alpha, err := x.softWeights()
	if err != nil {
		return nil, err
	}
	x.diagnose(assign)
	joint, err := x.trainPool(ctx, "joint pool", nTopics, alpha)
	if err != nil {
		return nil, err
	}
	cluster, err := x.trainPool(ctx, "cluster pool", nTopics, oneHots(x.hard()))
	if err != nil {
		return nil, err
	}
	single, err := x.trainPool(ctx, "single", 1, ones(len(x.data)))
	if err != nil {
		return nil, err
	}
	return x.test(joint, cluster, single)
}

// trainBase teaches the format on worlds whose answers mean nothing here: the
// base knows that a value follows a key, and no topic.
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
		e := other.query(x.rng, x.rng.IntN(nTopics))
		e.From = 1
		data = append(data, e)
	}
	return train.Base(ctx, x.model, data, train.Options{Steps: x.o.BaseSteps, Batch: 32, Rate: 3e-3, Seed: x.seed, Progress: x.log("base")})
}

func (x *experiment) log(stage string) func(step, steps int, loss float64) {
	if x.o.Log == nil {
		return nil
	}
	return func(step, steps int, loss float64) { x.o.Log(stage, step, steps, loss) }
}

func (x *experiment) embed(e train.Example) []float32 {
	return x.model.Query(question(e), train.Recipe{})
}

func (x *experiment) makeKeys() (assign []int, err error) {
	var points [][]float32
	for _, e := range x.data[:4000] {
		points = append(points, x.embed(e))
	}
	x.keys, assign, err = keys.Cluster(points, nTopics, keys.Options{Seed: x.seed})
	return assign, err
}

// weights of the embeddings of some examples under a weighting.
func (x *experiment) weights(examples []train.Example, w blend.Weighting) ([]float64, error) {
	var samples [][]float32
	for _, e := range examples {
		samples = append(samples, x.embed(e))
	}
	q, err := x.keys.Query(samples)
	if err != nil {
		return nil, err
	}
	return w.Weights(x.keys.Scores(q))
}

func (x *experiment) softWeights() (alpha [][]float64, err error) {
	for _, u := range x.trainUsers {
		a, err := x.weights(u.shown, blend.Weighting{Tau: x.o.Tau})
		if err != nil {
			return nil, err
		}
		for range u.tested {
			alpha = append(alpha, a)
		}
	}
	return alpha, nil
}

func (x *experiment) hard() (out []int) {
	for _, e := range x.data {
		q, _ := x.keys.Query([][]float32{x.embed(e)})
		s := x.keys.Scores(q)
		best := 0
		for i := range s {
			if s[i] > s[best] {
				best = i
			}
		}
		out = append(out, best)
	}
	return out
}

func oneHots(assign []int) (alpha [][]float64) {
	for _, n := range assign {
		a := make([]float64, nTopics)
		a[n] = 1
		alpha = append(alpha, a)
	}
	return alpha
}

func ones(n int) (alpha [][]float64) {
	for range n {
		alpha = append(alpha, []float64{1})
	}
	return alpha
}

func (x *experiment) trainPool(ctx context.Context, stage string, n int, alpha [][]float64) ([]*blend.Adapter, error) {
	p := train.NewPool(base, n, train.Shape{Linears: everyLinear, Rank: x.o.Rank, Scaling: 2}, x.seed)
	err := p.Joint(ctx, x.model, x.data, alpha, train.Options{Steps: x.o.PoolSteps, Batch: 32, Rate: 1e-2, Seed: x.seed, Progress: x.log(stage)})
	if err != nil {
		return nil, err
	}
	return p.Export(func(int) string { return stage })
}
