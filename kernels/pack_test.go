package kernels_test

import (
	"testing"

	"pastel/engine/tensor"
	"pastel/kernels"
)

// TestPackedRowsAreTheFiles packs every format and reads the rows back: they are
// what package tensor, an independent reader of the file's blocks, makes of them,
// to the last bit.
func TestPackedRowsAreTheFiles(t *testing.T) {
	const rows, k = 7, 512
	for f := range kernels.Formats() {
		if f == kernels.FormatNone {
			continue
		}
		for _, zero := range []int{0, 128} {
			b := newBench(t, 9, zero)
			values := make([]float32, rows*k)
			for i := range values {
				values[i] = float32(b.rng.NormFloat64())
			}
			file := make([]byte, rows*f.FileRowBytes(k))
			if err := tensor.Quantize(fileType(t, f), file, values); err != nil {
				t.Fatal(err)
			}
			table := b.pack(f, file, rows, k)
			dst := b.alloc(4 * rows * k)
			b.add(kernels.Embed{Dst: dst, Table: table, IDs: b.ints(0, 1, 2, 3, 4, 5, 6), N: rows, Rows: rows, K: k, Format: f, Scale: 1, Zero: f.Zero(zero)})
			new(kernels.Reference).Run(b.im.Tape)
			want := make([]float32, rows*k)
			if err := tensor.Dequantize(fileType(t, f), want, file); err != nil {
				t.Fatal(err)
			}
			for i, got := range b.im.Mem.F32(dst, rows*k) {
				if got != want[i] {
					t.Errorf("%s zero=%d: row %d column %d = %g, want %g", f, zero, i/k, i%k, got, want[i])
					break
				}
			}
		}
	}
}
