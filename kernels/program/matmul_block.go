package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A blockFormat says how one packed block of 32 columns and four rows unpacks.
type blockFormat struct {
	format kernels.Format
	qs     int  // bytes of the main plane per block
	qh     int  // bytes of the plane of high bits per block, 0: none
	signed bool // stored bytes are signed in the baseline
	min    bool // a plane of minimums follows the scales
	// unpack calls step for each of the eight vectors of a block.
	unpack func(c *constants, p blockPointers, step func(j int, w simd128.I8x16))
}

// blockPointers are the planes of the current block.
type blockPointers struct{ qs, qh, d, m simd128.I32 }

var blockFormats = map[kernels.Format]blockFormat{
	kernels.Q8_0: {format: kernels.Q8_0, qs: 128, signed: true, unpack: unpackBytes},
	kernels.Q4_0: {format: kernels.Q4_0, qs: 64, unpack: unpackNibbles},
	kernels.Q4_1: {format: kernels.Q4_1, qs: 64, min: true, unpack: unpackNibbles},
	kernels.Q5_0: {format: kernels.Q5_0, qs: 64, qh: 16, unpack: unpackFives},
	kernels.Q5_1: {format: kernels.Q5_1, qs: 64, qh: 16, min: true, unpack: unpackFives},
}

func unpackBytes(_ *constants, p blockPointers, step func(j int, w simd128.I8x16)) {
	for j := range 8 {
		step(j, p.qs.LoadI8x16(16*j))
	}
}

func unpackNibbles(c *constants, p blockPointers, step func(j int, w simd128.I8x16)) {
	low := c.low
	for v := range 4 {
		b := p.qs.LoadI8x16(16 * v).Let("b")
		step(v, b.And(low))
		step(v+4, b.AsI16x8().ShrUI(4).AsI8x16().And(low))
	}
}

// unpackFives adds bit j of every high byte, moved to place 16, to vector j.
func unpackFives(c *constants, p blockPointers, step func(j int, w simd128.I8x16)) {
	low, sixteen := c.low, c.sixteen
	high := p.qh.LoadI8x16(0).Let("high")
	at4 := func(j int) simd128.I8x16 {
		switch {
		case j < 4:
			return high.AsI16x8().ShlI(int32(4 - j)).AsI8x16().And(sixteen)
		case j > 4:
			return high.AsI16x8().ShrUI(int32(j - 4)).AsI8x16().And(sixteen)
		}
		return high.And(sixteen)
	}
	for v := range 4 {
		b := p.qs.LoadI8x16(16 * v).Let("b")
		step(v, b.And(low).Or(at4(v)))
		step(v+4, b.AsI16x8().ShrUI(4).AsI8x16().And(low).Or(at4(v+4)))
	}
}

// constants are vectors that kernels keep in locals: an engine makes a vector
// constant from three instructions wherever it is written.
type constants struct {
	low, sixteen simd128.I8x16
	halfBits     simd128.I32x4
	halfScale    simd128.F32x4
	start        simd128.F32x4
}

// newConstants binds the constants; call it outside loops.
func newConstants(f *simd128.Func) *constants {
	return &constants{
		low: f.I8x16(15).Let("low"), sixteen: f.I8x16(16).Let("sixteen"), halfBits: f.I32x4(-0x70002000).Let("half_bits"),
		halfScale: f.F32x4(0x1p112).Let("half_scale"), start: f.F32x4(kernels.StartValue).Let("start_value"),
	}
}

// half4 is loadHalf4 with the constants in locals.
func (c *constants) half4(p simd128.I32, offset int) simd128.F32x4 {
	return p.Load16x4S(offset).AsI32x4().ShlI(13).And(c.halfBits).AsF32x4().Mul(c.halfScale)
}

// blockGroup multiplies one group of quantised weights with every token of the
// tile: integer sums inside a block, float32 between blocks.
func (t *tileFunc) blockGroup(bf blockFormat) {
	f, width := t.f, t.width
	nb := t.k.ShrUI(5).Let("nb")
	p := blockPointers{qs: f.I32Var("qs"), d: f.I32Var("d")}
	p.qs.Set(t.w)
	p.d.Set(t.w.Add(nb.Mul(f.I32(int32(bf.qs)))))
	if bf.qh > 0 {
		p.qh = f.I32Var("qh")
		p.qh.Set(p.d)
		p.d.Set(p.d.Add(nb.Mul(f.I32(int32(bf.qh)))))
	}
	if bf.min {
		p.m = f.I32Var("m")
		p.m.Set(p.d.Add(nb.ShlI(3)))
	}
	// The tile's planes: bytes, then scales, start values and sums, each a
	// multiple of plane bytes behind the last (see kernels.ActLayout).
	plane := nb.Mul(f.I32(int32(4 * width))).Let("plane")
	x, xd, xs := f.I32Var("x"), f.I32Var("xd"), f.I32Var("xs")
	x.Set(t.x)
	xd.Set(t.x.Add(plane.ShlI(4)))
	xs.Set(xd.Add(plane))
	if bf.min {
		xs.Set(xs.Add(plane))
	}
	acc := make([]accumulator, width)
	for u := range acc {
		acc[u] = newAccumulator(f)
	}
	end := p.d.Add(nb.ShlI(3)).Let("end")
	f.While(func() simd128.I32 { return p.d.LtU(end) }, func() {
		t.block(bf, p, acc, x, xd, xs)
		p.qs.Set(p.qs.AddI(int32(bf.qs)))
		p.d.Set(p.d.AddI(8))
		if bf.qh > 0 {
			p.qh.Set(p.qh.AddI(int32(bf.qh)))
		}
		if bf.min {
			p.m.Set(p.m.AddI(8))
		}
		x.Set(x.AddI(int32(kernels.ActBlockBytes * width)))
		xd.Set(xd.AddI(int32(4 * width)))
		xs.Set(xs.AddI(int32(4 * width)))
	})
}

// block adds one block: eight dot products per token, then scale and minimum.
func (t *tileFunc) block(bf blockFormat, p blockPointers, acc []accumulator, x, xd, xs simd128.I32) {
	c := t.constants
	start := func(u int) func() simd128.I32x4 {
		return func() simd128.I32x4 {
			if bf.min {
				return c.start.AsI32x4()
			}
			return xs.Load32Splat(4 * u).AsI32x4()
		}
	}
	for u := range acc {
		acc[u].reset(start(u))
	}
	bf.unpack(c, p, func(j int, w simd128.I8x16) {
		ready := prepare(w, bf.signed)
		for u := range acc {
			acc[u].add(ready, loadActs(x, kernels.ActBlockBytes*u+j/4*32+j%4*4))
		}
	})
	d := c.half4(p.d, 0).Let("d4")
	var m simd128.F32x4
	if bf.min {
		m = c.half4(p.m, 0).Let("m4")
	}
	for u := range acc {
		y := t.results[u]
		scale := d.Mul(xd.Load32Splat(4 * u).AsF32x4())
		y.Set(madd(acc[u].total(start(u), c.start), scale, y))
		if bf.min {
			y.Set(madd(m, xs.Load32Splat(4*u).AsF32x4(), y))
		}
	}
}
