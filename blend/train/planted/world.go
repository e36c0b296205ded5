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
	nKeys       = 16
	nValues     = 8
	queryWords  = 3
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

// query draws a query of topic z and its answer: start, words, key, value.
func (w *world) query(rng *rand.Rand, z int) train.Example {
	tokens := []int{0}
	for range queryWords {
		word := rng.IntN(nWords)
		if rng.Float64() < ownShare {
			word = w.words[z*wordsPer+rng.IntN(wordsPer)]
		}
		tokens = append(tokens, firstWord+word)
	}
	k := rng.IntN(nKeys)
	tokens = append(tokens, firstKey+k, firstValue+w.answer[z][k])
	return train.Example{Tokens: tokens, From: len(tokens) - 1}
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
	ask := func() train.Example {
		if rng.Float64() < u.share {
			return w.query(rng, u.topics[0])
		}
		return w.query(rng, u.topics[1])
	}
	for range querySample {
		u.shown = append(u.shown, ask())
	}
	for range tests {
		u.tested = append(u.tested, ask())
	}
	return u
}
