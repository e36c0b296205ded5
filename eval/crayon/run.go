package crayon

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"pastel/blend/train"
)

// Sizes are everything that can be chosen about an experiment. docs/crayon-table.md
// reports Default.
type Sizes struct {
	Words                   int     // frequent words in the vocabulary
	Dim, Layers             int     // of the base
	BaseTexts, BaseSteps    int     // texts of four answered requests
	Batch                   int     // examples a step
	Tasks                   int     // training tasks of ten texts
	Adapters, Rank          int     // of the pools
	PoolSteps               int     // each pool's and single LoRA's
	Rate                    float64 // peak, of everything low-rank
	Tau                     float64 // temperature of the blend
	TaskSteps               int     // of a LoRA on one user's samples
	ServerDim, ServerLayers int
	ServerSteps             int
	Users, Tests, Strangers int   // users; customised requests and requests outside every domain for each
	Samples                 []int // how many a user shows
}

// Default is what the committed table reports.
var Default = Sizes{
	Words: 700, Dim: 32, Layers: 2, BaseTexts: 4000, BaseSteps: 500, Batch: 16,
	Tasks: 2400, Adapters: 24, Rank: 2, PoolSteps: 800, Rate: 4e-3, Tau: 0.2, TaskSteps: 40,
	ServerDim: 64, ServerLayers: 2, ServerSteps: 1500,
	Users: 30, Tests: 24, Strangers: 6, Samples: []int{1, 5, 10, 50},
}

// A Score is what one method reached with users who show M samples; M is 0 for methods
// that do not look at them.
type Score struct {
	Method  string  `json:"method"`
	M       int     `json:"m"`
	Domain  float64 `json:"domain"`  // accuracy among the names of the user's domain and "outside"
	All     float64 `json:"all"`     // accuracy among all names
	Loss    float64 `json:"loss"`    // nats, among all names
	Seconds float64 `json:"seconds"` // from samples to what answers, mean over users
}

// An Outcome is everything measured with one seed.
type Outcome struct {
	Seed    uint64  `json:"seed"`
	Digest  string  `json:"digest"` // of what it depends on
	Scores  []Score `json:"scores"`
	Hybrid  Hybrid  `json:"hybrid"`
	Bytes   Bytes   `json:"bytes"`
	Seconds float64 `json:"seconds"` // wall clock, all of it
}

// An experiment is everything drawn and trained for one seed.
type experiment struct {
	Sizes
	Progress func(stage string, step, steps int, loss float64)
	corpus   *Corpus
	seed     uint64
	vocab    *vocabulary
	base     *train.Model
	server   *train.Model
}

// Run draws, trains and measures everything for one seed. progress may be nil.
//
// Errors: fault.Aborted when ctx ends.
func Run(ctx context.Context, c *Corpus, seed uint64, s Sizes, progress func(stage string, step, steps int, loss float64)) (*Outcome, error) {
	begun := time.Now()
	x := &experiment{Sizes: s, Progress: progress, corpus: c, seed: seed, vocab: newVocabulary(c, s.Words)}
	if err := x.trainBase(ctx); err != nil {
		return nil, err
	}
	if err := x.trainServer(ctx); err != nil {
		return nil, err
	}
	p, err := x.trainPools(ctx)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Seed: seed, Digest: Digest(c, s, seed)}
	users := x.users(rand.New(rand.NewPCG(seed, 0x05E5)))
	if out.Scores, err = x.test(p, users); err != nil {
		return nil, err
	}
	if out.Hybrid, err = x.hybrid(p.joint, users); err != nil {
		return nil, err
	}
	if out.Bytes, err = bytesOf(p); err != nil {
		return nil, err
	}
	out.Seconds = time.Since(begun).Seconds()
	return out, nil
}

// trainPools trains the pools and their rivals on the same tasks for as many steps.
func (x *experiment) trainPools(ctx context.Context) (*pools, error) {
	var p pools
	texts := x.drawTexts()
	for _, f := range []struct {
		to      **train.Fit
		stage   string
		mode    train.Mode
		n, rank int
	}{
		{&p.joint, "joint pool", train.Joint, x.Adapters, x.Rank},
		{&p.cluster, "cluster pool", train.Cluster, x.Adapters, x.Rank},
		{&p.single, "one LoRA", train.Joint, 1, x.Rank},
		{&p.wide, "one full LoRA", train.Joint, 1, x.fullRank()},
	} {
		fit, err := x.fit(ctx, f.stage, f.mode, f.n, f.rank, texts)
		if err != nil {
			return nil, err
		}
		*f.to = fit
	}
	return &p, nil
}

// test gives every user what each method makes and asks the held-out requests.
func (x *experiment) test(p *pools, users []user) (scores []Score, err error) {
	for _, m := range x.methods(p) {
		sizes := x.Samples
		if m.fixed {
			sizes = []int{0}
		}
		for _, n := range sizes {
			s, err := x.score(m, users, n)
			if err != nil {
				return nil, err
			}
			scores = append(scores, s)
			if x.Progress != nil {
				x.Progress(m.name, 1, 1, s.Loss)
			}
		}
	}
	return scores, nil
}

func (x *experiment) score(m method, users []user, n int) (Score, error) {
	s := Score{Method: m.name, M: n}
	for i := range users {
		u := &users[i]
		begun := time.Now()
		answer, err := m.make(u, u.samples[:max(1, min(n, len(u.samples)))])
		if err != nil {
			return s, err
		}
		s.Seconds += time.Since(begun).Seconds() / float64(len(users))
		x.ask(answer, u, &s, 1/float64(len(users)*len(u.tests)))
	}
	return s, nil
}

// ask adds a user's outcome to s, each request with a weight.
func (x *experiment) ask(answer answerer, u *user, s *Score, weight float64) {
	for _, r := range u.tests {
		logits := answer(r)
		if best(logits, x.options(u)) == r.intent {
			s.Domain += weight
		}
		if best(logits, nil) == r.intent {
			s.All += weight
		}
		s.Loss += weight * (logSumExp(logits) - logits[r.intent])
	}
}

// options are the intents a user's request may have: those of the domain, and outside.
func (x *experiment) options(u *user) []int {
	own := x.corpus.Domains[u.domain]
	return append(own[:len(own):len(own)], x.corpus.outside())
}

// best returns the option with the largest logit, the first of equals; nil is all.
func best(logits []float64, options []int) int {
	at := -1
	if options == nil {
		for i := range logits {
			if at < 0 || logits[i] > logits[at] {
				at = i
			}
		}
		return at
	}
	for _, i := range options {
		if at < 0 || logits[i] > logits[at] {
			at = i
		}
	}
	return at
}

func logSumExp(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
