package kernels_test

import (
	"bytes"
	"math"
	"testing"

	"pastel/engine/tensor"
	"pastel/kernels"
)

// loras are the cases of adapters in eight bits.
func (t *table) loras() {
	for _, s := range []struct {
		name             string
		n, rows, rank, k int
	}{
		{"one group", 1, 4, 16, 32},
		{"one row", 1, 1, 16, 32},
		{"tail of 3", 1, 7, 16, 64},
		{"two blocks of ranks", 1, 13, 32, 96},
		{"tokens", 5, 9, 16, 32},
		{"tokens and ranks", 7, 21, 48, 160},
		{"several chunks", 1, 1152, 16, 576},
		{"most ranks", 2, 6, 256, 32},
	} {
		t.add(func(b *bench) { b.loraDown(s.rank, s.k) }, "lora/A/%s", s.name)
		t.add(func(b *bench) { b.loraUp(s.n, s.rows, s.rank, plainFactor) }, "lora/B/%s", s.name)
	}
	t.add(func(b *bench) { b.loraUp(3, 13, 32, extremeFactor) }, "lora/B/extremes")
	for _, n := range []int{1, 2, 4, 7, 13} {
		t.add(func(b *bench) { b.rebias(n, 5*32) }, "lora/rebias/n=%d", n)
	}
	for _, n := range []int{1, 6} {
		t.add(func(b *bench) { b.loraThen(n, 1150, 64) }, "lora/then/n=%d", n)
	}
}

// A factor fills the float16 values of a group of rows, [column][row].
type factor func(b *bench, values []uint16)

func plainFactor(b *bench, values []uint16) {
	for i := range values {
		values[i] = tensor.F32ToF16(float32(b.rng.NormFloat64()))
	}
}

// extremeFactor has rows of one magnitude, of zeros, of an outlier, and too small for a scale.
func extremeFactor(b *bench, values []uint16) {
	for i := range values {
		v := math.Copysign(500, b.rng.NormFloat64())
		switch {
		case i%4 == 1, i%4 == 2 && i > 4:
			v = 0
		case i%4 == 3:
			v = math.Copysign(0x1p-13, v)
		}
		values[i] = tensor.F32ToF16(float32(v))
	}
}

// sources allocates matrices packed as F16 behind an offset of 64 bytes, and weights for them.
func (b *bench) sources(groups, k int, weights []float32, fill factor) kernels.Blend {
	op := kernels.Blend{Src: b.ints(make([]int32, len(weights))...), Weights: b.floats(len(weights)), Offset: 64,
		N: len(weights), Groups: groups, K: k, Zero: kernels.Q8_0.Zero(b.q8)}
	copy(b.im.Mem.F32(op.Weights, op.N), weights)
	for i := range op.N {
		at := b.alloc(64 + 8*groups*k)
		b.im.Mem.U32(op.Src, op.N)[i] = uint32(at)
		for g := range groups {
			fill(b, b.im.Mem.U16(at+64+kernels.Addr(8*g*k), 4*k))
		}
	}
	return op
}

// loraDown packs a sum of three matrices and reads it as the matrix of Q8_0 that it is. A fused sum may
// fall on the other side of a tie: one step, of values up to 5 times weights of 0.8 in all.
func (b *bench) loraDown(rank, k int) {
	op := b.sources(rank/4, k, []float32{0.5, -0.3, 0x1p-20}, plainFactor)
	op.Block, op.Dst = kernels.BlockK, b.alloc(kernels.Q8_0.PackedBytes(rank, k))
	b.add(op)
	ids := make([]int32, rank)
	for i := range ids {
		ids[i] = int32(i)
	}
	read := b.floats(rank * k)
	b.add(kernels.Embed{Dst: read, Table: op.Dst, IDs: b.ints(ids...), N: rank, Rows: rank, K: k, Format: kernels.Q8_0, Scale: 1, Zero: op.Zero})
	b.want("A", read, rank*k, 5*0.8/127)
}

