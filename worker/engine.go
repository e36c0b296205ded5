package worker

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"
)

// An Answerer is an engine in this process. It is the default backend of
// `pastel serve --model`. Implementations queue calls they cannot run at once.
type Answerer interface {
	// Answer generates and calls emit with each piece of text, in order.
	// It stops when ctx ends or emit returns an error, and returns that error.
	Answer(ctx context.Context, q Question, emit func(text string) error) (Outcome, error)
}

// An Outcome is how an answer ended.
type Outcome struct {
	Finish                         string // "stop" or "length"
	PromptTokens, CompletionTokens int
}

// Embedded makes an Answerer a Backend.
type Embedded struct {
	ID     string   // for logs and counters
	Serves []string // public ids
	Engine Answerer
}

// Name implements Backend.
func (e *Embedded) Name() string { return e.ID }

// Models implements Backend.
func (e *Embedded) Models() []string { return slices.Clone(e.Serves) }

// Chat implements Backend.
func (e *Embedded) Chat(ctx context.Context, c *Call) (Answer, error) {
	q, err := question(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &embeddedAnswer{
		chunks: make(chan []byte), ended: make(chan error, 1), cancel: cancel,
		head: chunkHead{ID: "chatcmpl-" + newID()[4:], Object: "chat.completion.chunk", Created: time.Now().Unix(), Model: c.Model},
	}
	if c.Stream {
		go a.run(ctx, e.Engine, q)
	} else {
		go a.runWhole(ctx, e.Engine, q)
	}
	return a, nil
}

// An embeddedAnswer turns text into OpenAI's objects.
type embeddedAnswer struct {
	chunks chan []byte
	ended  chan error // one value: io.EOF or why not
	cancel context.CancelFunc
	head   chunkHead
}

type chunkHead struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
}

func (a *embeddedAnswer) Next() ([]byte, error) {
	select {
	case data := <-a.chunks:
		return data, nil
	case err := <-a.ended:
		a.ended <- err
		return nil, err
	}
}

func (a *embeddedAnswer) Close() error {
	a.cancel()
	return nil
}

// delta is what a chunk adds.
type delta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

func (a *embeddedAnswer) run(ctx context.Context, engine Answerer, q Question) {
	send := func(choices []any, u any) error {
		data, _ := json.Marshal(struct {
			chunkHead
			Choices []any `json:"choices"`
			Usage   any   `json:"usage,omitempty"`
		}{a.head, choices, u})
		select {
		case a.chunks <- data:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	choice := func(d delta, finish any) []any {
		return []any{map[string]any{"index": 0, "delta": d, "finish_reason": finish}}
	}
	role := "assistant"
	outcome, err := engine.Answer(ctx, q, func(text string) error {
		d := delta{role, text}
		role = ""
		return send(choice(d, nil), nil)
	})
	if err == nil {
		err = send(choice(delta{role, ""}, outcome.Finish), nil)
	}
	if err == nil {
		err = send([]any{}, outcome.usage())
	}
	a.end(err)
}

func (a *embeddedAnswer) runWhole(ctx context.Context, engine Answerer, q Question) {
	var text []byte
	outcome, err := engine.Answer(ctx, q, func(piece string) error {
		text = append(text, piece...)
		return ctx.Err()
	})
	if err == nil {
		a.head.Object = "chat.completion"
		data, _ := json.Marshal(struct {
			chunkHead
			Choices []any `json:"choices"`
			Usage   any   `json:"usage"`
		}{a.head, []any{map[string]any{
			"index": 0, "message": delta{"assistant", string(text)}, "finish_reason": outcome.Finish,
		}}, outcome.usage()})
		select {
		case a.chunks <- data:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	a.end(err)
}

func (a *embeddedAnswer) end(err error) {
	if err == nil {
		err = io.EOF
	}
	a.ended <- err
}

func (o Outcome) usage() any {
	return map[string]int{"prompt_tokens": o.PromptTokens, "completion_tokens": o.CompletionTokens,
		"total_tokens": o.PromptTokens + o.CompletionTokens}
}
