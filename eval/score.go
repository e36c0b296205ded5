package eval

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode"
)

// A Model is what tasks are put to.
type Model interface {
	// LogProbs returns the natural logarithm of the probability of each token of
	// continuation after prompt, and the log-probabilities of the same text's tokens are
	// those of the whole text's. An empty prompt leaves out the first token.
	LogProbs(ctx context.Context, prompt, continuation string) ([]float64, error)
	// Complete continues prompt greedily until one of the stops, and returns with the
	// text the log-probability of each token.
	Complete(ctx context.Context, prompt string, maxTokens int, stops []string) (string, []float64, error)
}

// A Method is how multiple choice is scored.
type Method string

// The methods.
const (
	LogLikelihood Method = "loglik" // the likeliest continuation
	Normalised    Method = "norm"   // the likeliest per byte: long answers are not at a loss
	Letter        Method = "letter" // options are listed as A, B, …; the likeliest letter
)

// An Answer is what one model made of one task.
type Answer struct {
	Choice     int     `json:"choice"`           // multiple choice: what it chose, -1 otherwise
	Text       string  `json:"text,omitempty"`   // exact match: what it wrote
	Right      bool    `json:"right"`            // never for perplexity
	Confidence float64 `json:"confidence"`       // probability of the best option, or the geometric mean over the text's tokens
	NLL        float64 `json:"nll,omitempty"`    // perplexity: sum of -log p
	Tokens     int     `json:"tokens,omitempty"` // perplexity: how many
}

// exactTokens bounds a written answer.
const exactTokens = 48

// Grade puts a task to a model.
//
// Errors: the model's.
func Grade(ctx context.Context, m Model, t *Task, method Method) (Answer, error) {
	switch t.Kind() {
	case Choice:
		return choose(ctx, m, t, method)
	case Exact:
		return write(ctx, m, t)
	}
	logs, err := m.LogProbs(ctx, "", t.Prompt)
	return Answer{Choice: -1, NLL: -sum(logs), Tokens: len(logs)}, err
}

// choose takes the option of the best score, the first of equals.
func choose(ctx context.Context, m Model, t *Task, method Method) (Answer, error) {
	scores, err := Scores(ctx, m, t, method)
	if err != nil {
		return Answer{}, err
	}
	best, p := softmaxBest(scores)
	return Answer{Choice: best, Right: best == t.Gold, Confidence: p}, nil
}

// Scores are the log-likelihoods of a task's options by a method.
//
// Shapes: the result [options].
// Errors: the model's.
func Scores(ctx context.Context, m Model, t *Task, method Method) ([]float64, error) {
	scores := make([]float64, t.options())
	for i := range scores {
		prompt, continuation := t.option(i, method)
		logs, err := m.LogProbs(ctx, prompt, continuation)
		if err != nil {
			return nil, err
		}
		scores[i] = sum(logs)
		if method == Normalised {
			scores[i] /= float64(max(len(strings.TrimSpace(continuation)), 1))
		}
	}
	return scores, nil
}

// option returns the texts whose likelihood scores option i.
func (t *Task) option(i int, method Method) (prompt, continuation string) {
	switch {
	case len(t.Contexts) > 0:
		return t.Contexts[i], spaced(t.Continuation)
	case method == Letter:
		return t.listed(), " " + letter(i)
	}
	return t.Prompt, spaced(t.Choices[i])
}

// listed is the prompt followed by its options under letters.
func (t *Task) listed() string {
	var b strings.Builder
	b.WriteString(strings.TrimRight(t.Prompt, " \n"))
	for i, c := range t.Choices {
		fmt.Fprintf(&b, "\n%s. %s", letter(i), strings.TrimSpace(c))
	}
	b.WriteString("\nAnswer:")
	return b.String()
}

func letter(i int) string { return string(rune('A' + i)) }

// spaced puts the space that separates words in front: tokenizers keep it with the word.
func spaced(s string) string {
	if strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") {
		return s
	}
	return " " + s
}

// write lets the model answer up to the end of the line.
func write(ctx context.Context, m Model, t *Task) (Answer, error) {
	text, logs, err := m.Complete(ctx, t.Prompt, exactTokens, []string{"\n"})
	a := Answer{Choice: -1, Text: text, Right: plain(text) == plain(t.Target)}
	if len(logs) > 0 {
		a.Confidence = math.Exp(sum(logs) / float64(len(logs)))
	}
	return a, err
}

// plain is text as exact match compares it: lower case, letters and digits and what
// joins them, single spaces.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPunct(r) && !strings.ContainsRune("-()[]{}<>/", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

// softmaxBest returns the index of the largest score, the first of equals, and its
// share after softmax. NaN is never best.
func softmaxBest(scores []float64) (best int, share float64) {
	for i, s := range scores {
		if s > scores[best] || math.IsNaN(scores[best]) {
			best = i
		}
	}
	total := 0.0
	for _, s := range scores {
		total += math.Exp(s - scores[best])
	}
	return best, 1 / total
}
