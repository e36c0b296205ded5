package crayon

import (
	"context"
	"slices"

	"pastel/blend"
	"pastel/blend/baseline"
	"pastel/blend/refine"
	"pastel/blend/train"
)

// An answerer scores every intent's name for a request: logits, outside last.
type answerer func(r request) []float64

// A method makes what answers for a user who shows samples. Where it does not look at
// them, fixed is true, and it is asked once.
type method struct {
	name  string
	fixed bool
	make  func(u *user, samples []request) (answerer, error)
}

// pools are everything trained for one seed.
type pools struct {
	joint, cluster, single, wide *train.Fit
}

// The rows that the text of the report names.
const (
	Crayon     = "Crayon, joint pool"
	perTask    = "LoRA trained on the user's samples"
	serverOnly = "server model alone"
)

// methods are the rows of the table, in its order.
func (x *experiment) methods(p *pools) []method {
	uniform, nearest := blend.Weighting{Kind: blend.Uniform}, blend.Weighting{Kind: blend.OneHot}
	rows := []method{
		fixed("base, no adapter", func() answerer { return x.with(nil) }),
		{name: "base, samples in the prompt", make: x.inContext},
		fixed("one LoRA on everything", func() answerer { return x.with(p.single.Adapters[0]) }),
		fixed("one LoRA on everything, full rank", func() answerer { return x.with(p.wide.Adapters[0]) }),
		x.weighted("joint pool, uniform", p.joint, uniform, blend.Factor),
		x.weighted("joint pool, nearest adapter", p.joint, nearest, blend.Factor),
		x.soup("joint pool, AdapterSoup of 2", p.joint, blend.Factor),
		{name: "joint pool, LoRAHub", make: x.loraHub(p.joint)},
		x.weighted(Crayon, p.joint, x.soft(), blend.Factor),
		x.weighted("cluster pool, uniform", p.cluster, uniform, blend.Delta),
		x.weighted("cluster pool, nearest adapter", p.cluster, nearest, blend.Delta),
		x.soup("cluster pool, AdapterSoup of 2", p.cluster, blend.Delta),
		{name: "cluster pool, LoRAHub", make: x.loraHub(p.cluster)},
		fixed("cluster pool, Arrow", func() answerer { return x.arrow(p.cluster.Adapters) }),
		x.weighted("Crayon, cluster pool", p.cluster, x.soft(), blend.Delta),
		{name: perTask, make: x.perTask},
		fixed(serverOnly, func() answerer { return x.names(x.server, nil) }),
	}
	return rows
}

func fixed(name string, build func() answerer) method {
	return method{name, true, func(*user, []request) (answerer, error) { return build(), nil }}
}

// names asks a model for the logits of the names.
func (x *experiment) names(m *train.Model, lora *train.LoRA) answerer {
	return func(r request) []float64 { return x.lastNames(m.Logits(r.question(), lora)) }
}

// lastNames are the names' logits after the last token.
func (x *experiment) lastNames(logits []float64) []float64 {
	return logits[len(logits)-x.vocab.names:]
}

// with asks the base with an adapter; nil is none.
func (x *experiment) with(a *blend.Adapter) answerer {
	if a == nil {
		return x.names(x.base, nil)
	}
	return x.names(x.base, train.FromAdapter(x.base.Config, a))
}

// maxPrompt is how many tokens of samples are put before a request, about twice what the
// base saw at once when it was trained.
const maxPrompt = 100

// inContext puts answered samples before the request, as many as fit.
func (x *experiment) inContext(_ *user, samples []request) (answerer, error) {
	var prompt []int
	for _, s := range samples {
		if pair := x.vocab.answered(s, s.intent); len(prompt)+len(pair) <= maxPrompt {
			prompt = append(prompt, pair...)
		}
	}
	return func(r request) []float64 {
		return x.lastNames(x.base.Logits(append(slices.Clone(prompt), r.question()...), nil))
	}, nil
}

// A combiner makes one adapter of several.
type combiner func(name string, adapters []*blend.Adapter, weights []float64) (*blend.Adapter, error)

// query is the user's embedding: what the device compares with the keys.
func (x *experiment) query(f *train.Fit, samples []request) ([]float32, error) {
	var points [][]float32
	for _, s := range samples {
		points = append(points, x.base.Query(s.words, train.Recipe{}))
	}
	return f.Keys.Query(points)
}

