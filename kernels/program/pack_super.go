package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// superPacker splits superblocks of 256 columns into planes.
type superPacker struct {
	b             *builder
	f             *simd128.Func
	src           [kernels.GroupRows]simd128.I32
	fields, trits *simd128.Func
	sixes         *simd128.Func
}

// packSuper emits pack_super(format, superblocks, dst, rows …): one group.
func (b *builder) packSuper() *simd128.Func {
	p := &superPacker{b: b, fields: b.packField(), trits: b.packTrits(), sixes: b.packSixes()}
	scales := []*simd128.Func{b.packPaired(), b.packBytes(), b.packQ3Scales(), b.packIQ4Scales()}
	which := map[kernels.Format]int32{kernels.Q4_K: 0, kernels.Q5_K: 0, kernels.Q6_K: 1, kernels.Q2_K: 1, kernels.Q3_K: 2, kernels.IQ4_XS: 3}
	table := b.m.Table(scales...)
	f := b.m.Func("pack_super")
	p.f = f
	format, n, dst := f.ParamI32("format"), f.ParamI32("superblocks"), f.ParamI32("dst")
	for r := range p.src {
		p.src[r] = f.ParamI32("src")
	}
	low, high := newField(f), newField(f)
	scaleFunc, scaleAt, scale := f.I32Var("scale_func"), f.I32Var("scale_at"), f.I32Var("scale")
	d, min, size := f.I32Var("d"), f.I32Var("min"), f.I32Var("size")
	var cases []func()
	for packed := kernels.Q4_K; packed <= kernels.TQ2_0; packed++ {
		cases = append(cases, func() {
			bf := formatOf(packed)
			from := bf.Low
			if packed == kernels.TQ1_0 || packed == kernels.Q6_K { // unpacked to bytes first
				from = kernels.Field{Width: 16, Bits: 8}
			}
			low.set(f, from, bf.Low.Bits)
			if b.ternary(packed) {
				low.way.Set(f.I32(packedByBit))
			}
			if bf.High.Bits > 0 {
				high.set(f, bf.High, bf.High.Bits)
			}
			if bf.scale() > 0 {
				scaleFunc.Set(f.I32(which[packed]))
				scale.Set(f.I32(8 * bf.scale()))
			}
			if packed == kernels.Q6_K {
				scaleAt.Set(f.I32(192))
			}
			d.Set(f.I32(int32(bf.D)))
			min.Set(f.I32(boolInt(bf.Min)))
			size.Set(f.I32(int32(bf.FileBytes)))
		})
	}
	f.Switch(format.SubI(int32(kernels.Q4_K)), cases, func() { f.Unreachable() })
	// a superblock's share of a plane of n bits is 128·n bytes
	low.plane.Set(dst)
	high.plane.Set(dst.Add(n.Mul(low.n.ShlI(7))))
	scalePlane, dPlane := f.I32Var("scale_plane"), f.I32Var("d_plane")
	scalePlane.Set(high.plane.Add(n.Mul(high.n.ShlI(7))))
	dPlane.Set(scalePlane.Add(n.Mul(scale)))
	behind := n.ShlI(4).Let("behind") // from scales to minimums of superblocks
	end := dPlane.Add(behind).Let("end")
	f.While(func() simd128.I32 { return dPlane.LtU(end) }, func() {
		digits := p.digits(format)
		p.field(low, digits)
		f.If(high.n, func() { p.field(high, p.src) })
		for r, s := range p.src {
			f.If(scale, func() {
				f.CallIndirect(table, packScalesSignature, scaleFunc, s.Add(scaleAt), scalePlane.AddI(int32(r)))
			})
			at := s.Add(d).Let("at")
			dPlane.Store16(2*r, at.Load16U(0))
			f.If(min, func() { dPlane.Add(behind).Store16(2*r, at.Load16U(2).Xor(f.I32(0x8000))) })
			s.Set(s.Add(size))
		}
		widen := func(plane simd128.I32) { plane.StoreV128(0, loadHalf4(f, plane, 0).AsV128()) }
		widen(dPlane)
		f.If(min, func() { widen(dPlane.Add(behind).Let("m_plane")) })
		scalePlane.Set(scalePlane.Add(scale))
		dPlane.Set(dPlane.AddI(16))
	})
	return f
}

var packScalesSignature = simd128.Signature{Params: []simd128.Type{simd128.TypeI32, simd128.TypeI32}}

// fieldVars says where a plane of n bits comes from and goes to.
// way is n, or packedByBit.
type fieldVars struct{ at, width, bits, n, way, plane simd128.I32 }

// packedByBit stands for the packing of lookup.go where a plane's bits are named.
const packedByBit = 16

func newField(f *simd128.Func) fieldVars {
	return fieldVars{f.I32Var("at"), f.I32Var("width"), f.I32Var("bits"), f.I32Var("n"), f.I32Var("way"), f.I32Var("plane")}
}

func (v fieldVars) set(f *simd128.Func, from kernels.Field, n int) {
	v.at.Set(f.I32(int32(from.At)))
	v.width.Set(f.I32(int32(from.Width)))
	v.bits.Set(f.I32(int32(from.Bits)))
	v.n.Set(f.I32(int32(n)))
	v.way.Set(v.n)
}

