package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"pastel/eval"
)

// evalFlags are the flags of eval.
type evalFlags struct {
	engineFlags
	model   string
	server  string
	method  string
	results string
	limit   int
	convert string
	quiet   bool
}

func (f *evalFlags) parse(e env, args []string) (tasks string, err error) {
	fs := flag.NewFlagSet("eval", flag.ContinueOnError)
	f.registerModel(fs)
	fs.StringVar(&f.model, "model", "", "the model on the device, a GGUF `FILE`")
	fs.StringVar(&f.server, "server", "", "hybrid mode: also ask this larger model, a GGUF `FILE`, and show accuracy against server use")
	fs.StringVar(&f.method, "score", "norm", `multiple choice by "loglik", "norm" (per byte) or "letter"`)
	fs.StringVar(&f.results, "results", "", "append every graded task to this `FILE`, and go on where it stops")
	fs.IntVar(&f.limit, "limit", 0, "grade only the first tasks; 0 is all")
	fs.StringVar(&f.convert, "convert", "", "grade nothing: print a file of this `FORMAT` as tasks: "+strings.Join(eval.Formats(), ", "))
	fs.BoolVar(&f.quiet, "quiet", false, "no progress bar")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return "", err
	}
	switch {
	case f.convert == "" && f.model == "":
		return "", usagef("--model is missing")
	case f.method != string(eval.LogLikelihood) && f.method != string(eval.Normalised) && f.method != string(eval.Letter):
		return "", usagef("--score %q is not loglik, norm or letter", f.method)
	case f.limit < 0:
		return "", usagef("--limit is not negative")
	}
	return positional[0], nil
}

// evalCommand grades the tasks of a file, or converts a file to tasks.
func evalCommand(ctx context.Context, e env, args []string) error {
	var f evalFlags
	path, err := f.parse(e, args)
	if err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if f.convert != "" {
		base := filepath.Base(path)
		tasks, err := eval.Convert(f.convert, in, strings.TrimSuffix(base, filepath.Ext(base)))
		if err != nil {
			return err
		}
		return eval.Write(e.stdout, tasks)
	}
	tasks, err := eval.Read(in)
	if err != nil {
		return err
	}
	if f.limit > 0 {
		tasks = tasks[:min(f.limit, len(tasks))]
	}
	return f.run(ctx, e, tasks)
}

// run loads the models, grades, and prints the tables.
func (f *evalFlags) run(ctx context.Context, e env, tasks []eval.Task) error {
	run := eval.Run{Method: eval.Method(f.method), Results: f.results}
	if !f.quiet {
		run.Progress = func(done, total, right int) { evalProgress(e.stderr, done, total, right) }
	}
	device, err := f.open(ctx, f.model)
	if err != nil {
		return err
	}
	defer device.close()
	if run.Device, err = eval.NewHostModel(ctx, device.Engine, device.adapters, f.context); err != nil {
		return err
	}
	if f.server != "" {
		alone := f.engineFlags
		alone.adapters = nil // the device's
		server, err := alone.open(ctx, f.server)
		if err != nil {
			return err
		}
		defer server.close()
		if run.Server, err = eval.NewHostModel(ctx, server.Engine, nil, f.context); err != nil {
			return err
		}
	}
	records, err := run.Do(ctx, tasks)
	if !f.quiet {
		fmt.Fprintln(e.stderr)
	}
	if err != nil {
		return err
	}
	return f.report(e.stdout, records)
}

func (f *evalFlags) report(w io.Writer, records []eval.Record) error {
	if _, err := io.WriteString(w, eval.Table(eval.Rows(records))); err != nil || f.server == "" {
		return err
	}
	curve, err := eval.Hybrid(records)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n"+curve)
	return err
}

// progressWidth is the bar's length in characters.
const progressWidth = 30

// evalProgress redraws one line.
func evalProgress(w io.Writer, done, total, right int) {
	full := progressWidth * done / total
	fmt.Fprintf(w, "\r[%s%s] %d/%d, %.1f%% right", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), done, total, 100*float64(right)/float64(done))
}
