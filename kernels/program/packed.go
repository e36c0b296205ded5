package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A blockFormat says how one packed block of 32 columns and four rows unpacks
// (see kernels.Format).
type blockFormat struct {
	kernels.Shape
	signed bool // stored bytes are signed in the baseline
}

// formatOf describes a packed format. Joined fields are one, of their bits together.
func formatOf(format kernels.Format) *blockFormat {
	shape := format.Shape()
	if shape.Joined {
		shape.Low.Bits += shape.High.Bits
		shape.High = kernels.Field{}
	}
	return &blockFormat{Shape: shape, signed: format == kernels.Q8_0 || shape.Table == &kernels.IQ4Values}
}

// low and high are the bytes of integers per block.
func (bf *blockFormat) low() int32  { return int32(16 * bf.Low.Bits) }
func (bf *blockFormat) high() int32 { return int32(16 * bf.High.Bits) }

// scale is the bytes per block of the plane of scales.
func (bf *blockFormat) scale() int32 {
	if bf.Scaling == kernels.HalfScale {
		return 8 // and as much of minimums, a plane of their own
	}
	return int32(bf.ScaleBytes())
}

// super reports whether scales are multiplied with those of superblocks.
func (bf *blockFormat) super() bool { return bf.SuperBytes() > 0 }

// halves reports whether half blocks have scales of their own.
func (bf *blockFormat) halves() bool {
	return bf.Scaling == kernels.SixteenthScale || bf.Scaling == kernels.NibbleScale
}

// blockBytes is the size of a packed block of four rows, all planes together but
// that of superblocks.
func (bf *blockFormat) blockBytes() int {
	return int(bf.low()+bf.high()) + bf.ScaleBytes()
}

// groupBytes is the size of a packed group of k columns.
func (bf *blockFormat) groupBytes(f *simd128.Func, k simd128.I32) simd128.I32 {
	bytes := k.ShrUI(5).MulI(int32(bf.blockBytes()))
	if bf.super() {
		bytes = bytes.Add(k.ShrUI(8).Mul(f.I32(int32(bf.SuperBytes()))))
	}
	return bytes
}

// blockPointers are the planes of the current block: variables, those that the
// format has. superD and superM are the float32 scales of its superblock, or nil
// when the sums of a superblock, sumD and sumM, are scaled at its end.
type blockPointers struct {
	low, high, scale, min simd128.I32
	d, m                  simd128.I32 // scales of superblocks
	superD, superM        *simd128.F32x4
	sumD, sumM            simd128.F32x4 // variables
	byHalf                bool          // low is moved with every half of a block
}

// start sets variables to the planes of the group at w of nb blocks.
func (bf *blockFormat) start(f *simd128.Func, w, nb simd128.I32) *blockPointers {
	at := f.I32Var("plane")
	at.Set(w)
	plane := func(name string, bytes int32) simd128.I32 {
		v := f.I32Var(name)
		v.Set(at)
		if bytes > 0 {
			at.Set(at.Add(nb.Mul(f.I32(bytes))))
		}
		return v
	}
	p := &blockPointers{low: plane("low", bf.low()), byHalf: bf.Low.Bits == 8 && !f.Module().Relaxed}
	if bf.High.Bits > 0 {
		p.high = plane("high", bf.high())
	}
	if bf.scale() > 0 {
		p.scale = plane("scale", bf.scale())
	}
	if bf.Scaling == kernels.HalfScale && bf.Min {
		p.min = plane("min", 8)
	}
	if bf.super() {
		p.d, p.sumD = plane("d", 2), f.F32x4Var("sum_d")
		if bf.Min {
			p.m, p.sumM = plane("m", 0), f.F32x4Var("sum_m")
		}
	}
	return p
}

// advance moves the planes to the next block.
func (bf *blockFormat) advance(p *blockPointers) {
	if !p.byHalf {
		p.low.Set(p.low.AddI(bf.low()))
	}
	if bf.High.Bits > 0 {
		p.high.Set(p.high.AddI(bf.high()))
	}
	if bf.scale() > 0 {
		p.scale.Set(p.scale.AddI(bf.scale()))
	}
	if bf.Scaling == kernels.HalfScale && bf.Min {
		p.min.Set(p.min.AddI(8))
	}
}

