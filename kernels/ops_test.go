package kernels_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"pastel/engine/tensor"
	"pastel/kernels"
)

// awkward lengths: none, one, around a vector, a block and a segment, a prime, a model's.
var awkward = []int{1, 3, 4, 5, 7, 8, 31, 32, 33, 64, 127, 251, 255, 256, 257, 576}

func fileType(t testing.TB, f kernels.Format) tensor.Type {
	typ, err := tensor.ParseType(f.String())
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// weights packs a random matrix and returns the packed address.
func (b *bench) weights(f kernels.Format, rows, k int) kernels.Addr {
	b.t.Helper()
	values := make([]float32, rows*k)
	for i := range values {
		values[i] = float32(b.rng.NormFloat64())
	}
	file := make([]byte, rows*f.FileRowBytes(k))
	if err := tensor.Quantize(fileType(b.t, f), file, values); err != nil {
		b.t.Fatal(err)
	}
	return b.pack(f, file, rows, k)
}

// pack packs the bytes of a file's tensor.
func (b *bench) pack(f kernels.Format, file []byte, rows, k int) kernels.Addr {
	src, dst := b.alloc(len(file)+64), b.alloc(f.PackedBytes(rows, k))
	copy(b.im.Mem.Bytes(src, len(file)), file)
	b.add(kernels.Pack{Dst: dst, Src: src, Rows: rows, K: k, Format: f, Zero: f.Zero(b.q8)})
	return dst
}

// TestOperationsAgree runs one table of operations on every machine.
func TestOperationsAgree(t *testing.T) {
	cases := allCases()
	for _, m := range machines(t) {
		t.Run(m.Name(), func(t *testing.T) { check(t, m, cases) })
	}
}

// table collects cases.
type table []testCase

func (t *table) add(build func(b *bench), format string, args ...any) {
	*t = append(*t, testCase{fmt.Sprintf(format, args...), build})
}

func allCases() []testCase {
	var c table
	for f := range kernels.Formats() {
		if f != kernels.FormatNone {
			c.matrices(f)
		}
	}
	c.mixtures()
	c.loras()
	for _, k := range []int{1, 2, 3, 5, 17, 33, 77} {
		c.add(func(b *bench) { b.matmulCase(kernels.F32, 7, 6, k) }, "matmul/F32/k=%d", k)
	}
	for _, dim := range awkward {
		c.add(func(b *bench) { b.norms(dim) }, "norms/dim=%d", dim)
		c.add(func(b *bench) { b.elementwise(dim) }, "elementwise/n=%d", dim)
		c.add(func(b *bench) { b.argmax(dim) }, "argmax/n=%d", dim)
	}
	for n := 1; n <= 17; n++ {
		for _, sub := range []int{32, 16} {
			c.add(func(b *bench) { b.quantize(n, sub) }, "quantize/n=%d/sub=%d", n, sub)
		}
	}
	for _, interleaved := range []int{0, 1} {
		c.add(func(b *bench) { b.rope(interleaved) }, "rope/interleaved=%d", interleaved)
	}
	c.attentions()
	return c
}

// matrices are the cases of one weight format.
func (t *table) matrices(f kernels.Format) {
	k := 1 // columns of the smallest matrix
	for !f.Fits(k) {
		k *= 2
	}
	k = max(k, 32)
	for _, s := range []struct{ n, rows, k int }{
		{1, 4, k}, {2, 5, 2 * k}, {3, 7, 3 * k}, {4, 8, k}, {5, 9, 5 * k}, {6, 16, 2 * k}, {7, 3, k}, {11, 1, k}, {13, 12, 3 * k},
		{16, 21, 18 * k}, {1, 67, 18 * k}, {37, 13, 7 * k},
	} {
		t.add(func(b *bench) { b.matmulCase(f, s.n, s.rows, s.k) }, "matmul/%s/n=%d/rows=%d/k=%d", f, s.n, s.rows, s.k)
	}
	for rows := range 6 {
		t.add(func(b *bench) { b.embedCase(f, rows+1, 3*k) }, "embed/%s/rows=%d", f, rows+1)
	}
	if f.Quantised() {
		for _, n := range []int{1, 2, 6} {
			t.add(func(b *bench) { b.extremes(f, n, 7, 4*k) }, "extremes/%s/n=%d", f, n)
		}
	}
}

// matmulCase multiplies, adds a bias, and adds to what is there.
func (b *bench) matmulCase(f kernels.Format, n, rows, k int) {
	b.multiply(f, b.weights(f, rows, k), b.floats(n*k), n, rows, k)
}

// multiply multiplies packed weights with x, adds a bias, and adds to what is there.
func (b *bench) multiply(f kernels.Format, w, x kernels.Addr, n, rows, k int) {
	stride := rows + 3
	bias, dst := b.floats(rows), b.floats(n*stride)
	op := kernels.Matmul{Dst: dst, W: w, X: x, Bias: bias, N: n, Rows: rows, K: k, XStride: k, DstStride: stride, Format: f,
		Accumulate: rows % 2, Scale: 0.5, Zero: f.Zero(b.q8), Sub: f.Sub()}
	if f.Quantised() {
		l := kernels.ActLayout{K: k, Sub: f.Sub()}
		op.X, op.Act = b.alloc(l.Bytes(n)), kernels.ActQ8
		b.add(kernels.Quantize{Dst: op.X, X: x, N: n, K: k, XStride: k, Zero: op.Zero, Sub: op.Sub})
	}
	b.add(op)
	// k products of two values of about 3 at most, summed in float32
	b.want("y", dst, n*stride, float64(k)*0x1p-23*12+1e-6)
}

// extremes multiplies the smallest and largest integers a format can hold with
// the largest activations, beside an all-zero block.
func (b *bench) extremes(f kernels.Format, n, rows, k int) {
	file := make([]byte, rows*f.FileRowBytes(k))
	for i := range file {
		file[i] = []byte{0x80, 0x7f, 0xff, 0}[b.rng.IntN(4)]
	}
	setScales(f, file)
	x := b.floats(n * k)
	for i, v := 0, b.im.Mem.F32(x, n*k); i < len(v); i++ {
		v[i] = float32(math.Copysign(2, float64(v[i])))
	}
	clear(b.im.Mem.F32(x, 32))
	b.multiply(f, b.pack(f, file, rows, k), x, n, rows, k)
}

// setScales writes the scales of every block of a file, such that weights stay
// about two with the largest scales of scales.
func setScales(f kernels.Format, file []byte) {
	shape := f.Shape()
	d := map[kernels.Scaling]float32{kernels.HalfScale: 1.0 / 64, kernels.ScaleOnly: 2, kernels.SignedScale: 1.0 / 2048,
		kernels.PairedScale: 1.0 / 1024, kernels.SixteenthScale: 1.0 / 2048, kernels.NibbleScale: 1.0 / 32}[shape.Scaling]
	for ; len(file) > 0; file = file[shape.FileBytes:] {
		if shape.Scaling == kernels.PowerScale {
			file[0] = 128 - 3
			continue
		}
		binary.LittleEndian.PutUint16(file[shape.D:], tensor.F32ToF16(d))
		if shape.Min {
			binary.LittleEndian.PutUint16(file[shape.D+2:], tensor.F32ToF16(d))
		}
	}
}

func (b *bench) embedCase(f kernels.Format, rows, k int) {
	table := b.weights(f, rows, k)
	ids := b.ints(int32(rows-1), 0, int32(rows/2))
	dst := b.alloc(4 * 3 * k)
	b.add(kernels.Embed{Dst: dst, Table: table, IDs: ids, N: 3, Rows: rows, K: k, Format: f, Scale: 1.5, Zero: f.Zero(b.q8)})
	b.rel("row", dst, 3*k, 1e-6, 1)
}

func (b *bench) norms(dim int) {
	x, wt, bias, d1, d2 := b.floats(3*2*dim), b.floats(dim), b.floats(dim), b.floats(3*2*dim), b.floats(3*2*dim)
	b.add(kernels.RMSNorm{Dst: d1, X: x, Weight: wt, N: 3, Rows: 2, Dim: dim, XStride: 2 * dim, DstStride: 2 * dim, Eps: 1e-5})
	b.add(kernels.LayerNorm{Dst: d2, X: x, Weight: wt, Bias: bias, N: 3, Rows: 2, Dim: dim, XStride: 2 * dim, DstStride: 2 * dim, Eps: 1e-5})
	b.rel("rmsnorm", d1, 6*dim, float64(dim)*0x1p-23+4e-7, 1)
	b.rel("layernorm", d2, 6*dim, float64(dim)*0x1p-22+4e-6, 1)
}

func (b *bench) argmax(n int) {
	x, dst := b.floats(n), b.alloc(4)
	v := b.im.Mem.F32(x, n)
	v[n/2], v[n-1] = 9, 9 // equals: the first wins
	v[0] = float32(math.NaN())
	b.add(kernels.Argmax{Dst: dst, X: x, Count: n})
	b.want("best", dst, 1, 0)
}

func (b *bench) quantize(n, sub int) {
	k, stride := 96, 100
	x := b.floats(n * stride)
	clear(b.im.Mem.F32(x, 32)) // an all-zero block
	l := kernels.ActLayout{K: k, Sub: sub}
	dst := b.alloc(l.Bytes(n))
	b.add(kernels.Quantize{Dst: dst, X: x, N: n, K: k, XStride: stride, Zero: 8, Sub: sub})
	b.want("tile", dst, l.Bytes(n)/4, 0) // bit for bit
}

func (b *bench) rope(interleaved int) {
	x, table := b.floats(3*50), b.floats(10*8)
	b.add(kernels.Rope{X: x, Positions: b.ints(0, 4, 9), Table: table, N: 3, Heads: 4, HeadDim: 12, Stride: 50, RopeDims: 8, Interleaved: interleaved})
	b.rel("x", x, 150, 3e-7, 1)
}

func (b *bench) elementwise(n int) {
	x, y := b.floats(n), b.floats(n)
	for i, v := 0, b.im.Mem.F32(x, n); i < n; i++ {
		v[i] *= 6
	}
	for fn := range kernels.Nonlinearity(3) {
		g, d := b.floats(2*2*n), b.floats(2*n)
		b.add(kernels.GLU{Dst: d, Gate: g, Up: g + kernels.Addr(4*n), N: 2, Dim: n, Stride: 2 * n, DstStride: n, Func: fn})
		b.rel("glu", d, 2*n, 3e-6, 0.1)
	}
	d := b.floats(n)
	b.add(kernels.Add{Dst: d, A: x, B: y, Count: n, Scale: 0.25})
	b.rel("add", d, n, 3e-7, 1)
	b.add(kernels.Scale{X: y, Count: n, Factor: -3})
	b.rel("scale", y, n, 1e-7, 1)
	b.add(kernels.Softcap{X: x, Count: n, Cap: 5})
	b.rel("softcap", x, n, 2e-6, 0.01)
}

// attentions are the cases of every cache type.
func (t *table) attentions() {
	for kind, name := range []string{"f32", "f16", "q8"} {
		for _, c := range []struct {
			name                           string
			n, heads, kv, key, value, past int
			window                         int
			softcap                        float32
			alibi                          bool
		}{
			{name: "one token", n: 1, heads: 4, kv: 4, key: 32, value: 32},
			{name: "kv heads = heads", n: 11, heads: 3, kv: 3, key: 32, value: 32, past: 67},
			{name: "decode after 70", n: 1, heads: 6, kv: 2, key: 32, value: 32, past: 70},
			{name: "prefill 13", n: 13, heads: 6, kv: 2, key: 64, value: 32, past: 0},
			{name: "prefill over a block", n: 9, heads: 3, kv: 1, key: 32, value: 64, past: 130},
			{name: "prefill 67", n: 67, heads: 4, kv: 2, key: 32, value: 96, past: 1},
			{name: "window 5", n: 9, heads: 4, kv: 2, key: 32, value: 32, past: 70, window: 5},
			{name: "window 80", n: 9, heads: 4, kv: 2, key: 32, value: 32, past: 170, window: 80},
			{name: "softcap", n: 3, heads: 5, kv: 1, key: 32, value: 32, past: 3, softcap: 5},
			{name: "alibi", n: 3, heads: 5, kv: 1, key: 32, value: 32, past: 66, alibi: true},
			{name: "narrow heads", n: 5, heads: 4, kv: 2, key: 12, value: 12, past: 4},
		} {
			if kind == int(kernels.KVQ8) && c.key%32 != 0 {
				continue
			}
			t.add(func(b *bench) {
				b.attention(kernels.KVType(kind), c.n, c.heads, c.kv, c.key, c.value, c.past, c.window, c.softcap, c.alibi)
			}, "attention/%s/%s", name, c.name)
		}
	}
}

// attention stores past and n new positions, then attends from the new ones.
func (b *bench) attention(kind kernels.KVType, n, heads, kv, key, value, past, window int, softcap float32, alibi bool) {
	capacity := past + n + 3
	kl := kernels.KVLayout{Heads: kv, Dim: key, Capacity: capacity, Type: kind}
	vl := kernels.KVLayout{Heads: kv, Dim: value, Capacity: capacity, Type: kind}
	keys, values := b.alloc(kl.Bytes()), b.alloc(vl.Bytes())
	all := make([]int32, past+n)
	for i := range all {
		all[i] = int32(i)
	}
	positions, recent := b.ints(all...), b.ints(all[past:]...)
	kx, vx, q := b.floats((past+n)*kv*key), b.floats((past+n)*kv*value), b.floats(n*heads*key)
	dst := b.floats(n * heads * value)
	var slopes kernels.Addr
	if alibi {
		slopes = b.floats(heads)
	}
	store := kernels.StoreKV{Positions: positions, N: past + n, Heads: kv, Capacity: capacity, Type: kind}
	ks, vs := store, store
	ks.Cache, ks.X, ks.HeadDim, ks.Stride = keys, kx, key, kv*key
	vs.Cache, vs.X, vs.HeadDim, vs.Stride, vs.Values = values, vx, value, kv*value, true
	b.add(ks)
	b.add(vs)
	b.add(kernels.Attention{Dst: dst, Q: q, K: keys, V: values, Positions: recent, Slopes: slopes, N: n, Heads: heads, KVHeads: kv,
		KeyDim: key, ValueDim: value, QStride: heads * key, DstStride: heads * value, Capacity: capacity, Type: kind,
		Scale: 0.2, Softcap: softcap, Window: window})
	b.want("keys", keys, kl.Bytes()/4, 0)
	b.want("values", values, vl.Bytes()/4, 0)
	b.want("y", dst, n*heads*value, 2e-5)
}

// mixtures adds the operations of a mixture of experts.
func (t *table) mixtures() {
	for _, f := range []kernels.Format{kernels.F32, kernels.Q8_0, kernels.Q4_0, kernels.Q5_1} {
		for _, n := range []int{1, 3, 7} {
			t.add(func(b *bench) { b.experts(f, n, 5, 2) }, "experts/%s/n=%d", f, n)
		}
	}
}

// experts routes n tokens and multiplies them with their experts' matrices.
func (b *bench) experts(f kernels.Format, n, experts, used int) {
	const rows, k = 12, 64
	scores, bias := b.floats(n*experts), b.floats(experts)
	ids, weights := b.alloc(4*n*used), b.alloc(4*n*used)
	b.add(kernels.Route{IDs: ids, Weights: weights, X: scores, Bias: bias, N: n, Experts: experts, Used: used, Sigmoid: n % 2, Normalise: 1, Scale: 2})
	b.want("ids", ids, n*used, 0)
	b.rel("weights", weights, n*used, 3e-6, 1e-3)
	x := b.floats(n * k)
	y := b.floats(n * used * rows)
	op := kernels.ExpertMatmul{Dst: y, X: x, N: n, Rows: experts * rows, K: k, XStride: k, DstStride: rows, Format: f, Scale: 1,
		Zero: f.Zero(b.q8), Sub: f.Sub(), IDs: ids, Used: used, ExpertRows: rows}
	op.W = b.weights(f, op.Rows, k)
	if f.Quantised() {
		op.X, op.Act = b.alloc(kernels.ActLayout{K: k, Sub: op.Sub}.Bytes(n)), kernels.ActQ8
		b.add(kernels.Quantize{Dst: op.X, X: x, N: n, K: k, XStride: k, Zero: op.Zero, Sub: op.Sub, Narrow: 1})
	}
	b.add(op)
	b.want("y", y, n*used*rows, 1e-3)
	sum := b.floats(n * rows)
	b.add(kernels.ExpertSum{Dst: sum, X: y, Weights: weights, N: n, Used: used, Dim: rows, Scale: 0.5})
	b.want("sum", sum, n*rows, 2e-3)
}
