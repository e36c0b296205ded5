package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A blockFormat says how one packed block of 32 columns and four rows unpacks.
type blockFormat struct {
	qs     int  // bytes of the main plane per block
	qh     int  // bytes of the plane of high bits per block, 0: none
	signed bool // stored bytes are signed in the baseline
	min    bool // a plane of minimums follows the scales
	// vector unpacks vector j of the eight of a block. It loads what it needs: V8
	// sees that two vectors come from the same bytes.
	vector func(c *constants, p blockPointers, j int) simd128.I8x16
}

// blockPointers are the planes of the current block.
type blockPointers struct{ qs, qh, d, m simd128.I32 }

var blockFormats = map[kernels.Format]blockFormat{
	kernels.Q8_0: {qs: 128, signed: true, vector: byteVector},
	kernels.Q4_0: {qs: 64, vector: nibbleVector},
	kernels.Q4_1: {qs: 64, min: true, vector: nibbleVector},
	kernels.Q5_0: {qs: 64, qh: 16, vector: fiveVector},
	kernels.Q5_1: {qs: 64, qh: 16, min: true, vector: fiveVector},
	kernels.Q4_K: {qs: 64, min: true, vector: nibbleVector},
	kernels.Q5_K: {qs: 64, qh: 16, min: true, vector: fiveVector},
}

// groupBytes is the size of a packed group of k columns.
func (bf *blockFormat) groupBytes(f *simd128.Func, k simd128.I32) simd128.I32 {
	bytes := bf.qs + bf.qh + 8
	if bf.min {
		bytes += 8
	}
	return k.ShrUI(5).Mul(f.I32(int32(bytes)))
}

// start sets variables to the planes of the group at w of nb blocks.
func (bf *blockFormat) start(f *simd128.Func, w, nb simd128.I32) blockPointers {
	p := blockPointers{qs: f.I32Var("qs"), d: f.I32Var("d")}
	p.qs.Set(w)
	p.d.Set(w.Add(nb.Mul(f.I32(int32(bf.qs)))))
	if bf.qh > 0 {
		p.qh = f.I32Var("qh")
		p.qh.Set(p.d)
		p.d.Set(p.d.Add(nb.Mul(f.I32(int32(bf.qh)))))
	}
	if bf.min {
		p.m = f.I32Var("m")
		p.m.Set(p.d.Add(nb.ShlI(3)))
	}
	return p
}

// advance moves the planes to the next block.
func (bf *blockFormat) advance(p blockPointers) {
	p.qs.Set(p.qs.AddI(int32(bf.qs)))
	p.d.Set(p.d.AddI(8))
	if bf.qh > 0 {
		p.qh.Set(p.qh.AddI(int32(bf.qh)))
	}
	if bf.min {
		p.m.Set(p.m.AddI(8))
	}
}

// blockOrder is the order in which tiles take the vectors: the two of a nibble
// plane's bytes one after the other.
var blockOrder = [8]int{0, 4, 1, 5, 2, 6, 3, 7}

func byteVector(_ *constants, p blockPointers, j int) simd128.I8x16 { return p.qs.LoadI8x16(16 * j) }

func nibbleVector(c *constants, p blockPointers, j int) simd128.I8x16 {
	b := p.qs.LoadI8x16(j % 4 * 16)
	if j >= 4 {
		b = b.AsI16x8().ShrUI(4).AsI8x16()
	}
	return b.And(c.low)
}

// fiveVector adds bit j of every high byte, moved to place 16.
func fiveVector(c *constants, p blockPointers, j int) simd128.I8x16 {
	high := p.qh.LoadI8x16(0)
	switch {
	case j < 4:
		high = high.AsI16x8().ShlI(int32(4 - j)).AsI8x16()
	case j > 4:
		high = high.AsI16x8().ShrUI(int32(j - 4)).AsI8x16()
	}
	return nibbleVector(c, p, j).Or(high.And(c.sixteen))
}

// constants are vectors that kernels keep in locals: V8 makes a vector constant
// from three instructions wherever it is written.
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

// blockTile emits a tile function of quantised weights: integer sums inside a
// block, float32 between blocks.
func (b *builder) blockTile(name string, bf blockFormat, width int, partial *simd128.Func) *simd128.Func {
	return b.tile(name, width, bf.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		nb := t.k.ShrUI(5).Let("nb")
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
		var p []blockPointers
		var acc [][]accumulator
		for g, w := range t.w {
			p = append(p, bf.start(f, w, nb))
			acc = append(acc, nil)
			for range width {
				acc[g] = append(acc[g], newAccumulator(f, width == 1))
			}
		}
		end := p[0].d.Add(nb.ShlI(3)).Let("end")
		f.While(func() simd128.I32 { return p[0].d.LtU(end) }, func() {
			t.block(bf, p, acc, x, xd, xs)
			for g := range p {
				bf.advance(p[g])
			}
			x.Set(x.AddI(int32(kernels.ActBlockBytes * width)))
			xd.Set(xd.AddI(int32(4 * width)))
			xs.Set(xs.AddI(int32(4 * width)))
		})
	})
}

// block adds one block: eight dot products per group and token, then scale and
// minimum. The groups take turns, so that a token's bytes are loaded once.
func (t *tileFunc) block(bf blockFormat, p []blockPointers, acc [][]accumulator, x, xd, xs simd128.I32) {
	c := t.constants
	start := func(u int) func() simd128.I32x4 {
		return func() simd128.I32x4 {
			if bf.min {
				return c.start.AsI32x4()
			}
			return xs.Load32Splat(4 * u).AsI32x4()
		}
	}
	for g := range p {
		for u := range acc[g] {
			acc[g][u].reset(start(u))
		}
	}
	for _, j := range blockOrder {
		for g := range p {
			ready := prepare(bf.vector(c, p[g], j), bf.signed)
			for u := range acc[g] {
				acc[g][u].add(j, ready, loadActs(x, kernels.ActBlockBytes*u+j/4*32+j%4*4))
			}
		}
	}
	for g := range p {
		d := c.half4(p[g].d, 0).Let("d4")
		var m simd128.F32x4
		if bf.min {
			m = c.half4(p[g].m, 0).Let("m4")
		}
		for u := range acc[g] {
			y := t.results[g][u]
			scale := d.Mul(xd.Load32Splat(4 * u).AsF32x4())
			y.Set(madd(acc[g][u].total(start(u), c.start), scale, y))
			if bf.min {
				y.Set(madd(m, xs.Load32Splat(4*u).AsF32x4(), y))
			}
		}
	}
}
