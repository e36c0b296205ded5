package planted

import (
	"math"

	"pastel/blend"
	"pastel/blend/baseline"
	"pastel/blend/refine"
	"pastel/blend/train"
)

// A method makes the adapter for one user; nil means none.
type method struct {
	name string
	make func(u user) (*blend.Adapter, error)
}

// A combiner makes one adapter of several.
type combiner func(name string, adapters []*blend.Adapter, weights []float64) (*blend.Adapter, error)

// scores compares what a user shows with the keys of a pool.
func (x *experiment) scores(f *train.Fit, u user) ([]float64, error) {
	var samples [][]float32
	for _, e := range u.shown {
		samples = append(samples, x.model.Query(question(e), train.Recipe{}))
	}
	q, err := f.Keys.Query(samples)
	if err != nil {
		return nil, err
	}
	return f.Keys.Scores(q), nil
}

// weighted makes a user's adapter from a pool by weights found from the scores.
func (x *experiment) weighted(name string, f *train.Fit, combine combiner, weigh func(scores []float64, u user) ([]float64, error)) method {
	return method{name, func(u user) (*blend.Adapter, error) {
		scores, err := x.scores(f, u)
		if err != nil {
			return nil, err
		}
		weights, err := weigh(scores, u)
		if err != nil {
			return nil, err
		}
		return combine("user", f.Adapters, weights)
	}}
}

// blended makes a user's adapter from a pool under a weighting.
func (x *experiment) blended(name string, f *train.Fit, w blend.Weighting, combine combiner) method {
	return x.weighted(name, f, combine, func(scores []float64, _ user) ([]float64, error) { return w.Weights(scores) })
}

// labelled is the loss of factor blends on what a user shows, answers included.
func (x *experiment) labelled(f *train.Fit, u user) refine.LossFunc {
	return func(weights []float64) (float64, error) {
		a, err := blend.Factor("candidate", f.Adapters, weights)
		if err != nil {
			return 0, err
		}
		loss, _ := x.ask(u.shown, a)
		return loss, nil
	}
}

// rivals are the other methods' ways to weights, on the same pool.
func (x *experiment) rivals(f *train.Fit, soft blend.Weighting) []method {
	return []method{
		x.weighted("joint pool, AdapterSoup of 2", f, blend.Factor, func(scores []float64, _ user) ([]float64, error) {
			return baseline.AdapterSoup(scores, 2)
		}),
		x.weighted("joint pool, LoRAHub (sees the samples' answers)", f, blend.Factor, func(_ []float64, u user) ([]float64, error) {
			r, err := baseline.LoRAHub(len(f.Adapters), x.labelled(f, u), 40, x.seed)
			return r.Weights, err
		}),
		x.weighted("joint pool, blended, then refined (sees the samples' answers)", f, blend.Factor, func(scores []float64, u user) ([]float64, error) {
			start, err := soft.Weights(scores)
			if err != nil {
				return nil, err
			}
			r, err := refine.Minimize(start, x.labelled(f, u), refine.Options{Sigma: 0.1, Seed: x.seed})
			return r.Weights, err
		}),
	}
}

func (x *experiment) methods(joint, cluster, single *train.Fit) []method {
	soft := blend.Weighting{Tau: x.Tau}
	uniform, nearest := blend.Weighting{Kind: blend.Uniform}, blend.Weighting{Kind: blend.OneHot}
	svd := func(name string, list []*blend.Adapter, w []float64) (*blend.Adapter, error) {
		return blend.DeltaSVD(name, list, w, x.Rank)
	}
	return append([]method{
		x.blended(Blended, joint, soft, blend.Factor),
		{"no adapter", func(user) (*blend.Adapter, error) { return nil, nil }},
		{"one adapter trained on everything", func(user) (*blend.Adapter, error) { return single.Adapters[0], nil }},
		x.blended("joint pool, uniform blend", joint, uniform, blend.Factor),
		x.blended("joint pool, nearest adapter", joint, nearest, blend.Factor),
		x.blended("cluster pool, blended, delta", cluster, soft, blend.Delta),
		x.blended("cluster pool, blended, delta+svd", cluster, soft, svd),
		x.blended("cluster pool, uniform blend", cluster, uniform, blend.Delta),
		x.blended("cluster pool, nearest adapter", cluster, nearest, blend.Delta),
	}, x.rivals(joint, soft)...)
}

// Blended is the method under test.
const Blended = "joint pool, blended, factor"

// test gives every user each method's adapter and asks the held-out queries.
func (x *experiment) test(joint, cluster, single *train.Fit) ([]Score, error) {
	var users []user
	for range x.Users {
		users = append(users, x.world.user(x.rng, x.Tests))
	}
	var scores []Score
	for _, m := range x.methods(joint, cluster, single) {
		s := Score{Method: m.name}
		for _, u := range users {
			a, err := m.make(u)
			if err != nil {
				return nil, err
			}
			loss, correct := x.ask(u.tested, a)
			s.Loss += loss / float64(len(users))
			s.Accuracy += correct / float64(len(users))
		}
		scores = append(scores, s)
	}
	return scores, nil
}

// ask returns the mean loss and the share of right answers.
func (x *experiment) ask(examples []train.Example, a *blend.Adapter) (loss, correct float64) {
	var lora *train.LoRA
	if a != nil {
		lora = train.FromAdapter(base, a)
	}
	for _, e := range examples {
		logits := x.model.Logits(question(e), lora)
		last := logits[len(logits)-vocabSize:]
		want := e.Tokens[e.From]
		loss += logSumExp(last) - last[want]
		if argmax(last) == want {
			correct++
		}
	}
	n := float64(len(examples))
	return loss / n, correct / n
}

func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func logSumExp(x []float64) float64 {
	top := x[argmax(x)]
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
