package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pastel/blend"
	"pastel/blend/peft"
	"pastel/blend/pool"
	"pastel/blend/safetensors"
	"pastel/blend/train"
)

// A line is one training text of a data file, one JSON object a line.
type line struct {
	Prompt string `json:"prompt"` // what is known before the answer; may be empty
	Text   string `json:"text"`   // what is to be predicted
	Task   string `json:"task"`   // texts of one task share their blend weights; may be empty
}

// trainFlags are the flags of pool train.
type trainFlags struct {
	poolFlags
	train.Options
	data, mode, targets, checkpoint string
	adapters, rank                  int
	alpha                           float64
}

// parse returns the base model's path.
func (f *trainFlags) parse(e env, args []string) (string, error) {
	fs := flag.NewFlagSet("pool train", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&f.data, "data", "", "`FILE.jsonl` of {\"prompt\", \"text\", \"task\"}")
	fs.StringVar(&f.mode, "mode", string(train.Joint), "joint (each text through its own blend) or cluster (each adapter alone)")
	fs.IntVar(&f.adapters, "adapters", 8, "adapters in the pool")
	fs.IntVar(&f.rank, "rank", 8, "rank of each adapter")
	fs.Float64Var(&f.alpha, "alpha", 0, "lora_alpha; 0 means twice the rank")
	fs.StringVar(&f.targets, "targets", "all", "all linear maps, or a `LIST` such as attn_q,attn_v")
	fs.StringVar(&f.checkpoint, "checkpoint", "", "`FILE` to save the state to every 50 steps, and to resume from if it exists")
	fs.IntVar(&f.Steps, "steps", 300, "optimiser steps")
	fs.IntVar(&f.Batch, "batch", 16, "texts a step")
	fs.Float64Var(&f.Rate, "rate", 2e-3, "peak learning rate")
	fs.Uint64Var(&f.Seed, "seed", 1, "seed of everything drawn")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return "", err
	}
	if f.alpha == 0 {
		f.alpha = 2 * float64(f.rank)
	}
	return positional[0], f.check()
}

// check refuses numbers that no training can have.
func (f *trainFlags) check() error {
	switch {
	case f.Steps < 1 || f.Batch < 1 || f.adapters < 1:
		return usagef("--steps, --batch and --adapters are at least 1")
	case f.rank < 1 || f.rank > blend.MaxRank:
		return usagef("--rank %d is not in 1..%d", f.rank, blend.MaxRank)
	case !(f.Rate > 0 && f.Rate < math.Inf(1)) || !(f.alpha > 0 && f.alpha < math.Inf(1)):
		return usagef("--rate is a positive number, --alpha one or 0")
	}
	return f.poolFlags.check()
}

// poolTrain trains a pool on texts and writes it, and each adapter for PEFT.
func poolTrain(ctx context.Context, e env, args []string) error {
	var f trainFlags
	model, err := f.parse(e, args)
	if err != nil {
		return err
	}
	b, err := openBase(model)
	if err != nil {
		return err
	}
	fit, err := f.fit(ctx, e, b)
	if err != nil {
		return err
	}
	space := map[train.Mode]blend.Space{train.Joint: blend.FactorSpace, train.Cluster: blend.DeltaSpace}[train.Mode(f.mode)]
	spec := f.spec(pool.Base{Arch: "llama", Name: b.name, Digest: b.digest}, space, map[string]string{"data": f.source, "command": "pastel pool train " + strings.Join(args, " ")})
	spec.Examples = fit.Examples
	if err := b.writePEFT(filepath.Join(f.out, "peft"), fit.Adapters); err != nil {
		return err
	}
	files, err := pool.Build(spec, fit.Adapters, fit.Keys)
	if err != nil {
		return err
	}
	return f.write(e, files)
}

