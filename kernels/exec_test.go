package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pastel/kernels"
	"pastel/kernels/lab"
	"pastel/kernels/program"
)

// machines are all executors: the wasm under wazero and in Chromium, either
// flavour, with one thread and with two.
func machines(t *testing.T) (all []lab.Machine) {
	t.Helper()
	browser := lab.NewBrowser(t)
	for threads := 1; threads <= 2; threads++ {
		w, err := lab.NewWazero(threads, 4096)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		all = append(all, w)
		for _, f := range []program.Flavour{program.SIMD128, program.Relaxed} {
			c, err := browser.Machine(f, threads)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
	}
	return all
}

// bench builds the operands of one case. Built twice from one seed, both copies
// have the same addresses and the same values.
type bench struct {
	t    testing.TB
	rng  *rand.Rand
	im   *lab.Image
	q8   int // Q8_0's integer bias on the machine
	outs []output
}

// output is floats to compare, and how far they may differ.
type output struct {
	name string
	addr kernels.Addr
	n    int
	tol  func(i int, want float32) float64
}

func newBench(t testing.TB, seed uint64, q8 int) *bench {
	b := &bench{t: t, rng: rand.New(rand.NewPCG(seed, 7)), im: &lab.Image{Mem: new(kernels.Memory)}, q8: q8}
	const ops = 32
	tape, err := kernels.NewTape(b.im.Mem, ops)
	if err != nil {
		t.Fatal(err)
	}
	b.im.Tape = tape
	b.im.Spans = append(b.im.Spans, lab.Span{Addr: tape.Addr(), Bytes: ops * kernels.OpWords * 4})
	return b
}

func (b *bench) alloc(nBytes int) kernels.Addr {
	b.t.Helper()
	a, err := b.im.Alloc(nBytes)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// floats allocates n random floats around zero.
func (b *bench) floats(n int) kernels.Addr {
	a := b.alloc(4*n + 16)
	for i, x := 0, b.im.Mem.F32(a, n); i < n; i++ {
		x[i] = float32(b.rng.NormFloat64())
	}
	return a
}

func (b *bench) ints(v ...int32) kernels.Addr {
	a := b.alloc(4 * len(v))
	copy(b.im.Mem.I32(a, len(v)), v)
	return a
}

func (b *bench) add(op kernels.Operation) {
	b.t.Helper()
	if err := b.im.Tape.Add(op); err != nil {
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

// A testCase builds a tape and says what to compare.
type testCase struct {
	name  string
	build func(b *bench)
}

// check runs all cases on the reference and on a machine.
func check(t *testing.T, m lab.Machine, cases []testCase) {
	t.Helper()
	q8, err := m.Q8Zero()
	if err != nil || q8 < 0 {
		t.Fatalf("q8_zero() = %d, %v", q8, err)
	}
	refs := make([]*bench, len(cases))
	images := make([]*lab.Image, len(cases))
	for i, c := range cases {
		got := newBench(t, 42, q8)
		refs[i] = newBench(t, 42, q8)
		c.build(refs[i])
		c.build(got)
		images[i] = got.im
		new(kernels.Reference).Run(refs[i].im.Tape)
	}
	if err := m.Run(images); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, o := range refs[i].outs {
				compare(t, o, refs[i].im.Mem.F32(o.addr, o.n), images[i].Mem.F32(o.addr, o.n))
			}
		})
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
