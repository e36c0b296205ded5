package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pastel/bench"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	bench.Config
	threads   []int
	in        []string
	json      bool
	synthetic string
	typ       string
	svg       string
	save      string
	check     string
	serve     string
}

func (f *benchFlags) parse(e env, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	prompts := fs.String("prompt", "128,512", "prompt lengths in tokens")
	fs.IntVar(&f.Decode, "decode", 64, "tokens to decode after a prompt of 16")
	threads := fs.String("threads", "1,2", "numbers of threads")
	in := fs.String("in", "wazero,chromium", "where to run")
	fs.IntVar(&f.Repeats, "repeats", 3, "how often to measure; medians are shown")
	fs.BoolVar(&f.json, "json", false, "print one JSON object per line for each place and number of threads")
	fs.StringVar(&f.synthetic, "synthetic", "", "instead of MODEL, random weights in the `SHAPE` 135m, 0.5b or 1b")
	fs.StringVar(&f.typ, "type", "Q4_0", "the synthetic model's tensor type")
	fs.BoolVar(&f.Profile, "profile", false, "also show where the time goes (chromium)")
	fs.IntVar(&f.Rank, "lora", 0, "also measure what adapters of this `RANK` cost and what blending 8 of them takes (chromium)")
	fs.StringVar(&f.svg, "svg", "", "write the roofline picture to this `FILE`")
	fs.StringVar(&f.save, "save", "", "write the run's ratios to this `FILE`")
	fs.StringVar(&f.check, "check", "", "fail when a ratio is below that of this `FILE` by more than the noise band")
	fs.StringVar(&f.serve, "serve", "", "serve the page /bench at this `ADDRESS` for any browser, and measure nothing")
	fs.StringVar(&f.Web, "web", "web", "the repository's folder web (chromium)")
	positional, err := parseAny(fs, e, args)
	if err != nil {
		return err
	}
	if f.Decode < 1 || f.Repeats < 1 {
		return usagef("--decode and --repeats are at least 1")
	}
	if f.Prompts, err = intList(*prompts); err != nil {
		return err
	}
	if f.threads, err = intList(*threads); err != nil {
		return err
	}
	f.in = strings.Split(*in, ",")
	return f.model(positional)
}

// model settles which file to measure.
func (f *benchFlags) model(positional []string) (err error) {
	if len(positional) > 1 || (len(positional) == 1) == (f.synthetic != "") {
		return usagef("give either one model or --synthetic, not %q", positional)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	f.Scratch = filepath.Join(cache, "pastel", "synthetic")
	if f.synthetic == "" {
		f.Model = positional[0]
		return nil
	}
	f.Model, err = bench.Synthetic(f.Scratch, f.synthetic, f.typ)
	return err
}

// intList reads "1,2".
func intList(s string) (out []int, err error) {
	for field := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n <= 0 {
			return nil, usagef("%q is not a list of positive numbers", s)
		}
		out = append(out, n)
	}
	return out, nil
}

// benchCommand measures a model in every place with every number of threads.
func benchCommand(ctx context.Context, e env, args []string) error {
	var f benchFlags
	if err := f.parse(e, args); err != nil {
		return err
	}
	f.Cache = cacheDir()
	if f.serve != "" {
		return bench.Serve(ctx, f.serve, f.Config, func(url string) { e.printf("%s\n", url) })
	}
	results, err := f.measure(ctx, e)
	if err != nil {
		return err
	}
	if f.svg != "" {
		if err := os.WriteFile(f.svg, bench.Roofline(results), 0o644); err != nil {
			return err
		}
	}
	if !f.json {
		if _, err := io.WriteString(e.stdout, bench.Table(results)); err != nil {
			return err
		}
	}
	return f.ratios(bench.RatiosOf(results))
}

// ratios saves and checks a run's ratios.
func (f *benchFlags) ratios(now bench.Ratios) error {
	if f.save != "" {
		text, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.save, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if f.check == "" {
		return nil
	}
	text, err := os.ReadFile(f.check)
	if err != nil {
		return err
	}
	var committed bench.Ratios
	if err := json.Unmarshal(text, &committed); err != nil {
		return err
	}
	return now.Check(committed)
}

// measure runs the places in turn for each number of threads, so that a slow moment
// of the machine does not hit one place alone.
func (f *benchFlags) measure(ctx context.Context, e env) (results []*bench.Result, err error) {
	places := map[string]func(context.Context, bench.Config) (*bench.Result, error){"wazero": bench.Wazero, "chromium": bench.Chromium}
	for _, threads := range f.threads {
		for _, in := range f.in {
			run := places[in]
			if run == nil {
				return nil, usagef("--in %q: there are wazero and chromium", in)
			}
			f.Threads = threads
			r, err := run(ctx, f.Config)
			if err != nil {
				return nil, err
			}
			results = append(results, r)
			if err := f.print(e, r); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// print writes one result as soon as it is there, as JSON if that was asked for.
func (f *benchFlags) print(e env, r *bench.Result) error {
	if !f.json {
		e.notef("%s, %d threads: done\n", r.In, r.Threads)
		return nil
	}
	b, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", b)
	return err
}