// fit trains, from the checkpoint if there is one.
func (f *trainFlags) fit(ctx context.Context, e env, b *poolBase) (*train.Fit, error) {
	texts, err := b.readTexts(f.data)
	if err != nil {
		return nil, err
	}
	linears, err := linearMaps(f.targets)
	if err != nil {
		return nil, err
	}
	if err := useCheckpoint(&f.Options, f.checkpoint); err != nil {
		return nil, err
	}
	f.Progress = progressBar(e, "training")
	spec := train.PoolSpec{Mode: train.Mode(f.mode), N: f.adapters, Weighting: f.weighting, Recipe: train.Recipe{Layer: f.embedding.Layer, Last: f.last},
		Shape: train.Shape{Linears: linears, Rank: f.rank, Scaling: f.alpha / float64(f.rank)}}
	return train.FitPool(ctx, b.Model, texts, spec, func(n int) string { return "adapter-" + strconv.Itoa(n) }, f.Options)
}

func (f *poolFlags) spec(base pool.Base, space blend.Space, provenance map[string]string) pool.Spec {
	return pool.Spec{Name: f.name, Licence: f.licence, Provenance: provenance, Space: space, Weighting: f.weighting,
		Base: base, Embedding: f.embedding}
}

// readTexts tokenizes a data file. The start and end tokens are the model's own;
// what is embedded is the prompt, or the text where there is no prompt.
func (b *poolBase) readTexts(path string) ([]train.Text, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var texts []train.Text
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		texts = append(texts, b.text(l))
	}
	return texts, scanner.Err()
}

func (b *poolBase) text(l line) train.Text {
	prompt, answer := b.encode(l.Prompt), b.encode(l.Text)
	t := train.Text{Task: l.Task, Embed: prompt, Tokens: []int{int(b.tok.BOS())}}
	if len(prompt) == 0 {
		t.Embed = answer
	}
	t.Tokens = append(t.Tokens, prompt...)
	t.From = len(t.Tokens)
	t.Tokens = append(append(t.Tokens, answer...), int(b.tok.EOS()))
	return t
}

// linearMaps reads a list of tensor names without layer.
func linearMaps(list string) ([]int, error) {
	if list == "all" {
		return []int{train.AttnQ, train.AttnK, train.AttnV, train.AttnOut, train.FFNGate, train.FFNUp, train.FFNDown}, nil
	}
	var out []int
	for name := range strings.SplitSeq(list, ",") {
		i := -1
		for k := train.AttnQ; k <= train.FFNDown; k++ {
			if train.Target(0, k) == "blk.0."+name+".weight" {
				i = k
			}
		}
		if i < 0 {
			return nil, usagef("%q is not a linear map of a llama block", name)
		}
		out = append(out, i)
	}
	return out, nil
}

// useCheckpoint resumes from path if it is there and saves to it from then on,
// through a file beside it so that an interruption leaves the old one whole.
func useCheckpoint(o *train.Options, path string) error {
	if path == "" {
		return nil
	}
	o.SaveEvery = 50
	o.Save = func(state []byte) error {
		if err := os.WriteFile(path+".new", state, 0o644); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	state, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	o.Resume = state
	return err
}

// progressBar returns a callback that keeps one line on standard error.
func progressBar(e env, what string) func(step, steps int, loss float64) {
	mean := 0.0
	return func(step, steps int, loss float64) {
		if mean == 0 {
			mean = loss
		}
		mean += (loss - mean) / 20
		const width = 30
		done := width * step / steps
		e.notef("\r%s [%s%s] %d/%d loss %.3f", what, strings.Repeat("#", done), strings.Repeat(".", width-done), step, steps, mean)
		if step == steps {
			e.notef("\n")
		}
	}
}

// writePEFT writes each adapter as a PEFT directory.
func (b *poolBase) writePEFT(dir string, adapters []*blend.Adapter) error {
	for _, a := range adapters {
		config, weights, err := peft.Write(a, b.peftBase(), b.name, safetensors.F32)
		if err != nil {
			return err
		}
		sub := filepath.Join(dir, a.Name)
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(sub, "adapter_config.json"), config, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(sub, "adapter_model.safetensors"), weights, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b *poolBase) peftBase() peft.Base {
	return peft.Base{Arch: "llama", NHeads: b.Heads, NKVHeads: b.KVHeads}
}
