package crayon

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"

	"pastel/blend/train"
)

// The tokens before the words: the start of a request, the mark after which its
// intent's name follows, and every word that is not in the vocabulary.
const (
	startToken = iota
	markToken
	otherToken
	firstWord
)

// A vocabulary has a token for each frequent word and one for each intent's name.
type vocabulary struct {
	words     map[string]int
	firstName int
	names     int // intents, and the one name for requests outside them
}

// newVocabulary takes the n most frequent words of the training texts, equals in the
// order of the alphabet.
func newVocabulary(c *Corpus, n int) *vocabulary {
	count := map[string]int{}
	for _, i := range c.Intents {
		for _, text := range i.Train {
			for _, w := range split(text) {
				count[w]++
			}
		}
	}
	byCount := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(count[b]-count[a], strings.Compare(a, b))
	})
	v := &vocabulary{words: map[string]int{}, names: len(c.Intents) + 1}
	for i, w := range byCount[:min(n, len(byCount))] {
		v.words[w] = firstWord + i
	}
	v.firstName = firstWord + len(v.words)
	return v
}

// size is the number of tokens.
func (v *vocabulary) size() int { return v.firstName + v.names }

// split returns the words of a text in lower case.
func split(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
}

// A request is one text and its intent.
type request struct {
	words  []int // tokens; never empty
	intent int
}

func (v *vocabulary) request(text string, intent int) request {
	r := request{intent: intent}
	for _, w := range split(text) {
		id, ok := v.words[w]
		if !ok {
			id = otherToken
		}
		r.words = append(r.words, id)
	}
	if len(r.words) == 0 {
		r.words = []int{otherToken}
	}
	return r
}

// question is what the model sees before the name: start, words, mark.
func (r request) question() []int {
	return append(append([]int{startToken}, r.words...), markToken)
}

// answered is the question with a name after it.
func (v *vocabulary) answered(r request, name int) []int {
	return append(r.question(), v.firstName+name)
}

// example is a request whose name is to be predicted.
func (v *vocabulary) example(r request) train.Example {
	tokens := v.answered(r, r.intent)
	return train.Example{Tokens: tokens, From: len(tokens) - 1}
}
