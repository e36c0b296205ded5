package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"pastel/wasm/protocol"
)

// A runResult is what --json prints.
type runResult struct {
	Text         string   `json:"text"`
	Tokens       []uint32 `json:"tokens"`
	PromptTokens uint32   `json:"prompt_tokens"`
	CachedTokens uint32   `json:"cached_tokens,omitempty"` // of the prompt, those that were there already
	FinishReason string   `json:"finish_reason"`
	Seed         uint64   `json:"seed,omitempty"`
	Logprob      float64  `json:"logprob,omitempty"` // mean of the tokens', with --choices
	Timings      timings  `json:"timings"`
}

type timings struct {
	LoadMs       float64 `json:"load_ms"`
	PrefillTokPS float64 `json:"prefill_tok_s"`
	DecodeTokPS  float64 `json:"decode_tok_s"`
}

func runCommand(ctx context.Context, e env, args []string) error {
	var f runFlags
	model, err := f.parse(e, args)
	if err != nil {
		return err
	}
	engine, err := f.open(ctx, model)
	if err != nil {
		return err
	}
	defer engine.close()
	request, err := f.request(ctx, engine)
	if err != nil {
		return err
	}
	if f.choices > 1 {
		return f.printChoices(ctx, e, engine, request)
	}
	out := e.stdout
	if f.json {
		out = io.Discard
	}
	result, err := generate(ctx, engine, request, out)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(e.stdout).Encode(result)
	}
	e.printf("\n")
	e.notef("load %.0f ms, prefill %d tokens at %.1f tok/s, decode %d tokens at %.1f tok/s, finish: %s\n",
		result.Timings.LoadMs, result.PromptTokens, result.Timings.PrefillTokPS, len(result.Tokens), result.Timings.DecodeTokPS, result.FinishReason)
	return nil
}

// printChoices prints several answers, the likeliest first.
func (f *runFlags) printChoices(ctx context.Context, e env, engine *opened, request *protocol.Generate) error {
	all, err := choices(ctx, engine, request, f.choices)
	if err != nil {
		return err
	}
	for _, r := range all {
		if f.json {
			err = json.NewEncoder(e.stdout).Encode(r)
		} else {
			_, err = fmt.Fprintf(e.stdout, "# seed %d, mean log-probability %.3f, finish: %s\n%s\n\n", r.Seed, r.Logprob, r.FinishReason, r.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// generate runs a request, writing text to out as it comes.
func generate(ctx context.Context, engine *opened, request *protocol.Generate, out io.Writer) (*runResult, error) {
	result := &runResult{Tokens: []uint32{}, Seed: request.Seed}
	var text strings.Builder
	write := func(s string) error {
		text.WriteString(s)
		_, err := io.WriteString(out, s)
		return err
	}
	done, err := engine.Generate(ctx, request, func(m protocol.Message) error {
		c, ok := m.(*protocol.Chunk)
		if !ok {
			return nil
		}
		result.Tokens = append(result.Tokens, c.Token)
		result.Logprob += float64(c.Logprob)
		return write(c.Text)
	})
	if err != nil {
		return nil, err
	}
	err = write(done.Text)
	result.Text = text.String()
	result.Logprob /= float64(max(1, len(result.Tokens)))
	result.PromptTokens, result.CachedTokens = done.PromptTokens, done.CachedTokens
	result.FinishReason = done.FinishReason
	result.Timings = timings{
		LoadMs:       float64(engine.loadTime.Microseconds()) / 1e3,
		PrefillTokPS: perSecond(done.PromptTokens-done.CachedTokens, done.PrefillMs),
		DecodeTokPS:  perSecond(max(done.CompletionTokens, 1)-1, done.DecodeMs), // the first token comes of prefill
	}
	return result, err
}

// perSecond is n events in ms milliseconds as a rate, and 0 when there is nothing to divide.
func perSecond(n uint32, ms float64) float64 {
	if n == 0 || ms <= 0 {
		return 0
	}
	return float64(n) / ms * 1e3
}