// field packs a superblock's part of a plane.
func (p *superPacker) field(v fieldVars, src [kernels.GroupRows]simd128.I32) {
	p.f.Call(p.fields, src[0], src[1], src[2], src[3], v.at, v.width, v.bits, v.plane, v.way)
	v.plane.Set(v.plane.Add(v.n.ShlI(7)))
}

// digits are the rows, or where a superblock of TQ1_0 or Q6_K of every row is
// unpacked to.
func (p *superPacker) digits(format simd128.I32) (out [kernels.GroupRows]simd128.I32) {
	scratch := simd128.GetGlobal[simd128.I32](p.f, p.b.scratch).Let("scratch")
	for r, s := range p.src {
		out[r] = p.f.I32Var("digits")
		out[r].Set(s)
		p.f.If(format.EqI(int32(kernels.TQ1_0)), func() {
			out[r].Set(scratch.AddI(int32(512 * r)))
			p.f.Call(p.trits, s, out[r])
		})
		p.f.If(format.EqI(int32(kernels.Q6_K)), func() {
			out[r].Set(scratch.AddI(int32(512 * r)))
			p.f.Call(p.sixes, s, out[r])
		})
	}
	return out
}

// packField emits pack_field(rows …, at, width, bits, plane, n): the integers of a
// field of a superblock (see kernels.Field) go to a plane of n bits.
func (b *builder) packField() *simd128.Func {
	var packBits *simd128.Func
	if !b.m.Relaxed {
		packBits = b.packBits()
	}
	f := b.m.Func("pack_field")
	var src [kernels.GroupRows]simd128.I32
	for r := range src {
		src[r] = f.ParamI32("src")
	}
	at, width, bits, plane, n := f.ParamI32("at"), f.ParamI32("width"), f.ParamI32("bits"), f.ParamI32("plane"), f.ParamI32("n")
	columns := width.ShlI(3).DivU(bits).Let("columns")
	mask := f.I32(1).Shl(bits).SubI(1).SplatI8x16().Let("mask")
	var v [8]simd128.I8x16
	for j := range v {
		v[j] = f.I8x16Var("v")
	}
	c := f.I32Var("c")
	f.For(c, f.I32(0), f.I32(kernels.SuperK), kernels.BlockK/2, func() {
		in := c.RemU(columns).Let("in")
		offset := at.Add(c.DivU(columns).Mul(width)).Add(in.RemU(width)).Let("offset")
		shift := in.DivU(width).Mul(bits).Let("shift")
		var rows [kernels.GroupRows]simd128.I8x16
		for r, s := range src {
			rows[r] = s.Add(offset).LoadI8x16(0, 1).AsI16x8().ShrU(shift).AsI8x16().And(mask).Let("r")
		}
		turned := func() {
			for j, turned := range turn(rows) {
				v[j].Set(v[4+j]) // the first half of the block, when this is the second
				v[4+j].Set(turned)
			}
			f.If(c.AndI(kernels.BlockK/2), func() {
				f.Switch(n.ShrUI(1), []func(){func() { join(plane, v, 1) }, func() { join(plane, v, 2) }, func() { join(plane, v, 4) }},
					func() { joinSix(f, plane, v) })
				plane.Set(plane.Add(n.ShlI(4)))
			})
		}
		if b.m.Relaxed {
			turned()
			return
		}
		f.IfElse(n.EqI(packedByBit), func() {
			packTernary(f, packBits, plane, rows)
			plane.Set(plane.AddI(16))
		}, turned)
	})
	return f
}

// join writes the vectors of a block as one of a plane of n bits.
func join(plane simd128.I32, v [8]simd128.I8x16, n int) {
	per := 8 / n // vectors in one of the plane
	for i := range n {
		first, step := i, n // nibbles: j and j+4
		if n < 4 {
			first, step = i*per, 1
		}
		out := v[first]
		for j := 1; j < per; j++ {
			out = out.Or(v[first+j*step].AsI16x8().ShlI(int32(n * j)).AsI8x16())
		}
		plane.StoreV128(16*i, out.AsV128(), 2)
	}
}

// joinSix writes the vectors of a block as a plane of six bits.
func joinSix(f *simd128.Func, plane simd128.I32, v [8]simd128.I8x16) {
	top := f.I8x16(-64).Let("top")
	for i := range 6 {
		above := v[i/3*4+3].AsI16x8().ShlI(int32(6 - i%3*2)).AsI8x16().And(top)
		plane.StoreV128(16*i, v[i/3*4+i%3].Or(above).AsV128(), 2)
	}
}

