package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"

	"pastel/wasm/protocol"
)

// runFlags are the flags of run.
type runFlags struct {
	engineFlags
	samplingFlags
	prompt  string
	n       int
	choices int
	stop    stringFlags
	schema  string
	chat    bool
	chatML  bool
	shift   bool
	kv      string
	json    bool
}

// samplingFlags choose the next token. Their defaults are those of engine/sample for
// what it calls off.
type samplingFlags struct {
	temp, topP, minP, typical   float64
	repeat, presence, frequency float64
	topK                        int
	seed                        int64
}

func (f *samplingFlags) register(fs *flag.FlagSet) {
	fs.Float64Var(&f.temp, "temp", 0.8, "temperature; 0 is greedy")
	fs.IntVar(&f.topK, "top-k", 40, "sample among the likeliest; 0 is off")
	fs.Float64Var(&f.topP, "top-p", 0.95, "sample among the likeliest that make up this much; 1 is off")
	fs.Float64Var(&f.minP, "min-p", 0, "drop what is less likely than this much of the likeliest; 0 is off")
	fs.Float64Var(&f.typical, "typical", 1, "sample among the most typical that make up this much; 1 is off")
	fs.Float64Var(&f.repeat, "repeat-penalty", 1, "divide the logits of the last 64 tokens; 1 is off")
	fs.Float64Var(&f.presence, "presence-penalty", 0, "lower the logits of tokens that came")
	fs.Float64Var(&f.frequency, "frequency-penalty", 0, "lower the logits of tokens, as often as they came")
	fs.Int64Var(&f.seed, "seed", -1, "seed of sampling; negative is a new one each time")
}

// check refuses numbers that choose nothing, NaN among them.
func (f *samplingFlags) check() error {
	if f.topK < 0 || f.repeat < 0 || !(f.temp >= 0 && f.temp <= math.MaxFloat32) {
		return usagef("--temp, --top-k and --repeat-penalty are not negative, and finite")
	}
	for _, share := range []float64{f.topP, f.minP, f.typical} {
		if !(share >= 0 && share <= 1) {
			return usagef("--top-p, --min-p and --typical are from 0 to 1, not %g", share)
		}
	}
	for _, penalty := range []float64{f.repeat, f.presence, f.frequency} {
		if !(math.Abs(penalty) <= math.MaxFloat32) {
			return usagef("penalties are finite, not %g", penalty)
		}
	}
	return nil
}

// maxSeed is the largest seed the protocol carries.
const maxSeed = 1<<53 - 1

func (f *samplingFlags) apply(m *protocol.Generate) {
	m.Temperature, m.TopK, m.TopP, m.MinP = float32(f.temp), count(f.topK), float32(f.topP), float32(f.minP)
	m.TypicalP, m.RepeatPenalty = float32(f.typical), float32(f.repeat)
	m.PresencePenalty, m.FrequencyPenalty = float32(f.presence), float32(f.frequency)
	m.Seed = uint64(f.seed) & maxSeed
	if f.seed < 0 {
		m.Seed = rand.Uint64() & maxSeed
	}
}

func (f *runFlags) parse(e env, args []string) (model string, err error) {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	f.registerModel(fs)
	f.samplingFlags.register(fs)
	fs.StringVar(&f.prompt, "p", "", "the prompt")
	fs.IntVar(&f.n, "n", 0, "the most tokens to generate; 0 is until a stop or the end of the context")
	fs.IntVar(&f.choices, "choices", 1, "how many answers to generate, with the seed and those that follow it; they are printed likeliest first")
	fs.Var(&f.stop, "stop", "end before this `TEXT`; may be repeated")
	fs.StringVar(&f.schema, "json-schema", "", "answer with JSON that a schema `FILE` allows, or \"json\" for any object")
	fs.BoolVar(&f.chat, "chat", false, "take the prompt for a user's message and write it down by the model's chat template")
	fs.BoolVar(&f.chatML, "chatml", false, "with --chat: use ChatML where the model has no template")
	fs.BoolVar(&f.shift, "shift", false, "when the context is full, forget its older half and go on")
	fs.StringVar(&f.kv, "kv", "", "cache type: F32, F16 or Q8_0; F32 for float32 models and F16 otherwise when not given")
	fs.BoolVar(&f.json, "json", false, "print one JSON object at the end")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return "", err
	}
	return positional[0], f.check()
}

func (f *runFlags) check() error {
	switch {
	case f.n < 0:
		return usagef("-n is not negative")
	case f.choices < 1 || f.choices > 1 && f.shift:
		return usagef("--choices is at least 1, and 1 with --shift")
	case f.chatML && !f.chat:
		return usagef("--chatml is for --chat")
	case f.shift && f.n == 0:
		return usagef("--shift without -n might never end")
	}
	return f.samplingFlags.check()
}

// request opens a session and builds the generation for it.
func (f *runFlags) request(ctx context.Context, o *opened) (*protocol.Generate, error) {
	format, err := f.format()
	if err != nil {
		return nil, err
	}
	prompt := f.prompt
	if f.chat {
		if prompt, err = f.render(ctx, o); err != nil {
			return nil, err
		}
	}
	session, err := o.OpenSession(ctx, &protocol.OpenSession{ContextLength: count(f.context), KVType: f.kv})
	if err != nil {
		return nil, err
	}
	m := &protocol.Generate{
		Session: session.Session, Prompt: prompt, AddSpecial: true, ParseSpecial: true, MaxTokens: count(f.n),
		Stop: f.stop, Adapters: o.adapters, Format: format, ShiftContext: f.shift,
	}
	f.apply(m)
	return m, nil
}

// format is what --json-schema asks for.
func (f *runFlags) format() (string, error) {
	if f.schema == "" || f.schema == "json" {
		return f.schema, nil
	}
	b, err := os.ReadFile(f.schema)
	if err == nil && len(bytes.TrimSpace(b)) == 0 { // no schema would be no constraint
		err = fmt.Errorf("pastel: schema %s is empty", f.schema)
	}
	return string(b), err
}

// render writes the prompt down as a conversation of one message.
func (f *runFlags) render(ctx context.Context, o *opened) (string, error) {
	messages, err := json.Marshal([]map[string]string{{"role": "user", "content": f.prompt}})
	if err != nil {
		return "", err
	}
	return o.Render(ctx, &protocol.Render{Messages: string(messages), AddGenerationPrompt: true, ChatML: f.chatML})
}
