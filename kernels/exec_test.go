package kernels_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"pastel/kernels"
	"pastel/kernels/program"
	"pastel/simd128"
)

// An image is a memory's regions, as bytes to copy elsewhere.
type image struct {
	mem   *kernels.Memory
	spans []span
}

// span is a region and what the executors must agree on in it.
type span struct {
	addr   kernels.Addr
	nBytes int
}

// wasmExec runs tapes in the kernels module under wazero.
type wasmExec struct {
	ctx context.Context
	mem api.Memory
	run api.Function
}

// newWasmExec instantiates the simd128 flavour on a shared memory.
func newWasmExec(t testing.TB) *wasmExec {
	t.Helper()
	ctx := context.Background()
	cfg := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads).WithMemoryCapacityFromMax(true)
	rt := wazero.NewRuntimeWithConfig(ctx, cfg)
	t.Cleanup(func() { rt.Close(ctx) })
	env := &simd128.Module{Name: "env"}
	env.Memory("memory", simd128.Pages{Min: 4096, Max: 65536, Shared: true})
	envBin, err := env.Build()
	if err != nil {
		t.Fatal(err)
	}
	envMod, err := rt.InstantiateWithConfig(ctx, envBin, wazero.NewModuleConfig().WithName("env"))
	if err != nil {
		t.Fatal(err)
	}
	bin, err := program.Build(program.SIMD128)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.InstantiateWithConfig(ctx, bin, wazero.NewModuleConfig().WithName("kernels"))
	if err != nil {
		t.Fatal(err)
	}
	return &wasmExec{ctx: ctx, mem: envMod.Memory(), run: mod.ExportedFunction("run")}
}

// execute copies the image in, runs the tape and copies the image back out.
func (w *wasmExec) execute(t testing.TB, im *image, tape *kernels.Tape) {
	t.Helper()
	for _, s := range im.spans {
		if !w.mem.Write(uint32(s.addr), im.mem.Bytes(s.addr, s.nBytes)) {
			t.Fatalf("image at %#x does not fit the memory", s.addr)
		}
	}
	const control = 1024 // below every region
	if _, err := w.run.Call(w.ctx, control, uint64(tape.Addr()), uint64(tape.Len())); err != nil {
		t.Fatal(err)
	}
	for _, s := range im.spans {
		b, _ := w.mem.Read(uint32(s.addr), uint32(s.nBytes))
		copy(im.mem.Bytes(s.addr, s.nBytes), b)
	}
}

// bench builds the operands of one case. Built twice from one seed, both copies
// have the same addresses and the same values.
type bench struct {
	t    testing.TB
	rng  *rand.Rand
	im   *image
	tape *kernels.Tape
	outs []output
}

// output is floats to compare, and how far they may differ.
type output struct {
	name string
	addr kernels.Addr
	n    int
	tol  func(i int, want float32) float64
}

func newBench(t testing.TB, seed uint64) *bench {
	b := &bench{t: t, rng: rand.New(rand.NewPCG(seed, 7)), im: &image{mem: new(kernels.Memory)}}
	tape, err := kernels.NewTape(b.im.mem, 8)
	if err != nil {
		t.Fatal(err)
	}
	b.tape = tape
	b.im.spans = append(b.im.spans, span{tape.Addr(), 8 * kernels.OpWords * 4})
	return b
}

func (b *bench) alloc(nBytes int) kernels.Addr {
	b.t.Helper()
	a, err := b.im.mem.Alloc(nBytes)
	if err != nil {
		b.t.Fatal(err)
	}
	b.im.spans = append(b.im.spans, span{a, nBytes})
	return a
}

// floats allocates n random floats around zero.
func (b *bench) floats(n int) kernels.Addr {
	a := b.alloc(4*n + 16)
	for i, x := 0, b.im.mem.F32(a, n); i < n; i++ {
		x[i] = float32(b.rng.NormFloat64())
	}
	return a
}

func (b *bench) ints(v ...int32) kernels.Addr {
	a := b.alloc(4 * len(v))
	copy(b.im.mem.I32(a, len(v)), v)
	return a
}

func (b *bench) add(op kernels.Operation) {
	b.t.Helper()
	if err := b.tape.Add(op); err != nil {
		b.t.Fatal(err)
	}
}

// want declares an output whose error may be tol, absolute.
func (b *bench) want(name string, addr kernels.Addr, n int, tol float64) {
	b.outs = append(b.outs, output{name, addr, n, func(int, float32) float64 { return tol }})
}

// rel declares an output whose error may be tol relative to max(|want|, floor).
func (b *bench) rel(name string, addr kernels.Addr, n int, tol, floor float64) {
	b.outs = append(b.outs, output{name, addr, n, func(_ int, w float32) float64 {
		return tol * math.Max(math.Abs(float64(w)), floor)
	}})
}

// check runs a case on the reference and on the wasm executor.
func check(t *testing.T, w *wasmExec, build func(b *bench)) {
	t.Helper()
	ref, got := newBench(t, 42), newBench(t, 42)
	build(ref)
	build(got)
	new(kernels.Reference).Run(ref.tape)
	w.execute(t, got.im, got.tape)
	for _, o := range ref.outs {
		compare(t, o, ref.im.mem.F32(o.addr, o.n), got.im.mem.F32(o.addr, o.n))
	}
}

// compare reports the worst element beyond its tolerance.
func compare(t *testing.T, o output, want, got []float32) {
	t.Helper()
	worst, at := 0.0, -1
	for i := range want {
		if want[i] == got[i] || math.Float32bits(want[i]) == math.Float32bits(got[i]) {
			continue
		}
		over := math.Abs(float64(want[i])-float64(got[i])) / o.tol(i, want[i])
		if !(over <= 1) && !(over <= worst) {
			worst, at = over, i
		}
	}
	if at >= 0 {
		t.Errorf("%s[%d] = %g, want %g (bound %g)", o.name, at, got[at], want[at], o.tol(at, want[at]))
	}
}
