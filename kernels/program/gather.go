package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// embed gathers rows of a packed table: the row's group is unpacked into the
// scratch, then one lane of it is read.
func (b *builder) embed() *simd128.Func {
	tables := b.tables()
	f, r, start, end := b.unitsFunc("embed", kernels.Embed{})
	dst, table, ids, k := r.i32("Dst"), r.i32("Table"), r.i32("IDs"), r.i32("K")
	format, scale := r.i32("Format"), r.f32("Scale")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	packed, _, kind := b.sizesOf(f, format, k)
	t, g := f.I32Var("t"), f.I32Var("group")
	f.For(t, start, end, 1, func() {
		id := ids.Add(t.ShlI(2)).LoadI32(0).Let("id")
		out := at(f, dst, t.Mul(k))
		lane := id.AndI(3).Let("lane")
		g.Set(table.Add(id.ShrUI(2).Mul(packed)))
		f.IfElse(kind.EqI(int32(floatKind)), func() {
			b.gatherFloats(f, format, g, lane, out, k)
		}, func() {
			f.Call(tables.unpack, format, g, scratch, k, f.I32(1))
			b.gatherBytes(f, r, kind, scratch, lane, out, k)
		})
		f.If(scale.Ne(f.F32(1)), func() {
			p := at(f, dst, t.Mul(k))
			vectors(f, k, []simd128.I32{p}, func() {
				p.StoreV128(0, p.LoadF32x4(0).Mul(scale.Splat()).AsV128(), 2)
			}, func() { p.StoreF32(0, p.LoadF32(0).Mul(scale)) })
		})
	})
	return f
}

// gatherFloats reads one lane of a group of float weights.
func (b *builder) gatherFloats(f *simd128.Func, format, g, lane, out, k simd128.I32) {
	stop := out.Add(k.ShlI(2)).Let("stop")
	size := simd128.Select(format.EqI(int32(kernels.F32)), f.I32(4), f.I32(2)).Let("size")
	g.Set(g.Add(lane.Mul(size)))
	step := size.ShlI(2).Let("step")
	f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
		f.Switch(format.SubI(int32(kernels.F32)), []func(){
			func() { out.StoreF32(0, g.LoadF32(0)) },
			func() { out.StoreF32(0, half1(f, g, 0)) },
			func() { out.StoreI32(0, g.Load16U(0).ShlI(16)) },
		}, nil)
		g.Set(g.Add(step))
		out.Set(out.AddI(4))
	})
}

// half1 widens one float16 value.
func half1(f *simd128.Func, p simd128.I32, offset int) simd128.F32 {
	v := p.Load16S(offset).ShlI(13).And(f.I32(-0x70002000)).SplatI32x4().AsF32x4().Mul(f.F32x4(0x1p112)).Let("h")
	return v.ExtractLane(0)
}

// gatherBytes dequantises one lane of the wide blocks at src. A row is one lane of
// its group, turned by its number (see kernels.Format).
func (b *builder) gatherBytes(f *simd128.Func, r *record, kind, src, lane, out, k simd128.I32) {
	at, m, step, between := f.I32Var("at"), f.F32x4Var("m4"), f.I32Var("step"), f.I32Var("between")
	at.Set(src)
	b.wideSteps(f, kind, step, between)
	withMin := f.I32(minFormats()).ShrU(r.i32("Format")).AndI(1).Let("with_min")
	zero := r.i32("Zero").SplatI32x4().Let("zero")
	shuffle := f.V128Var("pick")
	b.pickLane(f, shuffle, lane)
	stop := out.Add(k.ShlI(2)).Let("stop")
	f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
		qs, apart := f.I32Var("qs"), f.I32Var("apart")
		qs.Set(at)
		// the scale lies behind the half, or behind both
		apart.Set(simd128.Select(between, f.I32(0), f.I32(halfBytes)))
		end := out.AddI(128).Let("end")
		f.Loop(func(again simd128.Label) {
			d := qs.Add(lane.ShlI(2)).Add(apart).Let("d")
			d4 := d.Load32Splat(halfBytes).AsF32x4().Let("d4")
			f.If(withMin, func() { m.Set(d.Load32Splat(halfBytes + 16).AsF32x4()) })
			for j := range 4 {
				word := qs.LoadI8x16(16 * j).Swizzle(shuffle.AsI8x16()).AsI32x4() // the lane's four bytes, one per 32-bit lane
				w := word.Sub(zero).ShlI(24).ShrSI(24)                            // bytes wrap: the difference has eight bits
				to := out.Add(lane.AddI(int32(j)).AndI(3).ShlI(4))
				to.StoreV128(0, madd(w.ConvertS(), d4, m).AsV128(), 2)
			}
			qs.Set(qs.Add(between).AddI(halfBytes))
			apart.Set(f.I32(0))
			out.Set(out.AddI(64))
			f.BrIf(again, out.LtU(end))
		})
		at.Set(at.Add(step))
	})
}

// pickLane sets shuffle to the indices that spread the lane's bytes, with
// indices out of range (which give zero) between them.
func (b *builder) pickLane(f *simd128.Func, shuffle simd128.V128, lane simd128.I32) {
	base := f.I32x4(-256, -255, -254, -253) // 0xffffff00 … 0xffffff03
	shuffle.Set(base.Add(lane.ShlI(2).SplatI32x4()).AsV128())
}

// argmax is serial: it reads the logits once, four lanes at a time, and looks
// for the first place of the largest in a second pass.
func (b *builder) argmax() *simd128.Func {
	f, r, _, _ := b.unitsFunc("argmax", kernels.Argmax{})
	x, count := r.i32("X"), r.i32("Count")
	p := at(f, x, f.I32(0))
	top := f.F32x4Var("top")
	top.Set(f.F32x4(negInf()))
	last := f.F32Var("last")
	last.Set(f.F32(negInf()))
	vectors(f, count, []simd128.I32{p}, func() {
		top.Set(top.Pmax(p.LoadF32x4(0))) // pmax keeps top unless the new value is larger: NaN never wins
	}, func() {
		v := p.LoadF32(0).Let("v")
		last.Set(simd128.Select(v.Gt(last), v, last))
	})
	best := max4(top).Max(last).Let("best")
	p.Set(x)
	end := x.Add(count.ShlI(2)).Let("end")
	f.Block(func(found simd128.Label) {
		f.While(func() simd128.I32 { return p.LtU(end) }, func() {
			f.BrIf(found, p.LoadF32(0).Eq(best))
			p.Set(p.AddI(4))
		})
		p.Set(x) // nothing but NaN
	})
	r.i32("Dst").StoreI32(0, p.Sub(x).ShrUI(2))
	return f
}
