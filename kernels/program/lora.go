package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// addLoRA emits the operation. The sixteen values of a token that meet a block are
// rounded where they are used: that is less than a barrier takes.
func (b *builder) addLoRA() *simd128.Func {
	f, r, start, end := b.unitsFunc("add_lora", kernels.AddLoRA{})
	n, rank, rows := r.i32("N"), r.i32("Rank"), r.i32("Rows")
	dst, x := f.I32Var("dst"), f.I32Var("x")
	dst.Set(r.i32("Dst").Add(start.ShlI(4)))
	x.Set(r.i32("X"))
	dstStride := r.i32("DstStride").ShlI(2).Let("dst_stride")
	groupBytes := rank.ShlI(2).Add(rank.ShrUI(1)).Let("group_bytes") // integers, and a scale for every block and row
	first := r.i32("W").Add(start.Mul(groupBytes)).Let("first")
	whole := rows.ShrUI(2).Let("whole")
	whole = first.Add(simd128.Select(whole.LtS(end), whole, end).Sub(start).Mul(groupBytes)).Let("whole")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	c := newConstants(f)
	t, block, w, d, out, stop := f.I32Var("t"), f.I32Var("block"), f.I32Var("w"), f.I32Var("d"), f.I32Var("out"), f.I32Var("stop")
	acc := newAccumulator(f, false)
	f.For(t, f.I32(0), n, 1, func() {
		f.For(block, f.I32(0), rank.ShlI(2), 4*kernels.LoRABlock, func() {
			begin, scale := b.roundRanks(f, r, x, scratch)
			w.Set(first.Add(block))
			d.Set(first.Add(rank.ShlI(2)).Add(block.ShrUI(3)))
			out.Set(dst)
			stop.Set(whole.Add(block))
			var acts []activations
			for j := range 4 {
				acts = append(acts, loadActs(scratch, 4*j).let())
			}
			product := func() simd128.F32x4 {
				acc.reset(begin)
				for j := 3; j >= 0; j-- {
					acc.add(j, prepare(w.LoadI8x16(16*j), true), acts[j])
				}
				return acc.total(begin, c.start).Mul(c.half4(d, 0).Mul(scale))
			}
			f.While(func() simd128.I32 { return w.LtU(stop) }, func() {
				out.StoreV128(0, out.LoadF32x4(0).Add(product()).AsV128(), 2)
				w.Set(w.Add(groupBytes))
				d.Set(d.Add(groupBytes))
				out.Set(out.AddI(16))
			})
			left := rows.Sub(end.SubI(1).ShlI(2)).Let("left") // rows of the last group
			f.If(left.LtSI(kernels.GroupRows), func() { f.Call(b.tables().partial, out, product(), left, f.I32(1)) })
			x.Set(x.AddI(4 * kernels.LoRABlock))
		})
		dst.Set(dst.Add(dstStride))
	})
	return f
}

// roundRanks quantises the sixteen floats at x to scratch, twice one behind the other (see
// kernels.ActLayout). begin is what sums start at, scale what they are multiplied with.
func (b *builder) roundRanks(f *simd128.Func, r *record, x, scratch simd128.I32) (begin func() simd128.I32x4, scale simd128.F32x4) {
	var v [4]simd128.F32x4
	for j := range v {
		v[j] = x.LoadF32x4(16 * j).Let("v")
	}
	top := max4(v[0].Abs().Pmax(v[1].Abs()).Pmax(v[2].Abs().Pmax(v[3].Abs())).Let("top4")).Let("top")
	inverse := f.F32(127).Div(top.Max(f.F32(0x1p-100))).Splat().Let("inverse")
	var h [2]simd128.I16x8
	for j := range h {
		lo, hi := v[2*j].Mul(inverse).Nearest().TruncSatS(), v[2*j+1].Mul(inverse).Nearest().TruncSatS()
		h[j] = lo.NarrowS(hi).Let("h")
	}
	bytes := h[0].NarrowS(h[1]).AsV128().Let("bytes")
	scratch.StoreV128(0, bytes)
	scratch.StoreV128(16, bytes)
	s := h[0].Add(h[1]).Dot(f.I16x8(1)).Let("s")
	sum := s.ExtractLane(0).Add(s.ExtractLane(1)).Add(s.ExtractLane(2).Add(s.ExtractLane(3)))
	starts := f.I32(kernels.StartBits).Sub(sum.Mul(r.i32("Zero"))).SplatI32x4().Let("starts")
	scale = top.Mul(r.f32("Scale")).Div(f.F32(127)).Splat().Let("scale")
	return func() simd128.I32x4 { return starts }, scale
}

// rebias emits the operation. A unit is a tile: whole ones first, then those of one token.
func (b *builder) rebias() *simd128.Func {
	f, r, start, end := b.unitsFunc("rebias", kernels.Rebias{})
	nb := r.i32("K").ShrUI(5).Let("nb")
	tokenBytes := actTokenBytes(nb, f.I32(1)).Let("token_bytes")
	whole := r.i32("N").ShrUI(2).Let("whole")
	factor := r.i32("Factor")
	toSrc := r.i32("Src").Sub(r.i32("Dst")).Let("to_src")
	u, p, stop := f.I32Var("u"), f.I32Var("p"), f.I32Var("stop")
	f.For(u, start, end, 1, func() {
		full := u.LtS(whole).Let("full")
		width := simd128.Select(full, f.I32(kernels.TileTokens), f.I32(1)).Let("width")
		t := simd128.Select(full, u.ShlI(2), u.Add(whole.MulI(kernels.TileTokens-1))).Let("t")
		tile := r.i32("Dst").Add(t.Mul(tokenBytes)).Let("tile")
		p.Set(tile)
		stop.Set(tile.Add(width.Mul(tokenBytes)))
		f.While(func() simd128.I32 { return p.LtU(stop) }, func() {
			src := p.Add(toSrc).Let("src")
			for at := 48; at >= 0; at -= 16 {
				p.StoreV128(at, src.LoadI8x16(at).AsV128())
			}
			p.Set(p.AddI(64))
		})
		blocks := nb.Mul(width).Let("blocks")
		p.Set(tile.Add(blocks.MulI(kernels.ActBlockBytes + 4)))
		stop.Set(p.Add(blocks.ShlI(2)))
		f.While(func() simd128.I32 { return p.LtU(stop) }, func() {
			p.StoreI32(0, p.LoadI32(0).SubI(kernels.StartBits).Mul(factor).AddI(kernels.StartBits))
			p.Set(p.AddI(4))
		})
	})
	return f
}
