package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A wideBlock is 32 columns of four rows as the tiles of six tokens read them,
// in the thread's scratch:
//
//	qs [8][16] bytes    in the order of a group of Q8_0 (see kernels.Format)
//	d  [4] float32      scale of each row
//	m  [4] float32      minimum of each row, with min
//
// One pointer reaches all of it, and float32 scales leave the two registers that
// widening a float16 takes to the results of two tokens.
type wideBlock struct{ min bool }

const (
	wideScale = 128
	wideMin   = 144
)

func (w wideBlock) bytes() int32 {
	if w.min {
		return wideMin + 16
	}
	return wideMin
}

// groupBytes is the size of a group of k columns.
func (w wideBlock) groupBytes(f *simd128.Func, k simd128.I32) simd128.I32 {
	return k.ShrUI(5).Mul(f.I32(w.bytes()))
}

// wideTile emits the tile function of wide blocks: integer sums inside a block,
// float32 between blocks.
func (b *builder) wideTile(name string, w wideBlock, partial *simd128.Func) *simd128.Func {
	return b.tile(name, 2, kernels.TileTokens, w.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		a := t.activations(w.min)
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
			t.wideBlock(w, at, a, sums)
			for _, p := range at {
				p.Set(p.AddI(w.bytes()))
			}
			a.advance()
		})
	})
}

// wideBlock adds one block: eight dot products per group and token, then scale
// and minimum.
func (t *tileFunc) wideBlock(w wideBlock, at []simd128.I32, a *actPointers, sums [][]accumulator) {
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
	var d, m []simd128.F32x4
	for _, p := range at {
		d = append(d, p.LoadF32x4(wideScale).Let("d4"))
		if w.min {
			m = append(m, p.LoadF32x4(wideMin).Let("m4"))
		}
	}
	for u := t.width - 1; u >= 0; u-- {
		xd := a.scale(u).Let("xd4")
		var xs simd128.F32x4
		if w.min {
			xs = a.sum(u).Let("xs4")
		}
		for g := range at {
			y := t.results[g][u]
			y.Set(madd(sums[g][u].total(a.start(c, u), c.start), d[g].Mul(xd), y))
			if w.min {
				y.Set(madd(m[g], xs, y))
			}
		}
	}
}