// loraUp packs one matrix, which is exact to the last bit on every machine, and adds its product. The kernels
// round the token: rank times the largest weight times half a step of the largest value, 5.
func (b *bench) loraUp(n, rows, rank int, fill factor) {
	op := b.sources((rows+3)/4, rank, []float32{0.5}, fill)
	op.Block, op.Dst = kernels.LoRABlock, b.alloc(kernels.LoRABytes(rows, rank))
	b.add(op)
	stride := rows + 3
	x, dst := b.floats(n*rank), b.floats(n*stride)
	clear(b.im.Mem.F32(x, 16)) // a block of zeros
	b.add(kernels.AddLoRA{Dst: dst, W: op.Dst, X: x, N: n, Rows: rows, Rank: rank, DstStride: stride, Scale: -0.25, Zero: op.Zero})
	largest := 0.0
	for i := range op.Groups * rank * 4 {
		src := b.im.Mem.U32(op.Src, 1)[0]
		largest = max(largest, math.Abs(float64(tensor.F16ToF32(b.im.Mem.U16(kernels.Addr(src)+64, op.Groups*rank*4)[i]))))
	}
	b.want("y", dst, n*stride, 0.25*float64(rank)*0.5*largest*5/254+1e-5)
}

// rebias copies tiles: bit for bit what Quantize makes for the other bias.
func (b *bench) rebias(n, k int) {
	l := kernels.ActLayout{K: k, Sub: kernels.BlockK}
	x, src, dst, want := b.floats(n*k), b.alloc(l.Bytes(n)), b.alloc(l.Bytes(n)), b.alloc(l.Bytes(n))
	b.add(kernels.Quantize{Dst: src, X: x, N: n, K: k, XStride: k, Zero: 8, Sub: kernels.BlockK})
	b.add(kernels.Rebias{Dst: dst, Src: src, N: n, K: k, Factor: 16})
	b.add(kernels.Quantize{Dst: want, X: x, N: n, K: k, XStride: k, Zero: 128, Sub: kernels.BlockK})
	b.want("rebiased", dst, l.Bytes(n)/4, 0)
	b.want("quantised", want, l.Bytes(n)/4, 0)
}

// TestRebiasIsQuantize: copied tiles are those that the other bias would have given.
func TestRebiasIsQuantize(t *testing.T) {
	b := newBench(t, 5, 128)
	b.rebias(7, 96)
	new(kernels.Reference).Run(b.im.Tape)
	got, want := b.outs[0], b.outs[1]
	if !bytes.Equal(b.im.Mem.Bytes(got.addr, 4*got.n), b.im.Mem.Bytes(want.addr, 4*want.n)) {
		t.Error("Rebias differs from Quantize")
	}
}

// loraThen writes rows and has two products added to them share by share: one of eight bits, one of float32.
func (b *bench) loraThen(n, rows, k int) {
	op := b.sources((rows+3)/4, 16, []float32{0.5}, plainFactor)
	op.Block, op.Dst = kernels.LoRABlock, b.alloc(kernels.LoRABytes(rows, 16))
	b.add(op)
	x, low, dst := b.floats(n*k), b.floats(n*16), b.floats(n*rows)
	w, v := b.weights(kernels.F32, rows, k), b.weights(kernels.F32, rows, 16)
	b.add(kernels.Matmul{Dst: dst, W: w, X: x, N: n, Rows: rows, K: k, XStride: k, DstStride: rows, Format: kernels.F32, Scale: 1})
	for _, then := range []kernels.Operation{
		kernels.AddLoRA{Dst: dst, W: op.Dst, X: low, N: n, Rows: rows, Rank: 16, DstStride: rows, Scale: 2, Zero: op.Zero},
		kernels.Matmul{Dst: dst, W: v, X: low, N: n, Rows: rows, K: 16, XStride: 16, DstStride: rows, Format: kernels.F32, Accumulate: 1, Scale: 1},
	} {
		if err := b.im.Tape.AddThen(then); err != nil {
			b.t.Fatal(err)
		}
	}
	b.add(kernels.Scale{X: dst, Count: n * rows, Factor: 0.5}) // behind the barrier
	b.want("y", dst, n*rows, 16*5*0.5*5.0/254+1e-3)
}

