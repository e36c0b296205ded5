package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"pastel/wasm/protocol"
)

// runFlags are the flags of run.
type runFlags struct {
	engineFlags
	prompt string
	n      int
	temp   float64
	topK   int
	topP   float64
	minP   float64
	seed   int64
	json   bool
}

func (f *runFlags) parse(e env, args []string) (model string, err error) {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	f.registerModel(fs)
	fs.StringVar(&f.prompt, "p", "", "the prompt")
	fs.IntVar(&f.n, "n", 0, "the most tokens to generate; 0 is until a stop or the end of the context")
	fs.Float64Var(&f.temp, "temp", 0.8, "temperature; 0 is greedy")
	fs.IntVar(&f.topK, "top-k", 40, "sample among the likeliest; 0 is off")
	fs.Float64Var(&f.topP, "top-p", 0.95, "sample among the likeliest that make up this much; 1 is off")
	fs.Float64Var(&f.minP, "min-p", 0, "drop what is less likely than this much of the likeliest; 0 is off")
	fs.Int64Var(&f.seed, "seed", -1, "seed of sampling; negative is a new one each time")
	fs.BoolVar(&f.json, "json", false, "print one JSON object at the end")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return "", err
	}
	if f.n < 0 || f.temp < 0 || f.topK < 0 {
		return "", usagef("-n, --temp and --top-k are not negative")
	}
	return positional[0], nil
}

// maxSeed is the largest seed the protocol carries.
const maxSeed = 1<<53 - 1

func (f *runFlags) request(session uint32, adapters []protocol.Adapter) *protocol.Generate {
	seed := uint64(f.seed) & maxSeed
	if f.seed < 0 {
		seed = rand.Uint64() & maxSeed
	}
	return &protocol.Generate{
		Session: session, Prompt: f.prompt, AddSpecial: true, ParseSpecial: true, MaxTokens: uint32(f.n),
		Temperature: float32(f.temp), TopK: uint32(f.topK), TopP: float32(f.topP), MinP: float32(f.minP),
		Seed: seed, Adapters: adapters,
	}
}

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
	session, err := engine.OpenSession(ctx, f.context, "")
	if err != nil {
		return err
	}
	out := e.stdout
	if f.json {
		out = io.Discard
	}
	result, err := generate(ctx, engine, f.request(session.Session, engine.adapters), out)
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
