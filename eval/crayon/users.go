package crayon

import (
	"math/rand/v2"
	"slices"
)

// shown is how many of an intent's held-out texts, after shuffling, users may show as
// samples; they are tested with the others.
const shownShare = 0.7

// A user asks about two or three intents of one domain, each with a share.
type user struct {
	domain  int
	intents []int
	share   []float64
	samples []request // what the user may show, in the order of showing
	tests   []request // customised requests nobody trained on
	stream  []request // tests and requests outside every domain, mixed
}

// draw picks two or three intents of a domain and their shares.
func draw(rng *rand.Rand, c *Corpus, domain int) user {
	own := c.Domains[domain]
	u := user{domain: domain}
	n := min(2+rng.IntN(2), len(own))
	for _, i := range rng.Perm(len(own))[:n] {
		u.intents = append(u.intents, own[i])
		u.share = append(u.share, 0.5+rng.Float64())
	}
	return u
}

// pick draws one of the user's intents by its share.
func (u *user) pick(rng *rand.Rand) int {
	total := 0.0
	for _, s := range u.share {
		total += s
	}
	x := rng.Float64() * total
	for i, s := range u.share {
		if x -= s; x < 0 {
			return i
		}
	}
	return len(u.share) - 1
}

// take draws up to n requests, none twice, from each intent's texts.
func (u *user) take(rng *rand.Rand, n int, texts func(intent int) []request) (out []request) {
	left := make([][]request, len(u.intents))
	rest := 0
	for i, intent := range u.intents {
		left[i] = slices.Clone(texts(intent))
		rng.Shuffle(len(left[i]), func(a, b int) { left[i][a], left[i][b] = left[i][b], left[i][a] })
		rest += len(left[i])
	}
	for n = min(n, rest); len(out) < n; {
		i := u.pick(rng)
		if len(left[i]) > 0 {
			out = append(out, left[i][0])
			left[i] = left[i][1:]
		}
	}
	return out
}

// users draws the users of a seed, the domains in turn.
func (x *experiment) users(rng *rand.Rand) (out []user) {
	held := make([][]request, len(x.corpus.Intents)) // shuffled once: samples first, tests behind
	for i, intent := range x.corpus.Intents {
		held[i] = x.requests(intent.Held, i)
		rng.Shuffle(len(held[i]), func(a, b int) { held[i][a], held[i][b] = held[i][b], held[i][a] })
	}
	border := func(i int) int { return int(shownShare * float64(len(held[i]))) }
	outside := x.requests(x.corpus.Outside.Held, x.corpus.outside())
	for n := range x.Users {
		u := draw(rng, x.corpus, n%len(x.corpus.Domains))
		u.samples = u.take(rng, slices.Max(x.Samples), func(i int) []request { return held[i][:border(i)] })
		u.tests = u.take(rng, x.Tests, func(i int) []request { return held[i][border(i):] })
		u.stream = slices.Clone(u.tests)
		for range x.Strangers {
			u.stream = append(u.stream, outside[rng.IntN(len(outside))])
		}
		rng.Shuffle(len(u.stream), func(a, b int) { u.stream[a], u.stream[b] = u.stream[b], u.stream[a] })
		out = append(out, u)
	}
	return out
}

func (x *experiment) requests(texts []string, intent int) (out []request) {
	for _, t := range texts {
		out = append(out, x.vocab.request(t, intent))
	}
	return out
}
