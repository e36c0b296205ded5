package kernels

import "math"

// Reference executes tapes in plain Go. It is the definition of every
// operation: readable, unhurried, float64 inside sums. The zero value is ready;
// it is not safe for concurrent use.
type Reference struct {
	row    []float32     // one dequantised weight row
	blocks []blockValues // one unpacked row
	acc    []float64     // attention accumulator
	probs  []float64
}

// Run executes the tape's operations in order.
func (x *Reference) Run(t *Tape) {
	for i := range t.n {
		code, o := t.op(i)
		x.run(t.mem, code, &o)
	}
}

// run is a closed switch over the operations.
func (x *Reference) run(m *Memory, code Code, o *operands) {
	switch code {
	case CodeEmbed:
		x.embed(m, o.embed())
	case CodeRMSNorm:
		rmsNorm(m, o.rmsNorm())
	case CodeLayerNorm:
		layerNorm(m, o.layerNorm())
	case CodeQuantize:
		quantize(m, o.quantize())
	case CodeMatmul:
		x.matmul(m, o.matmul())
	case CodeRope:
		rope(m, o.rope())
	case CodeStoreK, CodeStoreV:
		storeKV(m, o.storeKV(), code == CodeStoreV)
	case CodeAttention:
		x.attention(m, o.attention())
	case CodeGLU:
		glu(m, o.glu())
	case CodeActivate:
		e := o.activate()
		each(m.F32(e.X, e.Count), func(v float32) float32 { return nonlinear(e.Func, v) })
	case CodeAdd:
		add(m, o.add())
	case CodeScale:
		e := o.scale()
		each(m.F32(e.X, e.Count), func(v float32) float32 { return v * e.Factor })
	case CodeSoftcap:
		e := o.softcap()
		each(m.F32(e.X, e.Count), func(v float32) float32 { return softcap(v, e.Cap) })
	case CodeArgmax:
		argmax(m, o.argmax())
	case CodePack:
		pack(m, o.pack())
	case CodeBlend:
		blend(m, o.blend())
	case CodeAddLoRA:
		addLoRA(m, o.addLoRA())
	case CodeRebias:
		rebias(m, o.rebias())
	case CodeRoute:
		route(m, o.route())
	case CodeExpertMatmul:
		x.expertMatmul(m, o.expertMatmul())
	case CodeExpertSum:
		expertSum(m, o.expertSum())
	default:
		panic("kernels: unknown operation " + code.String())
	}
}

// packed gives read access to a packed matrix in memory.
func packed(m *Memory, a Addr, f Format, rows, k, zero int) packedMatrix {
	return packedMatrix{format: f, data: m.Bytes(a, f.PackedBytes(rows, k)), k: k, zero: zero}
}

func (x *Reference) embed(m *Memory, e Embed) {
	table := packed(m, e.Table, e.Format, e.Rows, e.K, e.Zero)
	for t, id := range m.I32(e.IDs, e.N) {
		dst := m.F32(e.Dst+Addr(4*t*e.K), e.K)
		table.row(int(id), dst)
		for i := range dst {
			dst[i] *= e.Scale
		}
	}
}

func rmsNorm(m *Memory, e RMSNorm) {
	w := m.F32(e.Weight, e.Dim)
	forRows(m, e.Dst, e.X, e.N, e.Rows, e.Dim, e.DstStride, e.XStride, func(dst, x []float32) {
		var sum float64
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
		scale := float32(1 / math.Sqrt(sum/float64(e.Dim)+float64(e.Eps)))
		for i, v := range x {
			dst[i] = v * scale * w[i]
		}
	})
}

func layerNorm(m *Memory, e LayerNorm) {
	w := m.F32(e.Weight, e.Dim)
	forRows(m, e.Dst, e.X, e.N, e.Rows, e.Dim, e.DstStride, e.XStride, func(dst, x []float32) {
		var mean, variance float64
		for _, v := range x {
			mean += float64(v)
		}
		mean /= float64(e.Dim)
		for _, v := range x {
			variance += (float64(v) - mean) * (float64(v) - mean)
		}
		scale := 1 / math.Sqrt(variance/float64(e.Dim)+float64(e.Eps))
		for i, v := range x {
			dst[i] = float32((float64(v)-mean)*scale) * w[i]
		}
		if e.Bias != 0 {
			for i, b := range m.F32(e.Bias, e.Dim) {
				dst[i] += b
			}
		}
	})
}