// each emits the loop over the blocks of groups of nb blocks. What a superblock
// adds to sumD and sumM goes to results at its end.
func (bf *blockFormat) each(c *constants, f *simd128.Func, groups []*blockPointers, results [][]simd128.F32x4, nb simd128.I32, body func()) {
	first := groups[0]
	blocks := func(n simd128.I32) {
		stop := first.low.Add(n.Mul(f.I32(bf.low()))).Let("stop")
		f.Loop(func(again simd128.Label) { // there is at least one block
			body()
			for _, p := range groups {
				bf.advance(p)
			}
			f.BrIf(again, first.low.LtU(stop))
		})
	}
	if !bf.super() {
		blocks(nb)
		return
	}
	stop := first.d.Add(nb.ShlI(1)).Let("stop_d") // sixteen bytes per eight blocks
	f.While(func() simd128.I32 { return first.d.LtU(stop) }, func() {
		for _, p := range groups {
			p.sumD.Set(f.F32x4(0))
			if bf.Min {
				p.sumM.Set(f.F32x4(0))
			}
		}
		blocks(f.I32(kernels.SuperK / kernels.BlockK))
		for g, p := range groups {
			y := results[g][0]
			y.Set(madd(p.sumD, p.d.LoadF32x4(0), y))
			p.d.Set(p.d.AddI(16))
			if bf.Min {
				y.Set(madd(p.sumM, p.m.LoadF32x4(0), y))
				p.m.Set(p.m.AddI(16))
			}
		}
	})
}

// scales returns the scale and, with Min, the minimum of the current block, or
// of its halves; those of superblocks are multiplied in if they are there. None
// stands for one.
func (bf *blockFormat) scales(c *constants, p *blockPointers) (d, m []simd128.F32x4) {
	whole := func(s simd128.I32x4, super *simd128.F32x4) simd128.F32x4 {
		if super == nil {
			return s.ConvertS()
		}
		return s.ConvertS().Mul(*super)
	}
	switch bf.Scaling {
	case kernels.HalfScale:
		d = append(d, c.half4(p.scale, 0))
		if bf.Min {
			m = append(m, c.half4(p.min, 0))
		}
	case kernels.PowerScale: // of two, at the place of the exponent
		e := p.scale.Load32Zero(0).AsI8x16().ExtendLowU().ExtendLowU()
		d = append(d, e.ShlI(23).AsF32x4().Mul(c.half))
	case kernels.ScaleOnly:
		if p.superD != nil {
			d = append(d, *p.superD)
		}
	case kernels.SignedScale:
		d = append(d, whole(p.scale.Load32Zero(0).AsI8x16().ExtendLowS().ExtendLowS(), p.superD))
	case kernels.PairedScale:
		s := p.scale.Load8x8U(0).Let("s")
		d = append(d, whole(s.ExtendLowU(), p.superD))
		m = append(m, whole(s.ExtendHighU(), p.superM))
	case kernels.SixteenthScale:
		s := p.scale.Load8x8S(0).Let("s")
		d = append(d, whole(s.ExtendLowS(), p.superD), whole(s.ExtendHighS(), p.superD))
	case kernels.NibbleScale:
		s := p.scale.Load8x8U(0).Let("s")
		low, high := s.And(c.nibble).Let("s_d"), s.ShrUI(4).Let("s_m")
		d = append(d, whole(low.ExtendLowU(), p.superD), whole(low.ExtendHighU(), p.superD))
		m = append(m, whole(high.ExtendLowU(), p.superM), whole(high.ExtendHighU(), p.superM))
	}
	return d, m
}

// blockOrder is the order in which tiles take the vectors: the two of a nibble
// plane's bytes one after the other, the highest address first. wazero checks the
// bounds of an address only where it is above those it has checked on the same
// pointer, so inner loops load downwards.
var blockOrder = [8]int{7, 3, 6, 2, 5, 1, 4, 0}

// vector unpacks vector j of the eight of a block, as integers that exceed the
// true ones by the format's zero. It loads what it needs: V8 sees that two
// vectors come from the same bytes.
func (bf *blockFormat) vector(c *constants, p *blockPointers, j int) simd128.I8x16 {
	v := lowBits(c, p.low, bf.Low.Bits, j)
	if bf.High.Bits > 0 {
		v = v.Or(bits(p.high, bf.High.Bits, j, bf.Low.Bits, c.highMask))
	}
	if bf.Table != nil {
		if v.Relaxed() { // indices are below sixteen, which both agree on
			return c.table.RelaxedSwizzle(v)
		}
		return c.table.Swizzle(v)
	}
	return v
}

