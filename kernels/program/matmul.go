package program

import (
	"fmt"

	"pastel/kernels"
	"pastel/simd128"
)

// A tile function multiplies the groups first..end of a matrix with one tile of
// tokens. All have the same signature so that matmul can pick one from a table.
type tileFunc struct {
	f            *simd128.Func
	record       simd128.I32
	first, end   simd128.I32 // groups
	x            simd128.I32 // the tile's activations
	dst          simd128.I32 // output row of the tile's first token
	width        int         // tokens
	rec          *record
	group        simd128.I32 // variable: current group
	scale        simd128.F32x4
	dstStride    simd128.I32 // bytes
	k            simd128.I32 // columns
	bias, accum  simd128.I32
	rows         simd128.I32
	w            simd128.I32 // variable: the current group's weights
	groupBytes   simd128.I32
	out          simd128.I32 // variable: dst at the current group
	results      []simd128.F32x4
	biasOrZero   simd128.F32x4 // variable
	storePointer simd128.I32   // variable
	constants    *constants
}

// matmul emits the operation and all its tile functions.
//
// For every tile of tokens it runs over its groups: the tile's activations stay
// in the first-level cache and the weights of one chunk of groups in the second.
func (b *builder) matmul() *simd128.Func {
	table := b.tileTable()
	f, r, start, end := b.unitsFunc("matmul", kernels.Matmul{})
	n, x, dst := r.i32("N"), r.i32("X"), r.i32("Dst")
	xBytes := b.tokenBytes(f, r)
	dstBytes := r.i32("DstStride").ShlI(2).Let("dst_bytes")
	base := r.i32("Format").Mul(f.I32(int32(len(kernels.TileWidths)))).Let("slots")
	t, width, which := f.I32Var("t"), f.I32Var("width"), f.I32Var("which")
	f.While(func() simd128.I32 { return t.LtS(n) }, func() {
		b.pickWidth(f, n.Sub(t), width, which)
		f.CallIndirect(table, tileSignature, base.Add(which),
			r.base, start, end, x.Add(t.Mul(xBytes)), dst.Add(t.Mul(dstBytes)))
		t.Set(t.Add(width))
	})
	return f
}

// tokenBytes is the size of one token's activations in bytes.
func (b *builder) tokenBytes(f *simd128.Func, r *record) simd128.I32 {
	bytes := f.I32Var("x_bytes")
	f.IfElse(r.i32("Act"), func() {
		nb := r.i32("K").ShrUI(5)
		subs := f.I32(32).DivU(r.i32("Sub"))
		bytes.Set(actTokenBytes(nb, subs))
	}, func() { bytes.Set(r.i32("XStride").ShlI(2)) })
	return bytes
}

// actTokenBytes is kernels.ActLayout.TokenBytes.
func actTokenBytes(nb, subs simd128.I32) simd128.I32 {
	return nb.Mul(subs.ShlI(3).AddI(kernels.ActBlockBytes + 4)).AddI(63).AndI(-64)
}

// pickWidth sets width to kernels.TileWidth(left) and which to its index.
func (b *builder) pickWidth(f *simd128.Func, left, width, which simd128.I32) {
	left = left.Let("left")
	last := len(kernels.TileWidths) - 1
	width.Set(f.I32(int32(kernels.TileWidths[last])))
	which.Set(f.I32(int32(last)))
	for i := last - 1; i >= 0; i-- {
		w := int32(kernels.TileWidths[i])
		f.If(left.GeSI(w), func() {
			width.Set(f.I32(w))
			which.Set(f.I32(int32(i)))
		})
	}
}

var tileSignature = simd128.Signature{Params: []simd128.Type{
	simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32,
}}

// tileTable emits the tile functions of every format and width and the table
// of them, indexed by format·len(TileWidths) + index of the width.
func (b *builder) tileTable() *simd128.Table {
	if b.tiles != nil {
		return b.tiles
	}
	var funcs []*simd128.Func
	none := b.m.Func("matmul_none")
	for range tileSignature.Params {
		none.ParamI32("p")
	}
	none.Unreachable()
	for f := range kernels.Formats() {
		for _, width := range kernels.TileWidths {
			if emit := b.tileEmitter(f); emit != nil {
				funcs = append(funcs, b.tile(f, width, emit))
			} else {
				funcs = append(funcs, none)
			}
		}
	}
	b.tiles = b.m.Table(funcs...)
	return b.tiles
}

