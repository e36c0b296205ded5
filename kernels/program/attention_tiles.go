package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// sums are those of a tile: variables, [query][vector].
func (a attnFunc) sums(vectors int) [][]simd128.F32x4 {
	acc := make([][]simd128.F32x4, a.queries)
	for s := range acc {
		for range vectors {
			acc[s] = append(acc[s], a.f.F32x4Var("acc"))
		}
	}
	return acc
}

// attnScoresOf emits S[slot][key] = q·k for a block, a tile of keys at a time; where
// fewer are left the last four are repeated.
func (b *builder) attnScoresOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, k0, scale := b.part(name, kind)
	f, ct := a.f, cacheTypes[kind]
	dim := a.r.i32("KeyDim")
	groupBytes := dim.Mul(f.I32(4 * ct.bytes)).Let("group_bytes") // of four keys
	scaleBytes := dim.ShrUI(5).ShlI(4).Let("scale_bytes")
	out := f.I32Var("out")
	out.Set(a.scratch)
	stop := a.scratch.Add(keys.AddI(7).AndI(-8).ShlI(2)).Let("stop")
	k := make([]simd128.I32, a.vectors)
	for g := range k {
		k[g] = f.I32Var("k")
	}
	f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
		k[0].Set(k0)
		for g := 1; g < len(k); g++ {
			k[g].Set(k[g-1].Add(groupBytes))
			if g > 1 { // keys come in eights
				k[g].Set(simd128.Select(out.AddI(int32(16*g)).LtU(stop), k[g], k[g-1]))
			}
		}
		k0.Set(k[len(k)-1].Add(groupBytes))
		a.scoreTile(ct, k, scale, scaleBytes, dim, out)
		if kind == kernels.KVQ8 {
			scale.Set(scale.Add(scaleBytes.MulI(int32(a.vectors))))
		}
		out.Set(out.AddI(int32(16 * a.vectors)))
	})
	return f
}

// scoreTile is what the loop over a tile's columns works on.
type scoreTile struct {
	attnFunc
	ct   cacheType
	k, q []simd128.I32 // variables: the next columns of keys and queries
	acc  [][]simd128.F32x4
}

// scoreTile computes the scores of a tile; it moves k.
func (a attnFunc) scoreTile(ct cacheType, k []simd128.I32, scale, scaleBytes, dim, out simd128.I32) {
	f := a.f
	t := scoreTile{attnFunc: a, ct: ct, k: k, acc: a.sums(len(k))}
	for s := range t.acc {
		t.q = append(t.q, f.I32Var("q"))
		t.q[s].Set(a.slots.LoadI32(s*slotBytes + slotQuery))
		for _, y := range t.acc[s] {
			y.Set(f.F32x4(0))
		}
	}
	end := k[0].Add(dim.Mul(f.I32(4 * ct.bytes))).Let("k_end")
	if ct.bytes > 1 {
		f.While(func() simd128.I32 { return k[0].LtU(end) }, func() { t.columns(nil) })
	} else {
		t.scaledColumns(scale, scaleBytes, end)
	}
	for s := len(t.acc) - 1; s >= 0; s-- {
		for g := len(k) - 1; g >= 0; g-- {
			out.StoreV128(attnScores+s*attnBlock*4+16*g, t.acc[s][g].AsV128())
		}
	}
}

// columns adds the next four, downwards as in matmul; nil: there are no scales.
func (t scoreTile) columns(scales []simd128.F32x4) {
	for col := 3; col >= 0; col-- {
		v := make([]simd128.F32x4, len(t.k))
		for g := range t.k {
			v[g] = t.ct.load(t.constants, t.k[g], 4*col*int(t.ct.bytes))
			if scales != nil {
				v[g] = v[g].Mul(scales[g])
			}
			v[g] = v[g].Let("v")
		}
		for s := range t.acc {
			x := t.q[s].Load32Splat(4 * col).AsF32x4().Let("x")
			for g, y := range t.acc[s] {
				y.Set(madd(x, v[g], y))
			}
		}
	}
	for s := range t.q {
		t.q[s].Set(t.q[s].AddI(16))
	}
	for g := range t.k {
		t.k[g].Set(t.k[g].AddI(16 * t.ct.bytes))
	}
}

// scaledColumns adds all columns, 32 to a scale.
func (t scoreTile) scaledColumns(scale, scaleBytes, end simd128.I32) {
	f, k := t.f, t.k
	block := f.I32Var("block")
	block.Set(scale)
	f.While(func() simd128.I32 { return k[0].LtU(end) }, func() {
		scales := make([]simd128.F32x4, len(k))
		for g := range k {
			scales[g] = block.Add(scaleBytes.MulI(int32(g))).LoadF32x4(0).Let("scale")
		}
		stop := k[0].AddI(4 * kernels.BlockK).Let("block_end")
		f.While(func() simd128.I32 { return k[0].LtU(stop) }, func() { t.columns(scales) })
		block.Set(block.AddI(16))
	})
}

// valueKeys is the number of keys per turn of the loop over values.
const valueKeys = 4

