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
	in      string
	web     string
	serve   string
	quiet   bool

	threshold, budget float64 // below 0: not asked for
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
	fs.StringVar(&f.in, "in", "wazero", "where to run: wazero (or --executor's choice), or the page /eval in chromium")
	fs.StringVar(&f.web, "web", "web", "the repository's folder web (chromium)")
	fs.StringVar(&f.serve, "serve", "", "serve the page /eval at this `ADDRESS` for any browser, and grade nothing")
	fs.Float64Var(&f.threshold, "threshold", -1, "hybrid mode: the `CONFIDENCE`, 0 to 1, below which a question goes to the server")
	fs.Float64Var(&f.budget, "budget", -1, "hybrid mode: the `SHARE` of questions, 0 to 1, that may go to the server")
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
	case f.in != "wazero" && f.in != "chromium":
		return "", usagef("--in %q: there are wazero and chromium", f.in)
	case f.server == "" && (f.threshold >= 0 || f.budget >= 0):
		return "", usagef("--threshold and --budget need --server")
	case !(f.threshold <= 1 && f.budget <= 1): // nor NaN
		return "", usagef("--threshold and --budget are a share from 0 to 1")
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
	if f.serve != "" {
		return f.page(path).Serve(ctx, f.serve, func(url string) { e.printf("%s\n", url) })
	}
	tasks, err := eval.Read(in)
	if err != nil {
		return err
	}
	if len(tasks) == 0 {
		return fmt.Errorf("eval: %s holds no task", path)
	}
	if f.limit > 0 {
		tasks = tasks[:min(f.limit, len(tasks))]
	}
	return f.run(ctx, e, path, tasks)
}

// page is what the page /eval is given.
func (f *evalFlags) page(tasks string) eval.Page {
	p := eval.Page{Web: f.web, Tasks: tasks, Model: f.model, Server: f.server, Threads: f.threads, Context: f.context}
	for _, a := range f.adapters {
		p.Adapters = append(p.Adapters, eval.PageAdapter{Path: a.path, Scale: a.scale})
	}
	return p
}

// run loads the models, grades, and prints the tables.
func (f *evalFlags) run(ctx context.Context, e env, path string, tasks []eval.Task) error {
	run := eval.Run{Method: eval.Method(f.method), Results: f.results}
	if !f.quiet {
		run.Progress = func(done, total, right int) { evalProgress(e, done, total, right) }
	}
	open := f.openHere
	if f.in == "chromium" {
		open = func(ctx context.Context, run *eval.Run) (func(), error) { return openTab(ctx, f.page(path), run) }
	}
	shut, err := open(ctx, &run)
	if err != nil {
		return err
	}
	defer shut()
	records, err := run.Do(ctx, tasks)
	if !f.quiet {
		e.notef("\n")
	}
	if err != nil {
		return err
	}
	return f.report(e.stdout, records)
}

// openHere loads the models in this process.
func (f *evalFlags) openHere(ctx context.Context, run *eval.Run) (shut func(), err error) {
	var engines []*opened
	shut = func() {
		for _, o := range engines {
			o.close()
		}
	}
	load := func(flags engineFlags, model string) (eval.Grader, error) {
		o, err := flags.open(ctx, model)
		if err != nil {
			return nil, err
		}
		engines = append(engines, o)
		m, err := eval.NewHostModel(ctx, o.Engine, o.adapters, f.context)
		return eval.On(m), err
	}
	run.Device, err = load(f.engineFlags, f.model)
	if err == nil && f.server != "" {
		alone := f.engineFlags
		alone.adapters = nil // the device's
		run.Server, err = load(alone, f.server)
	}
	if err != nil {
		shut()
		return nil, err
	}
	return shut, nil
}

// openTab loads the models in a page of Chromium.
func openTab(ctx context.Context, p eval.Page, run *eval.Run) (shut func(), err error) {
	tab, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	run.Device = tab.Device()
	if p.Server != "" {
		run.Server = tab.Server()
	}
	return tab.Close, nil
}

func (f *evalFlags) report(w io.Writer, records []eval.Record) error {
	if _, err := io.WriteString(w, eval.Table(eval.Rows(records))); err != nil || f.server == "" {
		return err
	}
	curve, err := eval.Hybrid(records)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n"+curve); err != nil {
		return err
	}
	return f.splits(w, records)
}

// splits prints what the chosen threshold or budget gives.
func (f *evalFlags) splits(w io.Writer, records []eval.Record) error {
	for _, chosen := range []struct {
		value float64
		split func([]eval.Record, float64) (eval.Split, error)
	}{{f.threshold, eval.SplitAt}, {f.budget, eval.SplitBudget}} {
		if chosen.value < 0 {
			continue
		}
		s, err := chosen.split(records, chosen.value)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"+s.Table()); err != nil {
			return err
		}
	}
	return nil
}

// progressWidth is the bar's length in characters.
const progressWidth = 30

// evalProgress redraws one line on standard error.
func evalProgress(e env, done, total, right int) {
	full := progressWidth * done / total
	e.notef("\r[%s%s] %d/%d, %.1f%% right", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), done, total, 100*float64(right)/float64(done))
}
