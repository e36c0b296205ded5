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
// plane's bytes one after the other, the highest address first. wazero checks the
// bounds of an address only where it is above those it has checked on the same
// pointer, so inner loops load downwards.
var blockOrder = [8]int{7, 3, 6, 2, 5, 1, 4, 0}

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

// actPointers are the planes of a tile's activations at the current block (see
// kernels.ActLayout).
type actPointers struct {
	width   int
	min     bool
	x, d, s simd128.I32 // variables; s: sums with min, else start values
}

// activations points at the first block of the tile.
func (t *tileFunc) activations(min bool) *actPointers {
	f := t.f
	a := &actPointers{width: t.width, min: min, x: f.I32Var("x"), d: f.I32Var("xd"), s: f.I32Var("xs")}
	nb := t.k.ShrUI(5)
	plane := nb.Mul(f.I32(int32(4 * t.width))).Let("plane")
	a.x.Set(t.x)
	a.d.Set(t.x.Add(plane.ShlI(4)))
	a.s.Set(a.d.Add(plane))
	if min {
		a.s.Set(a.s.Add(plane))
	}
	return a
}

// advance moves to the next block.
func (a *actPointers) advance() {
	a.x.Set(a.x.AddI(int32(kernels.ActBlockBytes * a.width)))
	a.d.Set(a.d.AddI(int32(4 * a.width)))
	a.s.Set(a.s.AddI(int32(4 * a.width)))
}

// load loads what vector j of the weights is multiplied with.
func (a *actPointers) load(u, j int) activations {
	return loadActs(a.x, kernels.ActBlockBytes*u+j/4*32+j%4*4)
}

// start returns what loads the value that sums of token u start at.
func (a *actPointers) start(c *constants, u int) func() simd128.I32x4 {
	return func() simd128.I32x4 {
		if a.min {
			return c.start.AsI32x4()
		}
		return a.s.Load32Splat(4 * u).AsI32x4()
	}
}

func (a *actPointers) scale(u int) simd128.F32x4 { return a.d.Load32Splat(4 * u).AsF32x4() }
func (a *actPointers) sum(u int) simd128.F32x4   { return a.s.Load32Splat(4 * u).AsF32x4() }

// singleGroups is the number of groups that one token is multiplied with at a
// time. Three share the loads of activations; the baseline has no registers for
// them.
func (b *builder) singleGroups() int {
	if b.m.Relaxed {
		return 3
	}
	return 2
}

// blockTile emits the tile function of one token and several groups of packed
// weights: integer sums inside a block, float32 between blocks.
//
// One token reads its weights once, from memory. Beside every block it touches
// the same block of the groups that come next, far enough ahead for memory to
// answer: a load whose result is dropped, which engines keep because it may trap.
func (b *builder) blockTile(name string, bf blockFormat, partial *simd128.Func) *simd128.Func {
	groups := b.singleGroups()
	return b.tile(name, groups, 1, bf.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		nb := t.k.ShrUI(5).Let("nb")
		a := t.activations(bf.min)
		var p []blockPointers
		var sums []accumulator
		for _, w := range t.w {
			p = append(p, bf.start(f, w, nb))
			sums = append(sums, newAccumulator(f, true))
		}
		more := t.group.AddI(int32(2 * groups)).LeS(t.end)
		ahead := simd128.Select(more, t.groupBytes.MulI(int32(groups)), f.I32(0)).Let("ahead")
		end := p[0].d.Add(nb.ShlI(3)).Let("end")
		f.While(func() simd128.I32 { return p[0].d.LtU(end) }, func() {
			t.block(bf, p, a, sums)
			for g := range p {
				bf.advance(p[g])
				p[g].qs.Add(ahead).LoadI32(0).Let("touch")
			}
			a.advance()
		})
	})
}

// block adds one block: eight dot products per group, then scale and minimum.
// The groups take turns, so that activations are loaded once.
func (t *tileFunc) block(bf blockFormat, p []blockPointers, a *actPointers, sums []accumulator) {
	c := t.constants
	for _, s := range sums {
		s.reset(a.start(c, 0))
	}
	for _, j := range blockOrder {
		for g, s := range sums {
			s.add(j, prepare(bf.vector(c, p[g], j), bf.signed), a.load(0, j))
		}
	}
	for g, s := range sums {
		y := t.results[g][0]
		y.Set(madd(s.total(a.start(c, 0), c.start), c.half4(p[g].d, 0).Mul(a.scale(0)), y))
		if bf.min {
			y.Set(madd(c.half4(p[g].m, 0), a.sum(0), y))
		}
	}
}
