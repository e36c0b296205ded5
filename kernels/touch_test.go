package kernels_test

import (
	"testing"

	"pastel/kernels"
	"pastel/kernels/lab"
	"pastel/kernels/program"
)

// TestWeightsAtTheEndOfMemory multiplies matrices that end where memory ends: what is
// touched ahead of one token must not lie behind. Their bytes are zero, the control
// block's unused rest.
func TestWeightsAtTheEndOfMemory(t *testing.T) {
	browser := lab.NewBrowser(t)
	for _, f := range []program.Flavour{program.SIMD128, program.Relaxed} {
		m, err := browser.Machine(f, 1)
		if err != nil {
			t.Fatal(err)
		}
		for format := range kernels.Formats() {
			if !format.Quantised() {
				continue
			}
			for _, rows := range []int{4, 40, 120} { // less than is touched at once, about as much, more
				if err := m.Run([]*lab.Image{atTheEnd(t, m, format, rows)}); err != nil {
					t.Errorf("%s, %v, %d rows: %v", m.Name(), format, rows, err)
				}
			}
		}
	}
}

// atTheEnd is a product of one token whose weights end with the machine's memory.
func atTheEnd(t *testing.T, m *lab.Chromium, f kernels.Format, rows int) *lab.Image {
	const k = 512
	b := newBench(t, 1, 0)
	x, dst, act := b.floats(k), b.alloc(4*rows), kernels.ActLayout{K: k, Sub: f.Sub()}
	q := b.alloc(act.Bytes(1))
	end := m.End(b.im)
	b.add(kernels.Quantize{Dst: q, X: x, N: 1, K: k, XStride: k, Sub: f.Sub(), Zero: f.Zero(0)})
	b.add(kernels.Matmul{Dst: dst, W: end - kernels.Addr(f.PackedBytes(rows, k)), X: q, N: 1, Rows: rows, K: k, XStride: k, DstStride: rows,
		Format: f, Act: kernels.ActQ8, Scale: 1, Zero: f.Zero(0), Sub: f.Sub()})
	return b.im
}