// TestLoRAWithinBound holds a product with eight-bit factors to what their rounding may do, against a
// dense product in float64. A factor's value is off by half a step of its block, by two roundings to float16
// (its own and the scale's), and in a block too small for a scale by all of it.
func TestLoRAWithinBound(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outlier float64 // magnitude of every 50th value; the others are about 1
	}{{"alike", 1}, {"outliers", 500}, {"tiny beside large", 60000}} {
		t.Run(tt.name, func(t *testing.T) {
			const rows, rank, k = 22, 32, 96
			b := newBench(t, 11, 128)
			down, up := b.dense(rank, k, tt.outlier), b.dense(rows, rank, tt.outlier)
			x, y := b.floats(k), b.alloc(4*rows)
			low := b.alloc(4 * rank)
			b.add(kernels.Matmul{Dst: low, W: b.factor(down, kernels.BlockK), X: x, N: 1, Rows: rank, K: k, XStride: k, DstStride: rank,
				Format: kernels.Q8_0, Scale: 1, Zero: 128, Sub: 32})
			b.add(kernels.AddLoRA{Dst: y, W: b.factor(up, kernels.LoRABlock), X: low, N: 1, Rows: rows, Rank: rank, DstStride: rows, Scale: 1, Zero: 128})
			new(kernels.Reference).Run(b.im.Tape)
			in := b.im.Mem.F32(x, k)
			for r, got := range b.im.Mem.F32(y, rows) {
				var want, bound float64
				for j := range rank {
					var s, off float64
					for c, v := range in {
						s += down.at(j, c) * float64(v)
						off += down.off(j, c, kernels.BlockK) * math.Abs(float64(v))
					}
					want += up.at(r, j) * s
					bound += math.Abs(up.at(r, j))*off + up.off(r, j, kernels.LoRABlock)*(math.Abs(s)+off)
				}
				if d := math.Abs(float64(got) - want); !(d <= bound*(1+0x1p-20)) {
					t.Errorf("row %d = %g, want %g (bound %g)", r, got, want, bound)
				}
			}
		})
	}
}

// denseFactor is a factor row by row.
type denseFactor struct {
	rows, k int
	values  []float32
}

func (b *bench) dense(rows, k int, outlier float64) denseFactor {
	d := denseFactor{rows, k, make([]float32, rows*k)}
	for i := range d.values {
		d.values[i] = float32(b.rng.NormFloat64())
		if i%50 == 0 {
			d.values[i] = float32(math.Copysign(outlier, b.rng.NormFloat64()))
		}
	}
	return d
}

func (d denseFactor) at(r, c int) float64 { return float64(d.values[r*d.k+c]) }

// off is how far a value may be from what is packed of it.
func (d denseFactor) off(r, c, block int) float64 {
	largest := 0.0
	for i := range block {
		largest = max(largest, math.Abs(d.at(r, c/block*block+i)))
	}
	v := math.Abs(d.at(r, c))
	if largest/127 < 0x1p-14 {
		return v
	}
	return largest/254 + 3*0x1p-11*v
}

// factor packs it by way of float16.
func (b *bench) factor(d denseFactor, block int) kernels.Addr {
	groups := (d.rows + 3) / 4
	op := b.sources(groups, d.k, []float32{1}, func(*bench, []uint16) {})
	h := b.im.Mem.U16(kernels.Addr(b.im.Mem.U32(op.Src, 1)[0])+64, groups*d.k*4)
	for i, v := range d.values {
		r, c := i/d.k, i%d.k
		h[(r/4*d.k+c)*4+r%4] = tensor.F32ToNormalF16(v)
	}
	op.Block, op.Dst, op.Zero = block, b.alloc(groups*d.k*8), 128
	b.add(op)
	return op.Dst
}