// forRows calls f for every row of every token.
func forRows(m *Memory, dst, x Addr, n, rows, dim, dstStride, xStride int, f func(dst, x []float32)) {
	for t := range n {
		for r := range rows {
			f(m.F32(dst+Addr(4*(t*dstStride+r*dim)), dim), m.F32(x+Addr(4*(t*xStride+r*dim)), dim))
		}
	}
}

func quantize(m *Memory, e Quantize) {
	layout := ActLayout{K: e.K, Sub: e.Sub}
	for t := 0; t < e.N; {
		width := e.width(t)
		tile := m.Bytes(e.Dst+Addr(t*layout.TokenBytes()), width*layout.TokenBytes())
		for u := range width {
			quantizeToken(layout, tile, m.F32(e.X+Addr(4*(t+u)*e.XStride), e.K), width, u, e.Zero)
		}
		t += width
	}
}

// quantizeToken writes token u of a tile of the given width.
func quantizeToken(layout ActLayout, tile []byte, x []float32, width, u, zero int) {
	dAt, startAt, sumAt := layout.planes(width)
	subs := BlockK / layout.Sub
	for b := range layout.K / BlockK {
		block := x[b*BlockK : (b+1)*BlockK]
		d, inv := blockScale(block)
		view[float32](tile[dAt+4*(b*width+u):], 1)[0] = d
		sums := [2]int32{}
		for i, v := range block {
			q := int32(math.RoundToEven(float64(v * inv)))
			at := layout.qs(b, u, width, i)
			tile[at], tile[at+16] = byte(int8(q)), byte(int8(q))
			sums[i/layout.Sub] += q
		}
		for s, sum := range sums[:subs] {
			at := 4 * ((b*subs+s)*width + u)
			view[int32](tile[startAt+at:], 1)[0] = StartBits - int32(zero)*sum
			view[float32](tile[sumAt+at:], 1)[0] = d * float32(sum)
		}
	}
}

// blockScale returns max|x|/127 and 127/max|x|, both zero for an all-zero block.
func blockScale(x []float32) (d, inv float32) {
	var amax float32
	for _, v := range x {
		amax = max(amax, float32(math.Abs(float64(v))))
	}
	if amax == 0 {
		return 0, 0
	}
	return amax / 127, 127 / amax
}

func (x *Reference) matmul(m *Memory, e Matmul) {
	w := packed(m, e.W, e.Format, e.Rows, e.K, e.Zero)
	var bias []float32
	if e.Bias != 0 {
		bias = m.F32(e.Bias, e.Rows)
	}
	store := func(t, r int, v float64) {
		dst := &m.F32(e.Dst+Addr(4*(t*e.DstStride+r)), 1)[0]
		v *= float64(e.Scale)
		if bias != nil {
			v += float64(bias[r])
		}
		if e.Accumulate != 0 {
			v += float64(*dst)
		}
		*dst = float32(v)
	}
	if e.Act == ActF32 {
		x.matmulF32(m, e, &w, store)
		return
	}
	x.matmulQ8(m, e, &w, store)
}

// matmulF32 multiplies dequantised weights with float activations.
func (x *Reference) matmulF32(m *Memory, e Matmul, w *packedMatrix, store func(t, r int, v float64)) {
	x.row = grow(x.row, e.K)
	acts := m.F32(e.X, (e.N-1)*e.XStride+e.K)
	for r := range e.Rows {
		w.row(r, x.row)
		for t := range e.N {
			store(t, r, dot(x.row, acts[t*e.XStride:]))
		}
	}
}

// dot sums x[i]·y[i] over x in float64.
func dot(x, y []float32) float64 {
	y = y[:len(x)]
	var s0, s1 float64
	i := 0
	for ; i+1 < len(x); i += 2 {
		s0 += float64(x[i]) * float64(y[i])
		s1 += float64(x[i+1]) * float64(y[i+1])
	}
	if i < len(x) {
		s0 += float64(x[i]) * float64(y[i])
	}
	return s0 + s1
}

