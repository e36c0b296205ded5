package program

import (
	"fmt"

	"pastel/kernels"
	"pastel/simd128"
)

// A tileFunc multiplies the groups first..end of a matrix with one tile of
// tokens. All have the same signature so that matmul can pick one from a table:
//
//	(record, first, end, x, dst, w)
//
// x is the tile's activations, dst the output row of its first token, w the
// address of group 0. A tile works on several groups at a time, which
// share the loads of activations; where fewer are left the last is repeated
// and not stored.
type tileFunc struct {
	f          *simd128.Func
	rec        *record
	width      int // tokens
	end        simd128.I32
	x          simd128.I32
	group      simd128.I32   // variable: current group
	w          []simd128.I32 // variables: weights of the current groups
	start      simd128.I32   // weights of the first group
	groupBytes simd128.I32
	k, rows    simd128.I32
	out        simd128.I32 // variable: dst at the current group
	dstStride  simd128.I32 // bytes
	accum      simd128.I32
	bias       simd128.I32
	scale      simd128.F32x4
	results    [][]simd128.F32x4 // variables: [group][token]
	constants  *constants
	partial    *simd128.Func
	storeGroup *simd128.Func // nil: stored by code of its own
}

// tile emits a tile function around body, which fills results.
func (b *builder) tile(name string, groups, width int, bytes func(f *simd128.Func, k simd128.I32) simd128.I32, partial *simd128.Func, body func(t *tileFunc)) *simd128.Func {
	f := b.m.Func(fmt.Sprintf("matmul_%s_%d", name, width))
	t := &tileFunc{f: f, width: width, partial: partial}
	base, first := f.ParamI32("record"), f.ParamI32("first")
	t.end, t.x = f.ParamI32("end"), f.ParamI32("x")
	dst, w := f.ParamI32("dst"), f.ParamI32("w")
	t.rec = recordOf(f, base, kernels.Matmul{})
	t.k, t.rows = t.rec.i32("K"), t.rec.i32("Rows")
	t.bias, t.accum = t.rec.i32("Bias"), t.rec.i32("Accumulate")
	t.scale = base.Load32Splat(t.rec.at("Scale")).AsF32x4().Let("scale")
	t.dstStride = t.rec.i32("DstStride").ShlI(2).Let("dst_stride")
	t.groupBytes = bytes(f, t.k).Let("group_bytes")
	t.constants = newConstants(f)
	for g := range groups {
		t.w = append(t.w, f.I32Var("w"))
		t.results = append(t.results, nil)
		for range width {
			t.results[g] = append(t.results[g], f.F32x4Var("y"))
		}
	}
	t.start = w.Add(first.Mul(t.groupBytes)).Let("start")
	t.w[0].Set(t.start)
	t.out = f.I32Var("out")
	t.out.Set(dst.Add(first.ShlI(4)))
	t.group = f.I32Var("group")
	f.For(t.group, first, t.end, int32(groups), func() {
		for g := 1; g < groups; g++ {
			next := t.w[g-1].Add(t.groupBytes).Let("next")
			t.w[g].Set(simd128.Select(t.group.AddI(int32(g)).LtS(t.end), next, t.w[g-1]))
		}
		for _, ys := range t.results {
			for _, y := range ys {
				y.Set(f.F32x4(0))
			}
		}
		body(t)
		t.store(0)
		for g := 1; g < groups; g++ {
			f.If(t.group.AddI(int32(g)).LtS(t.end), func() { t.store(g) })
		}
		t.w[0].Set(t.w[0].Add(t.groupBytes.Mul(f.I32(int32(groups)))))
		t.out.Set(t.out.AddI(int32(16 * groups)))
	})
	return f
}

// store writes the results of one group: scaled, with bias, perhaps added. The tiles that
// are used most do it in place; for the others a function does, since they are not worth
// 120 bytes for every group of one token, 300 for one of four. What a call costs shows
// where rows are short (float16 with 16 columns: 0.86), in wazero (Q8_0: 0.93) and in
// prefill (0.99).
func (t *tileFunc) store(g int) {
	f, at := t.f, t.out.AddI(int32(16*g)).Let("at")
	if t.storeGroup != nil {
		args := []simd128.Value{t.rec.base, t.group.AddI(int32(g)), at}
		for _, y := range t.results[g] {
			args = append(args, y.AsV128())
		}
		f.Call(t.storeGroup, args...)
		return
	}
	bias := f.F32x4Var("bias4")
	f.If(t.bias, func() { bias.Set(t.bias.Add(t.group.ShlI(4)).LoadF32x4(16 * g)) })
	left := t.rows.Sub(t.group.ShlI(2)).SubI(int32(4 * g)).Let("left")
	storeRows(f, t.results[g], t.scale, bias, left, t.accum, at, t.dstStride, t.partial)
}

// storeRows stores up to left rows of some tokens.
func storeRows(f *simd128.Func, ys []simd128.F32x4, scale, bias simd128.F32x4, left, accum, at, stride simd128.I32, partial *simd128.Func) {
	for _, y := range ys {
		y.Set(madd(y, scale, bias))
	}
	p := f.I32Var("p")
	eachRow := func(body func(y simd128.F32x4)) {
		p.Set(at)
		for u, y := range ys {
			if u > 0 {
				p.Set(p.Add(stride))
			}
			body(y)
		}
	}
	f.IfElse(left.GeSI(kernels.GroupRows), func() {
		f.If(accum, func() { eachRow(func(y simd128.F32x4) { y.Set(y.Add(p.LoadF32x4(0))) }) })
		eachRow(func(y simd128.F32x4) { p.StoreV128(0, y.AsV128(), 2) })
	}, func() {
		eachRow(func(y simd128.F32x4) { f.Call(partial, p, y, left, accum) })
	})
}

// sharedStore emits store_group(record, group, at, y …), once for a number of tokens.
func (b *builder) sharedStore(partial *simd128.Func, width int) *simd128.Func {
	if b.storeGroups[width] != nil {
		return b.storeGroups[width]
	}
	f := b.m.Func(fmt.Sprintf("store_group_%d", width))
	b.storeGroups[width] = f
	r := recordOf(f, f.ParamI32("record"), kernels.Matmul{})
	group, at := f.ParamI32("group"), f.ParamI32("at")
	var ys []simd128.F32x4
	for range width {
		ys = append(ys, f.ParamV128("y").AsF32x4())
	}
	bias, bias4 := r.i32("Bias"), f.F32x4Var("bias4")
	first := group.ShlI(2).Let("first")
	f.If(bias, func() { bias4.Set(bias.Add(first.ShlI(2)).LoadF32x4(0)) })
	scale := r.base.Load32Splat(r.at("Scale")).AsF32x4().Let("scale")
	left := r.i32("Rows").Sub(first).Let("left")
	storeRows(f, ys, scale, bias4, left, r.i32("Accumulate"), at, r.i32("DstStride").ShlI(2).Let("stride"), partial)
	return f
}

// storePartial emits store_partial(p, y, left, accumulate): up to left rows of a
// group, perhaps added to what is there.
func (b *builder) storePartial() *simd128.Func {
	f := b.m.Func("store_partial")
	p, y := f.ParamI32("p"), f.ParamV128("y").AsF32x4()
	left, accum := f.ParamI32("left"), f.ParamI32("accumulate")
	v := f.F32Var("v")
	for lane := range kernels.GroupRows {
		f.If(left.GtSI(int32(lane)), func() {
			v.Set(y.ExtractLane(lane))
			f.If(accum, func() { v.Set(v.Add(p.LoadF32(4 * lane))) })
			p.StoreF32(4*lane, v)
		})
	}
	return f
}
