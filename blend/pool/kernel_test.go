package pool

import (
	"slices"
	"testing"

	"pastel/kernels"
	"pastel/kernels/lab"
	"pastel/kernels/program"
)

// oneB is the number of factor values of one adapter of rank 16 on every linear
// map of the 1B shape: dim 2048, ffn 8192, kv dim 512, 16 layers.
const oneB = 16 * 16 * (2*(2048+2048) + 2*(2048+512) + 3*(2048+8192))

// BenchmarkBlendKernel blends 8 adapters of the 1B shape in Chromium, one thread,
// by the tape that a Kernel runs: chunk after chunk, so that sums stay in the cache.
func BenchmarkBlendKernel(b *testing.B) {
	const adapters, step = 8, 16384
	mem := new(kernels.Memory)
	contest := &lab.Contest{Mem: mem, Rounds: 5, MinMs: 1}
	alloc := func(n int, fill bool) kernels.Addr {
		a, err := mem.Alloc(n)
		if err != nil {
			b.Fatal(err)
		}
		contest.Spans = append(contest.Spans, lab.Span{Addr: a, Bytes: n, Fill: fill})
		return a
	}
	dst, src := alloc(4*oneB, true), alloc(2*oneB*adapters, true)
	ops := (oneB + step - 1) / step * adapters
	tape, err := kernels.NewTape(mem, ops)
	if err != nil {
		b.Fatal(err)
	}
	contest.Spans = append(contest.Spans, lab.Span{Addr: tape.Addr(), Bytes: ops * kernels.OpWords * 4})
	for at := 0; at < oneB; at += step {
		for n := range adapters {
			op := kernels.Axpy{Dst: dst + kernels.Addr(4*at), Src: src + kernels.Addr(2*(n*oneB+at)), Count: min(step, oneB-at), Half: 1, Scale: 0.125}
			if err := tape.Add(op); err != nil {
				b.Fatal(err)
			}
		}
	}
	browser := lab.NewBrowser(b)
	for _, flavour := range []program.Flavour{program.SIMD128, program.Relaxed} {
		m, err := browser.Machine(flavour, 1)
		if err != nil {
			b.Fatal(err)
		}
		bin, err := program.Build(flavour)
		if err != nil {
			b.Fatal(err)
		}
		contest.Calls = []lab.Call{{Name: "blend", Module: bin, A: uint32(tape.Addr()), B: uint32(tape.Len())}}
		times, err := m.Time(contest)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(1000*slices.Min(times[0]), flavour.String()+"-ms")
	}
	b.ReportMetric(float64(2*oneB*adapters)/1e6, "MB-of-factors")
}