// matmulQ8 multiplies integer weights with quantised activations: exact inside
// a block, float64 between blocks.
func (x *Reference) matmulQ8(m *Memory, e Matmul, w *packedMatrix, store func(t, r int, v float64)) {
	layout := ActLayout{K: e.K, Sub: e.Sub}
	nb, subs := e.K/BlockK, BlockK/e.Sub
	x.blocks = grow(x.blocks, nb)
	for r := range e.Rows {
		g, lane := w.group(r)
		planes := newPlanes(e.Format, g, e.K)
		for b := range nb {
			w.block(planes, lane, b, &x.blocks[b])
		}
		for t := 0; t < e.N; {
			width := TileWidth(e.N - t)
			tile := m.Bytes(e.X+Addr(t*layout.TokenBytes()), width*layout.TokenBytes())
			dAt, _, sumAt := layout.planes(width)
			for u := range width {
				var total float64
				for b := range nb {
					block, acts := &x.blocks[b], tile[layout.qs(b, u, width, 0):]
					scale := float64(f32At(tile, dAt+4*(b*width+u)))
					for h := range 2 {
						total += float64(block.d[h]) * scale * float64(dotQ8(block.q[16*h:], acts[32*h:]))
					}
					for s := range subs {
						total += float64(block.m[s]) * float64(f32At(tile, sumAt+4*((b*subs+s)*width+u)))
					}
				}
				store(t+u, r, total)
			}
			t += width
		}
	}
}

// dotQ8 is the integer product of half a block of weights with one of activations.
func dotQ8(q []int32, x []byte) (sum int32) {
	for i, w := range q[:BlockK/2] {
		sum += w * int32(int8(x[i]))
	}
	return sum
}

// f32At reads one float of a tile.
func f32At(tile []byte, at int) float32 { return view[float32](tile[at:], 1)[0] }

// grow returns a slice of length n, reusing s when it is long enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

// each applies f in place.
func each(x []float32, f func(float32) float32) {
	for i, v := range x {
		x[i] = f(v)
	}
}

// nonlinear evaluates one nonlinearity in float64.
func nonlinear(f Nonlinearity, v float32) float32 {
	x := float64(v)
	switch f {
	case SiLU:
		return float32(x / (1 + math.Exp(-x)))
	case GELU:
		return float32(0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*x*(1+0.044715*x*x))))
	case ReLU2:
		return float32(math.Max(x, 0) * math.Max(x, 0))
	case Sigmoid:
		return float32(1 / (1 + math.Exp(-x)))
	}
	panic("kernels: unknown nonlinearity")
}

func glu(m *Memory, e GLU) {
	for t := range e.N {
		gate := m.F32(e.Gate+Addr(4*t*e.Stride), e.Dim)
		up := m.F32(e.Up+Addr(4*t*e.Stride), e.Dim)
		dst := m.F32(e.Dst+Addr(4*t*e.DstStride), e.Dim)
		for i := range dst {
			dst[i] = nonlinear(e.Func, gate[i]) * up[i]
		}
	}
}

func add(m *Memory, e Add) {
	period := e.Period
	if period == 0 {
		period = e.Count
	}
	dst, a, b := m.F32(e.Dst, e.Count), m.F32(e.A, e.Count), m.F32(e.B, period)
	for i := range dst {
		dst[i] = a[i] + e.Scale*b[i%period]
	}
}

func softcap(v, c float32) float32 { return c * float32(math.Tanh(float64(v/c))) }

func argmax(m *Memory, e Argmax) {
	best, at := float32(math.Inf(-1)), int32(0)
	for i, v := range m.F32(e.X, e.Count) {
		if v > best {
			best, at = v, int32(i)
		}
	}
	m.I32(e.Dst, 1)[0] = at
}

func pack(m *Memory, e Pack) {
	rowBytes, groupBytes := e.Format.FileRowBytes(e.K), e.Format.GroupBytes(e.K)
	for r := 0; r < e.Rows; r += GroupRows {
		rows := min(GroupRows, e.Rows-r)
		dst := m.Bytes(e.Dst+Addr(r/GroupRows*groupBytes), groupBytes)
		packGroup(e.Format, dst, m.Bytes(e.Src+Addr(r*rowBytes), rows*rowBytes), rows, e.K, e.Zero)
	}
}
