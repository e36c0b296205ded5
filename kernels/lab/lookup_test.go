package lab

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"pastel/kernels"
	"pastel/kernels/program"
)

// lookupCase fills memory with digits and activations and returns the sums that
// must come out, less the one that every digit is too much.
func lookupCase(t testing.TB, l Lookup, panels int) (mem *kernels.Memory, at kernels.Addr, n int, want []float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	mem = new(kernels.Memory)
	tables, scales, weights, sums := l.Bytes(panels)
	n = tables + scales + weights + sums
	at = check(mem.Alloc(n))
	b := mem.Bytes(at, n)
	x := make([]int, l.K)
	for i := range x {
		x[i] = rng.IntN(255) - 127
	}
	for g := range l.K / 4 {
		for subset := range 16 {
			sum := 0
			for c := range 4 {
				sum += x[4*g+c] * (subset >> c & 1)
			}
			b[32*g+subset], b[32*g+16+subset] = byte(sum), byte(sum>>8)
		}
	}
	d := mem.F32(at+kernels.Addr(tables), l.K/32)
	for i := range d {
		d[i] = float32(1+i%3) / 4
	}
	w := b[tables+scales:]
	want = make([]float32, 16*panels)
	for r := range want {
		for c := range l.K {
			digit := rng.IntN(3)
			i := (r/16*l.K/4+c/4)*16 + r%16
			if digit >= 1 {
				w[i] |= 1 << (c % 4)
			}
			if digit == 2 {
				w[i] |= 16 << (c % 4)
			}
			want[r] += float32(digit*x[c]) * d[c/32]
		}
	}
	return mem, at, n, want
}

// TestLookup: what is looked up is what multiplication gives.
func TestLookup(t *testing.T) {
	l, panels := Lookup{K: 96}, 3
	mem, at, n, want := lookupCase(t, l, panels)
	m := check(NewWazero(1, 64))
	defer m.Close()
	if err := m.write(mem, []Span{{Addr: at, Bytes: n}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Call(check(l.Build(program.SIMD128)), uint32(at), uint32(panels)); err != nil {
		t.Fatal(err)
	}
	b, _ := m.mem.Read(uint32(at), uint32(n))
	copy(mem.Bytes(at, n), b)
	tables, scales, weights, _ := l.Bytes(panels)
	for r, got := range mem.F32(at+kernels.Addr(tables+scales+weights), 16*panels) {
		if got != want[r] { // quarters of integers below 2¹⁹: exact
			t.Errorf("row %d is %g, want %g", r, got, want[r])
		}
	}
}

// BenchmarkLookup times tables beside the product, which multiplies in the relaxed
// flavour and looks up in the baseline, on ternary weights in the second level of the cache, Chromium, one thread.
func BenchmarkLookup(b *testing.B) {
	l, panels := Lookup{K: 768}, 1152/16
	mem, at, n, _ := lookupCase(b, l, panels)
	browser := NewBrowser(b)
	for b.Loop() {
		for _, f := range []program.Flavour{program.SIMD128, program.Relaxed} {
			m := check(browser.Machine(f, 1))
			times := check(m.Time(&Contest{Spans: []Span{{Addr: at, Bytes: n}}, Mem: mem, Rounds: *roundsFlag, MinMs: *msFlag,
				Calls: []Call{{Name: "lookup", Module: check(l.Build(f)), A: uint32(at), B: uint32(panels)}}}))
			b.ReportMetric(float64(l.K*panels*16)/best(times[0])/1e9, "lookup_"+f.String()+"_Gmac/s")
			suite := NewSuite()
			suite.choose(regexp.MustCompile("^decode-cached/TQ2_0$"))
			rows := suite.measure(b, m, f, 1, nil)
			b.ReportMetric(rows[len(rows)-1].Rate, "product_"+f.String()+"_Gmac/s")
		}
	}
}