// byScores makes a user's adapter from a pool by weights found from the scores.
func (x *experiment) byScores(name string, f *train.Fit, combine combiner, weigh func(scores []float64) ([]float64, error)) method {
	return method{name: name, make: func(_ *user, samples []request) (answerer, error) {
		q, err := x.query(f, samples)
		if err != nil {
			return nil, err
		}
		weights, err := weigh(f.Keys.Scores(q))
		if err != nil {
			return nil, err
		}
		a, err := combine("user", f.Adapters, weights)
		if err != nil {
			return nil, err
		}
		return x.with(a), nil
	}}
}

func (x *experiment) weighted(name string, f *train.Fit, w blend.Weighting, combine combiner) method {
	m := x.byScores(name, f, combine, w.Weights)
	m.fixed = w.Kind == blend.Uniform
	return m
}

func (x *experiment) soup(name string, f *train.Fit, combine combiner) method {
	return x.byScores(name, f, combine, func(scores []float64) ([]float64, error) { return baseline.AdapterSoup(scores, 2) })
}

// The bounds of LoRAHub's search: the paper's number of steps, and how many samples each
// step looks at.
const (
	hubEvals   = 40
	hubSamples = 10
)

// loraHub searches weights with the samples' answers.
func (x *experiment) loraHub(f *train.Fit) func(u *user, samples []request) (answerer, error) {
	return func(_ *user, samples []request) (answerer, error) {
		samples = samples[:min(len(samples), hubSamples)]
		loss := func(weights []float64) (float64, error) {
			a, err := blend.Factor("candidate", f.Adapters, weights)
			if err != nil {
				return 0, err
			}
			lora, sum := train.FromAdapter(x.base.Config, a), 0.0
			for _, s := range samples {
				sum += x.base.Loss(x.vocab.example(s), lora)
			}
			return sum / float64(len(samples)), nil
		}
		var r refine.Result
		r, err := baseline.LoRAHub(len(f.Adapters), loss, hubEvals, x.seed)
		if err != nil {
			return nil, err
		}
		a, err := blend.Factor("found", f.Adapters, r.Weights)
		if err != nil {
			return nil, err
		}
		return x.with(a), nil
	}
}

// perTask trains a LoRA on the samples and their answers.
func (x *experiment) perTask(_ *user, samples []request) (answerer, error) {
	var examples []train.Example
	var alpha [][]float64
	for _, s := range samples {
		examples, alpha = append(examples, x.vocab.example(s)), append(alpha, []float64{1})
	}
	p := train.NewPool(x.base.Config, 1, x.shape(x.Rank), x.seed)
	o := train.Options{Steps: x.TaskSteps, Batch: min(8, len(samples)), Rate: x.Rate, Seed: x.seed}
	if err := p.Joint(context.Background(), x.base, examples, alpha, o); err != nil {
		return nil, err
	}
	return x.names(x.base, p.Adapters[0]), nil
}

// arrowTopK is how many adapters Arrow mixes for one token.
const arrowTopK = 4

// arrow routes every token and map anew, by the adapters' own directions.
func (x *experiment) arrow(adapters []*blend.Adapter) answerer {
	prototypes := map[string][][]float32{}
	delta := func(layer, linear int, in, out []float64) {
		target := train.Target(layer, linear)
		v, ok := prototypes[target]
		if !ok {
			v = baseline.ArrowPrototypes(adapters, target)
			prototypes[target] = v
		}
		h := make([]float32, len(in))
		for i, s := range in {
			h[i] = float32(s)
		}
		weights, err := baseline.ArrowWeights(v, h, min(arrowTopK, len(adapters)))
		if err != nil {
			return // the arguments are ours
		}
		for n, w := range weights {
			addDelta(adapters[n].Pair(target), w, in, out)
		}
	}
	return func(r request) []float64 { return x.lastNames(x.base.LogitsRouted(r.question(), delta)) }
}

// addDelta adds weight·scaling·B·A·in to out.
func addDelta(p *blend.Pair, weight float64, in, out []float64) {
	if p == nil || weight == 0 {
		return
	}
	for k := range p.Rank {
		u := 0.0
		for i, v := range p.A[k*p.In : (k+1)*p.In] {
			u += float64(v) * in[i]
		}
		u *= weight * float64(p.Scaling)
		for o := range out {
			out[o] += float64(p.B[o*p.Rank+k]) * u
		}
	}
}
