package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// embed gathers rows of a packed table. A row is one lane of its group, so a
// word of it stands every 16 bytes.
func (b *builder) embed() *simd128.Func {
	f, r, start, end := b.unitsFunc("embed", kernels.Embed{})
	dst, table, ids, k := r.i32("Dst"), r.i32("Table"), r.i32("IDs"), r.i32("K")
	format, scale := r.i32("Format"), r.f32("Scale")
	t := f.I32Var("t")
	out, g, lane := f.I32Var("out"), f.I32Var("group"), f.I32Var("lane")
	cases := make([]func(), 0)
	for packed := range kernels.Formats() {
		cases = append(cases, func() { b.gatherRow(f, r, packed, out, g, lane, k) })
	}
	f.For(t, start, end, 1, func() {
		id := ids.Add(t.ShlI(2)).LoadI32(0).Let("id")
		out.Set(dst.Add(t.Mul(k).ShlI(2)))
		lane.Set(id.AndI(3))
		g.Set(id.ShrUI(2))
		f.Switch(format, offsetTable(f, cases, table, g, k), func() { f.Unreachable() })
		f.If(scale.Ne(f.F32(1)), func() {
			p := f.I32Var("p")
			p.Set(dst.Add(t.Mul(k).ShlI(2)))
			vectors(f, k, []simd128.I32{p}, func() {
				p.StoreV128(0, p.LoadF32x4(0).Mul(scale.Splat()).AsV128(), 2)
			}, func() { p.StoreF32(0, p.LoadF32(0).Mul(scale)) })
		})
	})
	return f
}

// offsetTable turns the group number in g into its address before each case.
func offsetTable(f *simd128.Func, cases []func(), table, g, k simd128.I32) []func() {
	placed := make([]func(), len(cases))
	for i, gather := range cases {
		packed := kernels.Format(i)
		placed[i] = func() {
			if packed == kernels.FormatNone {
				f.Unreachable()
				return
			}
			perBlock, columns := packed.GroupBytes(kernels.BlockK), int32(5)
			if !packed.Quantised() {
				perBlock, columns = packed.GroupBytes(1), 0
			}
			g.Set(table.Add(g.Mul(k.ShrUI(columns).Mul(f.I32(int32(perBlock))))))
			gather()
		}
	}
	return placed
}

// gatherRow dequantises one lane of the group at g into out.
func (b *builder) gatherRow(f *simd128.Func, r *record, packed kernels.Format, out, g, lane, k simd128.I32) {
	stop := out.Add(k.ShlI(2)).Let("stop")
	each := func(words int32, body func()) {
		f.While(func() simd128.I32 { return out.LtU(stop) }, func() {
			body()
			out.Set(out.AddI(4 * words))
		})
	}
	switch packed {
	case kernels.FormatNone:
		f.Unreachable()
	case kernels.F32:
		g.Set(g.Add(lane.ShlI(2)))
		each(1, func() { out.StoreF32(0, g.LoadF32(0)); g.Set(g.AddI(16)) })
	case kernels.F16:
		g.Set(g.Add(lane.ShlI(1)))
		each(1, func() { out.StoreF32(0, half1(f, g, 0)); g.Set(g.AddI(8)) })
	case kernels.BF16:
		g.Set(g.Add(lane.ShlI(1)))
		each(1, func() { out.StoreI32(0, g.Load16U(0).ShlI(16)); g.Set(g.AddI(8)) })
	default:
		b.gatherBlocks(f, r, blockFormats[packed], each, out, g, lane, k)
	}
}

// half1 widens one float16 value.
func half1(f *simd128.Func, p simd128.I32, offset int) simd128.F32 {
	v := p.Load16S(offset).ShlI(13).And(f.I32(-0x70002000)).SplatI32x4().AsF32x4().Mul(f.F32x4(0x1p112)).Let("h")
	return v.ExtractLane(0)
}

// gatherBlocks dequantises the blocks of one lane.
func (b *builder) gatherBlocks(f *simd128.Func, r *record, bf blockFormat, each func(int32, func()), out, g, lane, k simd128.I32) {
	nb := k.ShrUI(5).Let("nb")
	p := blockPointers{qs: g, d: f.I32Var("d")}
	p.d.Set(g.Add(nb.Mul(f.I32(int32(bf.qs)))))
	if bf.qh > 0 {
		p.qh = f.I32Var("qh")
		p.qh.Set(p.d)
		p.d.Set(p.d.Add(nb.Mul(f.I32(int32(bf.qh)))))
	}
	p.d.Set(p.d.Add(lane.ShlI(1)))
	if bf.min {
		p.m = f.I32Var("m")
		p.m.Set(p.d.Add(nb.ShlI(3)))
	}
	zero := r.i32("Zero").SplatI32x4().Let("zero")
	unbias := func(w simd128.I32x4) simd128.I32x4 { return w.Sub(zero) }
	if bf.signed { // bytes wrap: subtract in eight bits, then widen with the sign
		unbias = func(w simd128.I32x4) simd128.I32x4 { return w.Sub(zero).ShlI(24).ShrSI(24) }
	}
	shuffle := f.V128Var("pick")
	b.pickLane(f, shuffle, lane)
	consts := newConstants(f)
	var turned [4]simd128.I32 // byte offset of vector j's columns
	for j := range turned {
		turned[j] = lane.AddI(int32(j)).AndI(3).ShlI(4).Let("turned")
	}
	each(kernels.BlockK, func() {
		d := half1(f, p.d, 0).Splat().Let("d4")
		m := f.F32x4Var("m4")
		m.Set(f.F32x4(0))
		if bf.min {
			m.Set(half1(f, p.m, 0).Splat())
		}
		bf.unpack(consts, p, func(j int, w simd128.I8x16) {
			word := w.Swizzle(shuffle.AsI8x16()).AsI32x4() // the lane's four bytes, one per 32-bit lane
			out.Add(turned[j%4]).StoreV128(j/4*64, madd(unbias(word).ConvertS(), d, m).AsV128(), 2)
		})
		p.qs.Set(p.qs.AddI(int32(bf.qs)))
		p.d.Set(p.d.AddI(8))
		if bf.qh > 0 {
			p.qh.Set(p.qh.AddI(int32(bf.qh)))
		}
		if bf.min {
			p.m.Set(p.m.AddI(8))
		}
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
