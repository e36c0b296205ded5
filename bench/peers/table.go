package main

import (
	"fmt"
	"strings"

	"pastel/bench"
)

// figures are one engine's pooled repeats of all rounds.
type figures struct {
	prefill map[int][]float64 // tokens/s by prompt length
	decode  []float64
	load    []float64 // seconds
	peak    []float64 // MB
	name    string
	version string
	err     string
}

func (f *figures) add(e entry) {
	if e.Error != "" {
		f.err = e.Error
		return
	}
	f.name, f.version = e.Page.Executor, e.Page.Version
	if e.Engine == "pastel" {
		f.name, f.version = "Pastel", e.Page.Executor
	}
	for _, p := range e.Page.PrefillMs {
		for _, ms := range p.Ms {
			f.prefill[p.Tokens] = append(f.prefill[p.Tokens], float64(p.Tokens)/ms*1e3)
		}
	}
	f.decode = append(f.decode, e.Page.DecodeTokPS...)
	f.load = append(f.load, e.Page.LoadMs/1e3)
	f.peak = append(f.peak, float64(e.Peak)/1e6)
}

// summary is one run on a line.
func (e entry) summary() string {
	f := figures{prefill: map[int][]float64{}}
	f.add(e)
	if f.err != "" {
		return "failed: " + f.err
	}
	var b strings.Builder
	for _, p := range e.Page.PrefillMs {
		fmt.Fprintf(&b, "prefill %d %s, ", p.Tokens, bench.StatOf(f.prefill[p.Tokens]))
	}
	fmt.Fprintf(&b, "decode %s tok/s, load %.2f s, %.0f MB, machine load %s", bench.StatOf(f.decode), f.load[0], f.peak[0], e.Load)
	return b.String()
}

// table prints a contest in Markdown: medians with ranges, and how many times faster
// Pastel's median is.
func table(c contest, engines []string, entries []entry) string {
	all := map[string]*figures{}
	for _, name := range engines {
		all[name] = &figures{prefill: map[int][]float64{}, name: name}
	}
	var lengths []int
	for _, e := range entries {
		all[e.Engine].add(e)
		if e.Error == "" && lengths == nil {
			for _, p := range e.Page.PrefillMs {
				lengths = append(lengths, p.Tokens)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n| engine |", c)
	for _, n := range lengths {
		fmt.Fprintf(&b, " prefill %d tok/s | × |", n)
	}
	b.WriteString(" decode tok/s | × | load s | renderer MB |\n|---|")
	b.WriteString(strings.Repeat("---|", 2*len(lengths)+4) + "\n")
	for _, name := range engines {
		all[name].row(&b, lengths, all["pastel"])
	}
	return b.String()
}

func (f *figures) row(b *strings.Builder, lengths []int, pastel *figures) {
	name := f.name
	if f.version != "" {
		name += " (" + f.version + ")"
	}
	if f.decode == nil {
		fmt.Fprintf(b, "| %s | failed: %.120s |\n", name, f.err)
		return
	}
	fmt.Fprintf(b, "| %s |", name)
	for _, n := range lengths {
		fmt.Fprintf(b, " %s | %s |", bench.StatOf(f.prefill[n]), times(pastel, func(p *figures) []float64 { return p.prefill[n] }, f))
	}
	fmt.Fprintf(b, " %s | %s | %s | %s |\n", bench.StatOf(f.decode), times(pastel, func(p *figures) []float64 { return p.decode }, f),
		bench.StatOf(f.load), bench.StatOf(f.peak))
}

// times is how many times faster Pastel is.
func times(pastel *figures, of func(*figures) []float64, f *figures) string {
	if pastel == nil || pastel == f || len(of(pastel)) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", bench.StatOf(of(pastel)).Median/bench.StatOf(of(f)).Median)
}