// lowBits unpacks the first plane.
func lowBits(c *constants, plane simd128.I32, n, j int) simd128.I8x16 {
	switch {
	case n == 8:
		return plane.LoadI8x16(16 * j)
	case n == 6 && j%4 == 3: // two bits from above each of the others
		v := plane.LoadI8x16(j / 4 * 48).AndNot(c.lowMask)
		for i := 1; i < 3; i++ {
			v = v.AsI16x8().ShrUI(2).AsI8x16().Or(plane.LoadI8x16(j/4*48 + i*16).AndNot(c.lowMask))
		}
		return v.AsI16x8().ShrUI(2).AsI8x16()
	case n == 6:
		return plane.LoadI8x16(j/4*48 + j%4*16).And(c.lowMask)
	case n == 4 && j >= 4:
		return plane.LoadI8x16(j % 4 * 16).AsI16x8().ShrUI(4).AsI8x16().And(c.lowMask)
	case n == 4:
		return plane.LoadI8x16(j % 4 * 16).And(c.lowMask)
	}
	return bits(plane, n, j, 0, c.lowMask)
}

// bits moves the bits of vector j in a plane of one or two bits to a place, where
// mask has them.
func bits(plane simd128.I32, n, j, place int, mask simd128.I8x16) simd128.I8x16 {
	from, offset := j, 0
	if n == 2 {
		from, offset = j%4*2, j/4*16
	}
	v := plane.LoadI8x16(offset).AsI16x8()
	switch {
	case from < place:
		v = v.ShlI(int32(place - from))
	case from > place:
		v = v.ShrUI(int32(from - place))
	}
	return v.AsI8x16().And(mask)
}

// constants are vectors that kernels keep in locals: V8 makes a vector constant
// from three instructions wherever it is written.
type constants struct {
	halfBits  simd128.I32x4
	halfScale simd128.F32x4
	start     simd128.F32x4
	// of one packed format
	lowMask, highMask simd128.I8x16
	table             simd128.I8x16
	nibble            simd128.I16x8
	half              simd128.F32x4
}

// newConstants binds the constants that all formats need; call it outside loops.
func newConstants(f *simd128.Func) *constants {
	return &constants{
		halfBits: f.I32x4(-0x70002000).Let("half_bits"), halfScale: f.F32x4(0x1p112).Let("half_scale"),
		start: f.F32x4(kernels.StartValue).Let("start_value"),
	}
}

// blockConstants adds those of a packed format.
func (b *builder) blockConstants(f *simd128.Func, c *constants, bf *blockFormat) {
	if bf.Low.Bits < 8 {
		c.lowMask = f.I8x16(1<<bf.Low.Bits - 1).Let("low_mask")
	}
	if bf.High.Bits > 0 {
		c.highMask = f.I8x16((1<<bf.High.Bits - 1) << bf.Low.Bits).Let("high_mask")
	}
	if bf.Table != nil {
		c.table = b.table(f, bf).Let("table")
	}
	switch bf.Scaling {
	case kernels.NibbleScale:
		c.nibble = f.I16x8(15).Let("nibble")
	case kernels.PowerScale:
		c.half = f.F32x4(0.5).Let("half")
	}
}

// table is what the integers stand for plus the format's zero.
func (b *builder) table(f *simd128.Func, bf *blockFormat) simd128.I8x16 {
	var lanes [16]int8
	for i, v := range bf.Table {
		lanes[i] = v + int8(bf.Zero)
	}
	table := f.I8x16(lanes[:]...)
	if !bf.signed || !b.m.Relaxed {
		return table
	}
	return table.Add(f.Call(b.q8Zero).I32(0).SplatI8x16()) // whole bytes: the machine's zero
}

// half4 is loadHalf4 with the constants in locals.
func (c *constants) half4(p simd128.I32, offset int) simd128.F32x4 {
	return p.Load16x4S(offset).AsI32x4().ShlI(13).And(c.halfBits).AsF32x4().Mul(c.halfScale)
}
