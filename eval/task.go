package eval

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Task is one question with its right answer. Exactly one kind of answer is set:
// Choices (or Contexts) with Gold, Target, or neither for perplexity of Prompt.
type Task struct {
	ID     string `json:"id"`  // unique in a file
	Set    string `json:"set"` // the question set, a row of the table
	Prompt string `json:"prompt"`

	// Choices are continuations of Prompt, of which number Gold is right.
	Choices []string `json:"choices,omitempty"`
	Gold    int      `json:"gold"`

	// Contexts, in place of Choices, are rival beginnings of one sentence that
	// Continuation ends; Prompt is empty.
	Contexts     []string `json:"contexts,omitempty"`
	Continuation string   `json:"continuation,omitempty"`

	// Target is the answer to write, word for word.
	Target string `json:"target,omitempty"`
}

// A Kind is how a task is graded.
type Kind string

// The kinds.
const (
	Choice     Kind = "choice"
	Exact      Kind = "exact"
	Perplexity Kind = "perplexity"
)

// Kind returns how the task is graded.
func (t *Task) Kind() Kind {
	switch {
	case len(t.Choices) > 0 || len(t.Contexts) > 0:
		return Choice
	case t.Target != "":
		return Exact
	}
	return Perplexity
}

// options are the number of answers to choose from.
func (t *Task) options() int { return max(len(t.Choices), len(t.Contexts)) }

// check refuses tasks that cannot be graded.
func (t *Task) check() error {
	switch {
	case t.ID == "" || t.Set == "":
		return errors.New("a task without an id or a set")
	case len(t.Choices) > 0 && (len(t.Contexts) > 0 || t.Target != ""):
		return fmt.Errorf("task %s has several kinds of answers", t.ID)
	case t.Kind() == Choice && (t.options() < 2 || t.Gold < 0 || t.Gold >= t.options()):
		return fmt.Errorf("task %s: answer %d of %d", t.ID, t.Gold, t.options())
	case len(t.Contexts) > 0 && t.Continuation == "":
		return fmt.Errorf("task %s has contexts and no continuation", t.ID)
	case t.Kind() != Choice && strings.TrimSpace(t.Prompt) == "":
		return fmt.Errorf("task %s has no prompt", t.ID)
	}
	return nil
}

// maxLine bounds one task, in bytes.
const maxLine = 16 << 20

// Read reads tasks, one JSON object a line.
//
// Errors: the line's number with what is wrong with it.
func Read(r io.Reader) (tasks []Task, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	seen := map[string]bool{}
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var t Task
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("eval: line %d: %w", n, err)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("eval: line %d: %w", n, err)
		}
		if seen[t.ID] {
			return nil, fmt.Errorf("eval: line %d: task %s is there twice", n, t.ID)
		}
		seen[t.ID] = true
		tasks = append(tasks, t)
	}
	return tasks, lines.Err()
}

// Write writes tasks as Read reads them.
func Write(w io.Writer, tasks []Task) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, t := range tasks {
		if err := out.Encode(t); err != nil {
			return err
		}
	}
	return nil
}
