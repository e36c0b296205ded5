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
	FinishReason string   `json:"finish_reason"`
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
	fmt.Fprintln(e.stdout)
	_, err = fmt.Fprintf(e.stderr, "load %.0f ms, prefill %d tokens at %.1f tok/s, decode %d tokens at %.1f tok/s, finish: %s\n",
		result.Timings.LoadMs, result.PromptTokens, result.Timings.PrefillTokPS, len(result.Tokens), result.Timings.DecodeTokPS, result.FinishReason)
	return err
}

// generate runs a request, writing text to out as it comes.
func generate(ctx context.Context, engine *opened, request *protocol.Generate, out io.Writer) (*runResult, error) {
	result := &runResult{Tokens: []uint32{}}
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
		return write(c.Text)
	})
	if err != nil {
		return nil, err
	}
	err = write(done.Text)
	result.Text = text.String()
	result.PromptTokens = done.PromptTokens
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
