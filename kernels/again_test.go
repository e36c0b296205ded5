package kernels_test

import (
	"testing"

	"pastel/kernels"
)

// TestATapeRunAgain: what an executor keeps of one run, as the tables of a ternary
// product, never shows in the next, whose records and addresses are the same.
func TestATapeRunAgain(t *testing.T) {
	const n, rows, k = 5, 30, 512 // a whole tile and one token more, both over the same scratch
	for _, threads := range []int{1, 2} {
		w := newMachine(t, threads)
		for _, f := range []kernels.Format{kernels.TQ1_0, kernels.TQ2_0, kernels.Q4_1} {
			want, got := newBench(t, 3, 0), newBench(t, 3, 0)
			for _, b := range []*bench{want, got} {
				x := b.floats(n * k)
				weights := b.weights(f, rows, k)
				b.multiply(f, weights, x, n, rows, k)
				b.multiply(f, weights, x, 1, rows, k)
				b.add(kernels.Scale{X: x, Count: n * k, Factor: -0.5}) // for the next run
			}
			for run := range 3 {
				new(kernels.Reference).Run(want.im.Tape)
				runs(t, w, got.im, 1)
				for _, o := range want.outs {
					compare(t, o, want.im.Mem.F32(o.addr, o.n), got.im.Mem.F32(o.addr, o.n))
				}
				if t.Failed() {
					t.Fatalf("%s, %d threads, run %d", f, threads, run)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}