// tileEmitter returns the body of a format's inner loop.
func (b *builder) tileEmitter(f kernels.Format) func(t *tileFunc) {
	switch f {
	case kernels.F32, kernels.F16, kernels.BF16:
		return func(t *tileFunc) { t.floatGroup(f) }
	case kernels.Q8_0, kernels.Q4_0, kernels.Q4_1, kernels.Q5_0, kernels.Q5_1:
		return func(t *tileFunc) { t.blockGroup(blockFormats[f]) }
	}
	return nil
}

// tile emits one tile function.
func (b *builder) tile(format kernels.Format, width int, group func(t *tileFunc)) *simd128.Func {
	f := b.m.Func(fmt.Sprintf("matmul_%s_%d", format, width))
	t := &tileFunc{f: f, width: width}
	t.record, t.first, t.end = f.ParamI32("record"), f.ParamI32("first"), f.ParamI32("end")
	t.x, t.dst = f.ParamI32("x"), f.ParamI32("dst")
	t.rec = recordOf(f, t.record, kernels.Matmul{})
	t.k, t.rows = t.rec.i32("K"), t.rec.i32("Rows")
	t.bias, t.accum = t.rec.i32("Bias"), t.rec.i32("Accumulate")
	t.scale = t.rec.base.Load32Splat(t.rec.at("Scale")).AsF32x4().Let("scale")
	t.dstStride = t.rec.i32("DstStride").ShlI(2).Let("dst_stride")
	perBlock, columns := format.GroupBytes(kernels.BlockK), int32(5)
	if !format.Quantised() {
		perBlock, columns = format.GroupBytes(1), 0
	}
	t.groupBytes = t.k.ShrUI(columns).Mul(f.I32(int32(perBlock))).Let("group_bytes")
	t.w = f.I32Var("w")
	t.w.Set(t.rec.i32("W").Add(t.first.Mul(t.groupBytes)))
	t.out = f.I32Var("out")
	t.out.Set(t.dst.Add(t.first.ShlI(4)))
	t.constants = newConstants(f)
	t.biasOrZero = f.F32x4Var("bias4")
	t.storePointer = f.I32Var("store")
	for u := range width {
		t.results = append(t.results, f.F32x4Var(fmt.Sprintf("y%d", u)))
	}
	t.group = f.I32Var("group")
	f.For(t.group, t.first, t.end, 1, func() {
		for u := range width {
			t.results[u].Set(f.F32x4(0))
		}
		group(t)
		t.store()
		t.w.Set(t.w.Add(t.groupBytes))
		t.out.Set(t.out.AddI(16))
	})
	return f
}

// store writes the results of one group: scaled, with bias, perhaps added.
func (t *tileFunc) store() {
	f := t.f
	t.biasOrZero.Set(f.F32x4(0))
	f.If(t.bias, func() { t.biasOrZero.Set(t.bias.Add(t.group.ShlI(4)).LoadF32x4(0)) })
	for _, y := range t.results {
		y.Set(madd(y, t.scale, t.biasOrZero))
	}
	t.storePointer.Set(t.out)
	left := t.rows.Sub(t.group.ShlI(2)).Let("left")
	f.IfElse(left.GeSI(kernels.GroupRows), func() {
		f.IfElse(t.accum, func() { t.storeAll(true) }, func() { t.storeAll(false) })
	}, func() { t.storeSome(left) })
}

// storeAll writes four rows of every token.
func (t *tileFunc) storeAll(accumulate bool) {
	for u, y := range t.results {
		if accumulate {
			y = y.Add(t.storePointer.LoadF32x4(0))
		}
		t.storePointer.StoreV128(0, y.AsV128(), 2)
		if u < t.width-1 {
			t.storePointer.Set(t.storePointer.Add(t.dstStride))
		}
	}
}

// storeSome writes the first left rows of every token.
func (t *tileFunc) storeSome(left simd128.I32) {
	f := t.f
	for _, y := range t.results {
		for lane := range kernels.GroupRows - 1 {
			f.If(left.GtSI(int32(lane)), func() {
				v := f.F32Var("v")
				v.Set(y.ExtractLane(lane))
				f.If(t.accum, func() { v.Set(v.Add(t.storePointer.LoadF32(4 * lane))) })
				t.storePointer.StoreF32(4*lane, v)
			})
		}
		t.storePointer.Set(t.storePointer.Add(t.dstStride))
	}
}
