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

// BenchmarkBlendKernel blends 8 adapters of the 1B shape in Chromium, one thread.
func BenchmarkBlendKernel(b *testing.B) {
	const adapters = 8
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
	dst, lists := alloc(2*oneB, true), alloc(8*adapters, false)
	for n := range adapters {
		mem.U32(lists, adapters)[n] = uint32(alloc(2*oneB, true))
		mem.F32(lists+4*adapters, adapters)[n] = 1.0 / adapters
	}
	tape, err := kernels.NewTape(mem, 1)
	if err != nil {
		b.Fatal(err)
	}
	contest.Spans = append(contest.Spans, lab.Span{Addr: tape.Addr(), Bytes: kernels.OpWords * 4})
	if err := tape.Add(kernels.Blend{Dst: dst, Src: lists, Weights: lists + 4*adapters, N: adapters, Groups: oneB / 4 / 2048, K: 2048, Block: kernels.BlockK}); err != nil {
		b.Fatal(err)
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
