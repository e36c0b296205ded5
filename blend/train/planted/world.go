package planted

import (
	"math/rand/v2"

	"pastel/blend/train"
)

// The vocabulary: one start token, then words, keys and values.
const (
	nTopics     = 8
	wordsPer    = 6 // words that a topic favours
	nWords      = nTopics * wordsPer
	nKeys       = 8
	nValues     = 8
	queryWords  = 6
	ownShare    = 0.6 // how often a word of a query is of the query's topic
	firstWord   = 1
	firstKey    = firstWord + nWords
	firstValue  = firstKey + nKeys
	vocabSize   = firstValue + nValues
	querySample = 10 // queries a user shows
)

// A world has topics, each with its favoured words and its own secret answer to
// every key. A query is some words and a key; its answer depends on the topic,
// which only the words betray, and not always.
type world struct {
	answer [nTopics][nKeys]int
	words  []int // a permutation: topic z favours words[z·wordsPer …]
}

func newWorld(rng *rand.Rand) *world {
	w := &world{words: rng.Perm(nWords)}
	for z := range w.answer {
		for k := range nKeys {
			v := rng.IntN(nValues)
			w.answer[z][k] = v
		}
	}
	return w
}

// query draws a query of a user and its answer: start, words, key, value. Each
// word and the answer choose their topic by themselves.
func (w *world) query(rng *rand.Rand, u *user) train.Example {
	tokens := []int{0}
	for range queryWords {
		word := rng.IntN(nWords)
		if rng.Float64() < ownShare {
			word = w.words[u.topic(rng)*wordsPer+rng.IntN(wordsPer)]
		}
		tokens = append(tokens, firstWord+word)
	}
	k := rng.IntN(nKeys)
	tokens = append(tokens, firstKey+k, firstValue+w.answer[u.topic(rng)][k])
	return train.Example{Tokens: tokens, From: len(tokens) - 1}
}

func (u *user) topic(rng *rand.Rand) int {
	if rng.Float64() < u.share {
		return u.topics[0]
	}
	return u.topics[1]
}

// question is what of an example is known before the answer.
func question(e train.Example) []int { return e.Tokens[:e.From] }

// A user asks about two topics, one more often than the other.
type user struct {
	topics [2]int
	share  float64         // of the first topic
	shown  []train.Example // whose answers nobody looks at
	tested []train.Example
}

func (w *world) user(rng *rand.Rand, tests int) user {
	p := rng.Perm(nTopics)
	u := user{topics: [2]int{p[0], p[1]}, share: 0.5 + 0.2*rng.Float64()}
	for range querySample {
		u.shown = append(u.shown, w.query(rng, &u))
	}
	for range tests {
		u.tested = append(u.tested, w.query(rng, &u))
	}
	return u
}
