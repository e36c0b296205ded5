package train

import (
	"context"

	"pastel/blend"
	"pastel/blend/keys"
	"pastel/fault"
)

// A Text is one training text.
type Text struct {
	Tokens []int  // as the model sees it, its start token included
	From   int    // first token to predict, at least 1; what comes before is the question
	Embed  []int  // the tokens whose embedding places it, usually the question without special tokens
	Task   string // texts of one task share blend weights; "" means the text is its own task
}

// A Mode says how a pool is trained.
type Mode string

// The two readings of the pool's objective, crayon.md §1.3.
const (
	Joint   Mode = "joint"   // every text through its own blend: factor space
	Cluster Mode = "cluster" // every adapter on its own cluster: delta space
)

// A PoolSpec says what pool to train.
type PoolSpec struct {
	Mode      Mode
	N         int // adapters
	Shape     Shape
	Weighting blend.Weighting
	Recipe    Recipe
}

// A Fit is a trained pool.
type Fit struct {
	Adapters []*blend.Adapter
	Keys     *keys.Keys
	Examples []int // texts nearest to each key
}

// FitPool embeds and clusters the texts, trains the adapters on the frozen base
// and returns both.
//
// Errors: fault.BadRequest for texts or a spec that make no sense; fault.Aborted
// when ctx ends.
func FitPool(ctx context.Context, m *Model, texts []Text, spec PoolSpec, name func(n int) string, o Options) (*Fit, error) {
	if spec.Mode != Joint && spec.Mode != Cluster {
		return nil, fault.New(fault.BadRequest, "train: mode ", fault.Quote(string(spec.Mode)), " is neither joint nor cluster")
	}
	points, examples, err := m.prepare(texts, spec.Recipe)
	if err != nil {
		return nil, err
	}
	f := &Fit{Examples: make([]int, spec.N)}
	var assign []int
	if f.Keys, assign, err = keys.Cluster(points, spec.N, keys.Options{Seed: o.Seed}); err != nil {
		return nil, err
	}
	for _, n := range assign {
		f.Examples[n]++
	}
	alpha := OneHots(assign, spec.N)
	if spec.Mode == Joint {
		if alpha, err = TaskWeights(f.Keys, spec.Weighting, texts, points); err != nil {
			return nil, err
		}
	}
	p := NewPool(m.Config, spec.N, spec.Shape, o.Seed)
	if err := p.Joint(ctx, m, examples, alpha, o); err != nil {
		return nil, err
	}
	f.Adapters, err = p.Export(name)
	return f, err
}

// prepare checks the texts and embeds them.
func (m *Model) prepare(texts []Text, r Recipe) (points [][]float32, examples []Example, err error) {
	if r.Layer < 0 || r.Layer >= len(m.Layers) {
		return nil, nil, fault.New(fault.BadRequest, "train: layer ", r.Layer, " of ", len(m.Layers))
	}
	for i, t := range texts {
		if t.From < 1 || t.From >= len(t.Tokens) || len(t.Embed) == 0 {
			return nil, nil, fault.New(fault.BadRequest, "train: text ", i, " of ", len(t.Tokens), " tokens predicts from ", t.From)
		}
		for _, list := range [][]int{t.Tokens, t.Embed} {
			for _, id := range list {
				if id < 0 || id >= m.VocabSize {
					return nil, nil, fault.New(fault.BadRequest, "train: text ", i, ": token ", id, " of ", m.VocabSize)
				}
			}
		}
		points = append(points, m.Query(t.Embed, r))
		examples = append(examples, Example{Tokens: t.Tokens, From: t.From})
	}
	return points, examples, nil
}

// OneHots are weights that give each example its own cluster's adapter alone.
func OneHots(assign []int, n int) [][]float64 {
	alpha := make([][]float64, len(assign))
	for i, c := range assign {
		alpha[i] = make([]float64, n)
		alpha[i][c] = 1
	}
	return alpha
}

// maxTaskSample is how many texts of a task make its weights, as many as a user
// is asked for, so that training and use see equally noisy weights.
const maxTaskSample = 10

// TaskWeights are the blend weights of each text: those a user would get who
// shows the next few texts of the same task.
func TaskWeights(k *keys.Keys, w blend.Weighting, texts []Text, points [][]float32) ([][]float64, error) {
	members := map[string][]int{}
	for i, t := range texts {
		if t.Task != "" {
			members[t.Task] = append(members[t.Task], i)
		}
	}
	at := map[string]int{}
	alpha := make([][]float64, len(texts))
	for i, t := range texts {
		sample := [][]float32{points[i]}
		if list := members[t.Task]; t.Task != "" {
			sample = nil
			for j := range min(maxTaskSample, len(list)) {
				sample = append(sample, points[list[(at[t.Task]+j)%len(list)]])
			}
			at[t.Task]++
		}
		q, err := k.Query(sample)
		if err != nil {
			return nil, err
		}
		if alpha[i], err = w.Weights(k.Scores(q)); err != nil {
			return nil, err
		}
	}
	return alpha, nil
}
