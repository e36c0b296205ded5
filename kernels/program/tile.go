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

// store writes the results of one group: scaled, with bias, perhaps added.
func (t *tileFunc) store(g int) {
	f, ys := t.f, t.results[g]
	if t.storeGroup != nil {
		f.Call(t.storeGroup, t.rec.base, t.group.AddI(int32(g)), t.out.AddI(int32(16*g)), ys[0].AsV128())
		return
	}
	bias := f.F32x4Var("bias4")
	f.If(t.bias, func() { bias.Set(t.bias.Add(t.group.ShlI(4)).LoadF32x4(16 * g)) })
	for _, y := range ys {
		y.Set(madd(y, t.scale, bias))
	}
	left := t.rows.Sub(t.group.ShlI(2)).SubI(int32(4 * g)).Let("left")
	at := t.out.AddI(int32(16 * g)).Let("at")
	whole := left.GeSI(kernels.GroupRows).Let("whole")
	if t.width == 1 { // adapters' low-rank paths add to every row: not one lane at a time
		f.If(whole.And(t.accum), func() { ys[0].Set(ys[0].Add(at.LoadF32x4(0))) })
	} else {
		whole = whole.And(t.accum.Eqz())
	}
	f.IfElse(whole, func() {
		t.eachRow(at, func(u int, p simd128.I32) { p.StoreV128(0, ys[u].AsV128(), 2) })
	}, func() {
		t.eachRow(at, func(u int, p simd128.I32) { f.Call(t.partial, p, ys[u], left, t.accum) })
	})
}

// eachRow calls body with the address of every token's output.
func (t *tileFunc) eachRow(at simd128.I32, body func(u int, p simd128.I32)) {
	p := t.f.I32Var("p")
	p.Set(at)
	for u := range t.width {
		if u > 0 {
			p.Set(p.Add(t.dstStride))
		}
		body(u, p)
	}
}

// sharedStore emits store_group(record, group, at, y), once: store for one token, of the
// tiles that are not worth 120 bytes for every group. What a call costs shows where rows
// are short (float16 with 16 columns: 0.86) and in wazero (Q8_0: 0.93).
func (b *builder) sharedStore(partial *simd128.Func) *simd128.Func {
	if b.storeGroup != nil {
		return b.storeGroup
	}
	f := b.m.Func("store_group")
	b.storeGroup = f
	r := recordOf(f, f.ParamI32("record"), kernels.Matmul{})
	group, at := f.ParamI32("group"), f.ParamI32("at")
	y, bias4 := f.ParamV128("y").AsF32x4(), f.F32x4Var("bias4")
	bias, accum := r.i32("Bias"), r.i32("Accumulate")
	first := group.ShlI(2).Let("first")
	f.If(bias, func() { bias4.Set(bias.Add(first.ShlI(2)).LoadF32x4(0)) })
	y.Set(madd(y, r.base.Load32Splat(r.at("Scale")).AsF32x4(), bias4))
	left := r.i32("Rows").Sub(first).Let("left")
	f.IfElse(left.GeSI(kernels.GroupRows), func() {
		f.If(accum, func() { y.Set(y.Add(at.LoadF32x4(0))) })
		at.StoreV128(0, y.AsV128(), 2)
	}, func() { f.Call(partial, at, y, left, accum) })
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