// attnValuesOf emits dst = dst·fix + S·v, the columns of a tile at a time (and four
// columns where they do not fit).
func (b *builder) attnValuesOf(name string, kind kernels.KVType) *simd128.Func {
	a, keys, v, scale := b.part(name, kind)
	f, ct := a.f, cacheTypes[kind]
	dim := a.r.i32("ValueDim")
	rowBytes := dim.Mul(f.I32(ct.bytes)).Let("row_bytes")
	scaleStride := dim.ShrUI(5).ShlI(2).Let("scale_stride")
	c := f.I32Var("c")
	c.Set(f.I32(0))
	columns := func(vectors int) {
		a.valueColumns(ct, vectors, v.Add(c.Mul(f.I32(ct.bytes))), rowBytes, keys, c, scale, scaleStride)
		c.Set(c.AddI(int32(4 * vectors)))
	}
	wide := dim.AndI(int32(-4 * a.vectors)).Let("wide")
	f.While(func() simd128.I32 { return c.LtU(wide) }, func() { columns(a.vectors) })
	f.While(func() simd128.I32 { return c.LtU(dim) }, func() { columns(1) })
	return f
}

// valueTile is what the loop over a block's keys works on.
type valueTile struct {
	attnFunc
	ct            cacheType
	vectors       int
	acc           [][]simd128.F32x4
	v, p, sp      simd128.I32 // variables: values, weights and scales of the next key
	row, scaleRow simd128.I32 // bytes from one key to the next
}

// valueColumns adds a block's values in 4·vectors columns starting at c.
func (a attnFunc) valueColumns(ct cacheType, vectors int, at, rowBytes, keys, c, scale, scaleStride simd128.I32) {
	f := a.f
	t := valueTile{attnFunc: a, ct: ct, vectors: vectors, acc: a.sums(vectors), v: f.I32Var("vp"), p: f.I32Var("p"), row: rowBytes, scaleRow: scaleStride}
	t.v.Set(at)
	t.p.Set(a.scratch)
	t.columns(c, func(s int, dst simd128.I32) {
		fix := a.slots.Load32Splat(s*slotBytes + slotFix).AsF32x4().Let("fix")
		for i := vectors - 1; i >= 0; i-- {
			t.acc[s][i].Set(dst.LoadF32x4(16 * i).Mul(fix))
		}
	})
	if ct.bytes == 1 {
		t.sp = f.I32Var("sp")
		t.sp.Set(scale.Add(c.ShrUI(5).ShlI(2)))
	}
	stop := a.scratch.Add(keys.ShlI(2)).Let("p_end")
	if vectors > 1 && !a.direct {
		wide := a.scratch.Add(keys.AndI(-valueKeys).ShlI(2)).Let("p_wide")
		f.While(func() simd128.I32 { return t.p.LtU(wide) }, func() { t.keys(valueKeys) })
	}
	f.While(func() simd128.I32 { return t.p.LtU(stop) }, func() { t.keys(1) })
	t.columns(c, func(s int, dst simd128.I32) {
		for i := vectors - 1; i >= 0; i-- {
			dst.StoreV128(16*i, t.acc[s][i].AsV128(), 2)
		}
	})
}

// columns calls body with every query's output at column c.
func (t valueTile) columns(c simd128.I32, body func(s int, dst simd128.I32)) {
	for s := range t.acc {
		body(s, t.slots.LoadI32(s*slotBytes+slotDst).Add(c.ShlI(2)).Let("dst"))
	}
}

// keys adds the next n keys, one of those that have scales; downwards as in matmul.
func (t valueTile) keys(n int) {
	rows := []simd128.I32{t.v}
	for len(rows) <= n {
		rows = append(rows, rows[len(rows)-1].Add(t.row).Let("row"))
	}
	for j := n - 1; j >= 0; j-- {
		x := t.load(rows[j])
		for s := len(t.acc) - 1; s >= 0; s-- {
			w := t.p.Load32Splat(attnScores + s*attnBlock*4 + 4*j).AsF32x4().Let("w")
			for i := range x {
				t.acc[s][i].Set(madd(w, x[i], t.acc[s][i]))
			}
		}
	}
	t.v.Set(rows[n])
	t.p.Set(t.p.AddI(int32(4 * n)))
	if t.ct.bytes == 1 {
		t.sp.Set(t.sp.Add(t.scaleRow))
	}
}

// load reads one key's values at row.
func (t valueTile) load(row simd128.I32) []simd128.F32x4 {
	x := make([]simd128.F32x4, t.vectors)
	var d simd128.F32x4
	if t.ct.bytes == 1 {
		d = t.sp.Load32Splat(0).AsF32x4().Let("d")
	}
	for i := t.vectors - 1; i >= 0; i-- {
		x[i] = t.ct.load(t.constants, row, i*4*int(t.ct.bytes))
		if t.ct.bytes == 1 {
			x[i] = x[i].Mul(d)
		}
		x[i] = x[i].Let("x")
	}
	return x
}