// packSixes emits pack_sixes(block, dst): the 256 integers of a block of Q6_K as
// bytes.
func (b *builder) packSixes() *simd128.Func {
	f := b.m.Func("pack_sixes")
	s, dst := f.ParamI32("block"), f.ParamI32("dst")
	shape := kernels.Q6_K.Shape()
	c := f.I32Var("c")
	field := func(from kernels.Field) simd128.I16x8 {
		per, width := int32(from.Columns()), int32(from.Width)
		at := s.Add(c.DivUI(per).MulI(width)).Add(c.AndI(width - 1))
		shift := c.AndI(per - 1).DivUI(width).MulI(int32(from.Bits))
		return at.LoadI8x16(from.At, 1).AsI16x8().ShrU(shift)
	}
	f.For(c, f.I32(0), f.I32(kernels.SuperK), 16, func() {
		low := field(shape.Low).AsI8x16().And(f.I8x16(15)).Let("low")
		high := field(shape.High).ShlI(4).AsI8x16().And(f.I8x16(48))
		dst.Add(c).StoreV128(0, low.Or(high).AsV128(), 2)
	})
	return f
}

// scalesFunc emits name(superblock, dst): body stores the i-th byte of one row's
// scales, four bytes on from the last.
func (b *builder) scalesFunc(name string, count int32, body func(f *simd128.Func, s, i, dst simd128.I32)) *simd128.Func {
	f := b.m.Func(name)
	s, dst := f.ParamI32("superblock"), f.ParamI32("dst")
	i := f.I32Var("i")
	f.For(i, f.I32(0), f.I32(count), 1, func() {
		body(f, s, i, dst)
		dst.Set(dst.AddI(4))
	})
	return f
}

// packPaired: the six-bit scales and minimums of Q4_K and Q5_K.
func (b *builder) packPaired() *simd128.Func {
	return b.scalesFunc("pack_paired", 8, func(f *simd128.Func, s, i, dst simd128.I32) {
		p := s.Add(i).Let("p") // those of sub-blocks 4 to 7 are spread over three bytes
		f.IfElse(i.LtSI(4), func() {
			dst.Store8(0, p.Load8U(4).AndI(63))
			dst.Store8(4, p.Load8U(8).AndI(63))
		}, func() {
			dst.Store8(0, p.Load8U(8).AndI(15).Or(p.Load8U(0).ShrUI(6).ShlI(4)))
			dst.Store8(4, p.Load8U(8).ShrUI(4).Or(p.Load8U(4).ShrUI(6).ShlI(4)))
		})
		dst.Set(dst.AddI(4))
	})
}

// packBytes: the scales of Q6_K and Q2_K, which are bytes.
func (b *builder) packBytes() *simd128.Func {
	return b.scalesFunc("pack_bytes", 16, func(f *simd128.Func, s, i, dst simd128.I32) { dst.Store8(0, s.Add(i).Load8U(0)) })
}

// packQ3Scales: four low bits in the nibbles of eight bytes, two high bits in four.
func (b *builder) packQ3Scales() *simd128.Func {
	return b.scalesFunc("pack_q3_scales", 16, func(f *simd128.Func, s, i, dst simd128.I32) {
		low := s.Add(i.AndI(7)).Load8U(96).ShrU(i.ShrUI(3).ShlI(2)).AndI(15)
		high := s.Add(i.AndI(3)).Load8U(104).ShrU(i.ShrUI(2).ShlI(1)).AndI(3)
		dst.Store8(0, low.Or(high.ShlI(4)).SubI(32))
	})
}

// packIQ4Scales: four low bits in nibbles, two high bits in a half word.
func (b *builder) packIQ4Scales() *simd128.Func {
	return b.scalesFunc("pack_iq4_scales", 8, func(f *simd128.Func, s, i, dst simd128.I32) {
		low := s.Add(i.ShrUI(1)).Load8U(4).ShrU(i.AndI(1).ShlI(2)).AndI(15)
		high := s.Load16U(2).ShrU(i.ShlI(1)).AndI(3)
		dst.Store8(0, low.Or(high.ShlI(4)).SubI(32))
	})
}

// packTrits emits pack_trits(block, dst): the 256 digits of a block of TQ1_0 as
// bytes, and up to 64 more bytes behind them. A byte b stands for b/256, whose
// digits in base 3 are the columns: three times b, the whole part is the digit.
func (b *builder) packTrits() *simd128.Func {
	f := b.m.Func("pack_trits")
	s, dst := f.ParamI32("block"), f.ParamI32("dst")
	byteMask, n, to := f.I16x8(255).Let("byte_mask"), f.I32Var("n"), f.I32Var("to")
	lo, hi := f.I16x8Var("lo"), f.I16x8Var("hi")
	stretch := func(from, offset int, step int32) {
		v := s.LoadI8x16(from, 1).Let("v")
		lo.Set(v.ExtendLowU())
		hi.Set(v.ExtendHighU())
		to.Set(dst)
		f.For(n, f.I32(0), f.I32(5), 1, func() {
			lo.Set(lo.Mul(f.I16x8(3)))
			hi.Set(hi.Mul(f.I16x8(3)))
			to.StoreV128(offset, lo.ShrUI(8).NarrowU(hi.ShrUI(8)).AsV128(), 1)
			to.Set(to.AddI(step))
			lo.Set(lo.And(byteMask))
			hi.Set(hi.And(byteMask))
		})
	}
	stretch(0, 0, 32)
	stretch(16, 16, 32)
	stretch(32, 160, 16)
	stretch(48, 240, 4) // the last four bytes hold four digits each; what follows is not used
	return f
}
