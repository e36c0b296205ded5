package bench

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table prints results as aligned text, one line each, and profiles below.
func Table(results []*Result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, err := w.Write(rows(results))
	if err = errors.Join(err, w.Flush()); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	for _, r := range results {
		r.writeBelow(&b)
	}
	return b.String()
}

// rows are the lines of the table, tabs between their cells.
func rows(results []*Result) []byte {
	b := []byte("in\texecutor\tthreads\tload s (warm)\tMB/s\t")
	for _, p := range results[0].Prefill {
		b = fmt.Appendf(b, "prefill %d tok/s\tof dot\t", p.Tokens)
	}
	b = append(b, "TTFT ms\tdecode tok/s\tof read\tpeak MB\n"...)
	for _, r := range results {
		b = fmt.Appendf(b, "%s\t%s\t%d\t%s\t%.0f\t", r.In, r.Executor, r.Threads, loadTimes(r), r.LoadBytesPS/1e6)
		for _, p := range r.Prefill {
			b = fmt.Appendf(b, "%s\t%s\t", p.TokPS, percent(r.DotShare(p)))
		}
		b = fmt.Appendf(b, "%s\t%s\t%s\t%.0f\n", r.Prefill[0].TTFTms, r.Decode, percent(r.ReadShare()), float64(r.PeakBytes)/1e6)
	}
	return b
}

func loadTimes(r *Result) string {
	if r.WarmLoadMs == 0 {
		return fmt.Sprintf("%.2f", r.LoadMs/1e3)
	}
	return fmt.Sprintf("%.2f (%.2f)", r.LoadMs/1e3, r.WarmLoadMs/1e3)
}

func percent(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*x)
}

// writeBelow prints limits and profile.
func (r *Result) writeBelow(b *strings.Builder) {
	if l := r.Limits; l != nil {
		fmt.Fprintf(b, "\n%s, %d threads: reads %.1f GB/s, dot %.0f Gmac/s\n", r.In, r.Threads, l.ReadGBps, l.DotGmacs)
	}
	if r.Adapters != nil {
		r.Adapters.write(b)
	}
	p := r.Profile
	if p == nil {
		return
	}
	fmt.Fprintf(b, "outside the kernels: %.1f%% of a decoded token\n", 100*p.OutsideKernels)
	writeOps(b, "decoded token", p.Decode)
	writeOps(b, fmt.Sprintf("prefill of %d tokens", p.PrefillTokens), p.Prefill)
}

func writeOps(b *strings.Builder, title string, ops []OpTime) {
	total := 0.0
	for _, op := range ops {
		total += op.Ms
	}
	fmt.Fprintf(b, "%s, one operation at a time: %.2f ms\n", title, total)
	for _, op := range ops {
		fmt.Fprintf(b, "  %-14s%6.0f calls %9.3f ms %4.0f%%\n", op.Op, op.Calls, op.Ms, 100*op.Ms/total)
	}
}
