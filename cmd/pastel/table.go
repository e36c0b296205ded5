package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"pastel/eval/crayon"
)

// tableFlags are the flags of table.
type tableFlags struct {
	data, cache, out, svg string
	seeds                 int
	fresh, quiet          bool
}

// tableMark stands in the document where the tables begin; what is before stays.
const tableMark = "<!-- from here on written by `make table` -->\n"

// tableCommand measures Crayon and its rivals and rewrites the tables of a document.
// Seeds that were measured before with the same texts and sizes are taken from a file.
func tableCommand(ctx context.Context, e env, args []string) error {
	var f tableFlags
	set := flag.NewFlagSet("table", flag.ContinueOnError)
	set.StringVar(&f.data, "data", "testdata/eval/intents.jsonl.gz", "the requests, a `FILE` of gzipped JSON lines")
	set.StringVar(&f.cache, "cache", "docs/crayon-table.jsonl", "outcomes measured before, a `FILE`; new ones are appended")
	set.StringVar(&f.out, "out", "docs/crayon-table.md", "the document, a `FILE`; its text above the mark is kept")
	set.StringVar(&f.svg, "svg", "docs/crayon-hybrid.svg", "the hybrid curve, a `FILE`")
	set.IntVar(&f.seeds, "seeds", 5, "independent repeats, at least 2")
	set.BoolVar(&f.fresh, "fresh", false, "forget the outcomes and measure every seed again")
	set.BoolVar(&f.quiet, "quiet", false, "no progress bars")
	if _, err := parse(set, e, args, 0); err != nil {
		return err
	}
	if f.seeds < 2 {
		return usagef("intervals need at least 2 seeds")
	}
	return f.run(ctx, e, crayon.Default)
}

// run measures what is not known yet and writes the document.
func (f *tableFlags) run(ctx context.Context, e env, sizes crayon.Sizes) error {
	corpus, err := readCorpus(f.data)
	if err != nil {
		return err
	}
	known, err := f.known()
	if err != nil {
		return err
	}
	var runs []*crayon.Outcome
	for seed := uint64(1); seed <= uint64(f.seeds); seed++ {
		o := known[crayon.Digest(corpus, sizes, seed)]
		if o == nil {
			if o, err = f.measure(ctx, e, corpus, seed, sizes); err != nil {
				return err
			}
		}
		runs = append(runs, o)
	}
	if err := os.WriteFile(f.svg, crayon.Picture(runs), 0o644); err != nil {
		return err
	}
	return f.write(crayon.Report(runs, sizes))
}

func readCorpus(path string) (*crayon.Corpus, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return crayon.ReadCorpus(file)
}

// known are the outcomes of earlier runs.
func (f *tableFlags) known() (map[string]*crayon.Outcome, error) {
	if f.fresh {
		if err := os.Remove(f.cache); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	file, err := os.Open(f.cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return crayon.ReadOutcomes(file)
}

// measure runs one seed and appends its outcome to the cache.
func (f *tableFlags) measure(ctx context.Context, e env, c *crayon.Corpus, seed uint64, sizes crayon.Sizes) (*crayon.Outcome, error) {
	bars := map[string]func(int, int, float64){}
	progress := func(stage string, step, steps int, loss float64) {
		if bars[stage] == nil {
			bars[stage] = progressBar(e, fmt.Sprintf("seed %d, %s", seed, stage))
		}
		bars[stage](step, steps, loss)
	}
	if f.quiet {
		progress = nil
	}
	o, err := crayon.Run(ctx, c, seed, sizes, progress)
	if err != nil {
		return nil, err
	}
	line, err := o.Line()
	if err != nil {
		return nil, err
	}
	return o, appendFile(f.cache, line)
}

// appendFile adds whole lines to a file, after what an interruption may have cut off.
func appendFile(path string, line []byte) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	old, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(line, int64(strings.LastIndexByte(string(old), '\n')+1))
	return err
}

// write puts the tables below the mark of the document.
func (f *tableFlags) write(tables string) error {
	old, err := os.ReadFile(f.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	head, _, _ := strings.Cut(string(old), tableMark)
	return os.WriteFile(f.out, []byte(head+tableMark+"\n"+tables), 0o644)
}
