package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"

	"pastel/wasm/protocol"
	"pastel/worker"
)

// An answerer makes an engine the edge server's backend. Questions take turns:
// each has a session of its own for as long as it is answered, and waits for the
// one before, so that memory is bounded by one KV cache.
type answerer struct {
	engine  *opened
	context int
	turn    chan struct{} // holds one token
}

func newAnswerer(o *opened, context int) *answerer {
	return &answerer{o, context, make(chan struct{}, 1)}
}

// Answer implements worker.Answerer.
func (a *answerer) Answer(ctx context.Context, q worker.Question, emit func(text string) error) (out worker.Outcome, err error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return out, ctx.Err()
	}
	request, err := a.request(ctx, q)
	if err != nil {
		return out, err
	}
	session, err := a.engine.OpenSession(ctx, &protocol.OpenSession{ContextLength: count(a.context)})
	if err != nil {
		return out, err
	}
	defer func() {
		_, _ = a.engine.Call(context.WithoutCancel(ctx), &protocol.CloseSession{Session: session.Session})
	}()
	request.Session = session.Session
	done, err := a.engine.Generate(ctx, request, func(m protocol.Message) error {
		if c, ok := m.(*protocol.Chunk); ok && c.Text != "" {
			return emit(c.Text)
		}
		return nil
	})
	if err == nil && done.Text != "" {
		err = emit(done.Text)
	}
	if err != nil {
		return out, err
	}
	return worker.Outcome{Finish: done.FinishReason, PromptTokens: int(done.PromptTokens), CompletionTokens: int(done.CompletionTokens)}, nil
}

// request writes the conversation down by the model's chat template. A model
// without one continues the last message: it was never taught to chat.
func (a *answerer) request(ctx context.Context, q worker.Question) (*protocol.Generate, error) {
	prompt := q.Messages[len(q.Messages)-1].Content
	special := false
	if a.engine.info.ChatTemplate != "" {
		var err error
		if prompt, err = a.render(ctx, q.Messages); err != nil {
			return nil, err
		}
		special = true
	}
	seed := uint64(q.Seed) & maxSeed
	if q.Seed == 0 {
		seed = rand.Uint64() & maxSeed
	}
	return &protocol.Generate{
		Prompt: prompt, AddSpecial: true, ParseSpecial: special, MaxTokens: uint32(q.MaxTokens),
		Temperature: float32(q.Temperature), TopK: count(q.TopK), TopP: float32(q.TopP), MinP: float32(q.MinP), Seed: seed,
		RepeatPenalty: float32(q.RepeatPenalty), PresencePenalty: float32(q.PresencePenalty), FrequencyPenalty: float32(q.FrequencyPenalty),
		Stop: q.Stop, Format: q.Format, Adapters: a.engine.adapters,
	}, nil
}

func (a *answerer) render(ctx context.Context, messages []worker.ChatMessage) (string, error) {
	type wire struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	turns := make([]wire, len(messages))
	for i, m := range messages {
		turns[i] = wire(m)
	}
	raw, err := json.Marshal(turns)
	if err != nil {
		return "", err
	}
	return a.engine.Render(ctx, &protocol.Render{Messages: string(raw), AddGenerationPrompt: true})
}
