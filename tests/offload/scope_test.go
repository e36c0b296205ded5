package offload

import (
	"math/rand/v2"
	"os"
	"testing"

	"pastel/engine"
	"pastel/engine/tokenizer"
	"pastel/eval/crayon"
	route "pastel/offload"
	"pastel/worker/suite"
)

// A placed text is a request with its domain and its embedding.
type placed struct {
	domain int
	at     []float32
}

// placeRequests embeds a few requests of each intent of CLINC150 that the pool was
// not trained on.
func placeRequests(t *testing.T, m *engine.Model) (all []placed) {
	t.Helper()
	f, err := os.Open("../../testdata/eval/intents.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	corpus, err := crayon.ReadCorpus(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(engine.SessionOptions{ContextLength: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for domain, intents := range corpus.Domains {
		for _, i := range intents {
			for _, text := range corpus.Intents[i].Held[:6] {
				q, err := s.Embed(m.Tokenizer().Encode(text, tokenizer.Options{}), engine.Recipe{})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, placed{domain, q})
			}
		}
	}
	return all
}

// Scope tells requests of a user's own domain from those of nine others, and tells it
// better measured from a mean, the pool's or that of many requests: the figures of
// RATIONALE.md. Both models have read stories for children only.
func TestScopeTellsDomains(t *testing.T) {
	small := placeRequests(t, loadReference(t, smallModel))
	big := placeRequests(t, loadReference(t, bigModel))
	var points [][]float32
	for _, p := range big {
		points = append(points, p.at)
	}
	_, trained := suite.TrainedPool(t)
	t.Run("stories260K, the pool's mean", func(t *testing.T) { tellDomains(t, small, trained.Keys.Mu) })
	t.Run("TinyStories-656K, the requests' mean", func(t *testing.T) { tellDomains(t, big, route.Center(points)) })
}

func tellDomains(t *testing.T, all []placed, mean []float32) {
	measured := map[string]float64{}
	const users = 40
	rng := rand.New(rand.NewPCG(1, 1))
	for u := range users {
		samples, inside, outside := split(rng, all, u%10, 10)
		for name, how := range map[string]struct {
			from   []float32
			signal route.Signal
		}{"scope from the mean": {mean, route.Scope}, "scope from nothing": {nil, route.Scope}, "nearest": {mean, route.Nearest}} {
			r := route.Region{Mean: how.from, Samples: samples}
			measured[name] += auroc(scores(r, how.signal, inside), scores(r, how.signal, outside)) / users
		}
	}
	for name, area := range measured {
		t.Logf("%s: area under the ROC curve %.3f", name, area)
	}
	if from, raw := measured["scope from the mean"], measured["scope from nothing"]; !(from > raw+0.02 && raw > 0.5) {
		t.Errorf("from the mean %.3f, from nothing %.3f", from, raw)
	}
}

// split takes a user's samples of one domain, the domain's other requests, and as
// many of other domains.
func split(rng *rand.Rand, all []placed, domain, n int) (samples [][]float32, inside, outside []placed) {
	for _, i := range rng.Perm(len(all)) {
		switch p := all[i]; {
		case p.domain == domain && len(samples) < n:
			samples = append(samples, p.at)
		case p.domain == domain:
			inside = append(inside, p)
		default:
			outside = append(outside, p)
		}
	}
	return samples, inside, outside[:len(inside)]
}

func scores(r route.Region, k route.Signal, requests []placed) []float64 {
	out := make([]float64, len(requests))
	for i, p := range requests {
		var s route.Signals
		r.Score(p.at, &s)
		out[i], _ = s.Get(k)
	}
	return out
}

// auroc is how often a request inside scores higher than one outside.
func auroc(inside, outside []float64) (area float64) {
	for _, a := range inside {
		for _, b := range outside {
			if a > b {
				area += 1 / float64(len(inside)*len(outside))
			}
		}
	}
	return area
}

func loadReference(t *testing.T, path string) *engine.Model {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := engine.NewLoader(engine.Reference(), uint64(len(raw)))
	if n, err := l.Write(0, raw); err != nil || n != len(raw) {
		t.Fatal(n, err)
	}
	m, err := l.Finish()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}
