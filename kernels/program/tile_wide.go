package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A wide block is 32 columns of four rows as the tiles of several tokens read
// them, in the thread's scratch:
//
//	qs [8][16] bytes    in the order of a group of Q8_0 (see kernels.Format)
//	d  [4] float32      scale of each row
//	m  [4] float32      minimum of each row, where the format has minimums
//
// One pointer reaches all of it, and float32 scales leave the two registers that
// widening a float16 takes to results.
const (
	wideScale = 128
	wideMin   = 144
	wideBytes = 160
)

// wideTile emits the tile function of wide blocks: integer sums inside a block,
// float32 between blocks.
func (b *builder) wideTile(partial *simd128.Func) *simd128.Func {
	bytes := func(f *simd128.Func, k simd128.I32) simd128.I32 { return k.MulI(wideBytes / kernels.BlockK) }
	return b.tile("bytes", 2, kernels.TileTokens, bytes, partial, func(t *tileFunc) {
		f := t.f
		a := t.activations(false)
		sum := f.I32Var("sum")
		sum.Set(a.s.Add(a.s.Sub(a.d)))
		withMin := f.I32(minFormats()).ShrU(t.rec.i32("Format")).AndI(1).Let("with_min")
		var at []simd128.I32
		var sums [][]accumulator
		for g := range t.w {
			at = append(at, f.I32Var("at"))
			at[g].Set(t.w[g])
			sums = append(sums, nil)
			for range t.width {
				sums[g] = append(sums[g], newAccumulator(f, false))
			}
		}
		end := at[0].Add(t.groupBytes).Let("end")
		f.While(func() simd128.I32 { return at[0].LtU(end) }, func() {
			t.wideBlock(at, a, sums)
			f.If(withMin, func() { t.wideMinimums(at, sum) })
			for _, p := range at {
				p.Set(p.AddI(wideBytes))
			}
			a.advance()
			sum.Set(sum.AddI(int32(4 * t.width)))
		})
	})
}

// minFormats has bit f set for every format f with minimums.
func minFormats() (bits int32) {
	for f := range kernels.Formats() {
		if blockFormats[f].min {
			bits |= 1 << f
		}
	}
	return bits
}

// wideBlock adds one block: eight dot products per group and token, then the scale.
func (t *tileFunc) wideBlock(at []simd128.I32, a *actPointers, sums [][]accumulator) {
	c := t.constants
	for u := t.width - 1; u >= 0; u-- {
		start := a.start(c, u)().Let("start")
		for g := range at {
			sums[g][u].reset(func() simd128.I32x4 { return start })
		}
	}
	for _, j := range blockOrder {
		var ready []weights
		for _, p := range at {
			ready = append(ready, prepare(p.LoadI8x16(16*j), true))
		}
		for u := t.width - 1; u >= 0; u-- {
			x := a.load(u, j).let()
			for g := range at {
				sums[g][u].add(j, ready[g], x)
			}
		}
	}
	var d []simd128.F32x4
	for _, p := range at {
		d = append(d, p.LoadF32x4(wideScale).Let("d4"))
	}
	for u := t.width - 1; u >= 0; u-- {
		xd := a.scale(u).Let("xd4")
		for g := range at {
			y := t.results[g][u]
			y.Set(madd(sums[g][u].total(a.start(c, u), c.start), d[g].Mul(xd), y))
		}
	}
}

// wideMinimums adds the minimums of one block.
func (t *tileFunc) wideMinimums(at []simd128.I32, sum simd128.I32) {
	var m []simd128.F32x4
	for _, p := range at {
		m = append(m, p.LoadF32x4(wideMin).Let("m4"))
	}
	for u := t.width - 1; u >= 0; u-- {
		x := sum.Load32Splat(4 * u).AsF32x4().Let("x_sum")
		for g := range at {
			y := t.results[g][u]
			y.Set(madd(m[g], x, y))
		}
	}
}
