package planted

import (
	"math"

	"pastel/blend"
	"pastel/blend/train"
)

// A method makes the adapter for one user; nil means none.
type method struct {
	name string
	make func(u user) (*blend.Adapter, error)
}

func (x *experiment) methods(joint, cluster, single []*blend.Adapter) []method {
	blendOf := func(pool []*blend.Adapter, w blend.Weighting, combine func(string, []*blend.Adapter, []float64) (*blend.Adapter, error)) func(user) (*blend.Adapter, error) {
		return func(u user) (*blend.Adapter, error) {
			alpha, err := x.weights(u.shown, w)
			if err != nil {
				return nil, err
			}
			return combine("user", pool, alpha)
		}
	}
	soft := blend.Weighting{Tau: x.o.Tau}
	svd := func(name string, list []*blend.Adapter, w []float64) (*blend.Adapter, error) {
		return blend.DeltaSVD(name, list, w, x.o.Rank)
	}
	return []method{
		{"no adapter", func(user) (*blend.Adapter, error) { return nil, nil }},
		{"single LoRA on everything", func(user) (*blend.Adapter, error) { return single[0], nil }},
		{"uniform blend (joint pool)", blendOf(joint, blend.Weighting{Kind: blend.Uniform}, blend.Factor)},
		{"nearest adapter (joint pool)", blendOf(joint, blend.Weighting{Kind: blend.OneHot}, blend.Factor)},
		{"blended: factor, joint pool", blendOf(joint, soft, blend.Factor)},
		{"uniform blend (cluster pool)", blendOf(cluster, blend.Weighting{Kind: blend.Uniform}, blend.Delta)},
		{"nearest adapter (cluster pool)", blendOf(cluster, blend.Weighting{Kind: blend.OneHot}, blend.Delta)},
		{"blended: delta, cluster pool", blendOf(cluster, soft, blend.Delta)},
		{"blended: delta+svd, cluster pool", blendOf(cluster, soft, svd)},
	}
}

// test gives every user each method's adapter and asks the held-out queries.
func (x *experiment) test(joint, cluster, single []*blend.Adapter) ([]Score, error) {
	var users []user
	for range x.o.Users {
		users = append(users, x.world.user(x.rng, x.o.Tests))
	}
	var scores []Score
	for _, m := range x.methods(joint, cluster, single) {
		s := Score{Method: m.name}
		for _, u := range users {
			a, err := m.make(u)
			if err != nil {
				return nil, err
			}
			loss, correct := x.ask(u, a)
			s.Loss += loss / float64(len(users))
			s.Accuracy += correct / float64(len(users))
		}
		scores = append(scores, s)
	}
	return scores, nil
}

// ask returns the mean loss and the share of right answers.
func (x *experiment) ask(u user, a *blend.Adapter) (loss, correct float64) {
	var lora *train.LoRA
	if a != nil {
		lora = train.FromAdapter(base, a)
	}
	for _, e := range u.tested {
		logits := x.model.Logits(question(e), lora)
		last := logits[len(logits)-vocabSize:]
		want := e.Tokens[e.From]
		loss += logSumExp(last) - last[want]
		if argmax(last) == want {
			correct++
		}
	}
	n := float64(len(u.tested))
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
