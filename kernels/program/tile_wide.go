package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A wideBlock is 32 columns of four rows as tiles read them from the thread's
// scratch:
//
//	qs [8][16] bytes    in the order of a group of Q8_0 (see kernels.Format)
//	d  [4] float32      scale of each row
//	m  [4] float32      minimum of each row, where the format has minimums
//
// With halves the first four vectors have a d and m of their own behind them,
// then come the other four with theirs.
//
// One pointer reaches all of it, and float32 scales leave the two registers that
// widening a float16 takes to results.
type wideBlock struct{ halves bool }

// wideBlocks are the wide blocks by kind.
var wideBlocks = [...]wideBlock{bytesKind: {}, halvesKind: {halves: true}}

const (
	halfBytes  = 64 // integers of a half block
	scaleBytes = 32 // a scale and a minimum
)

// vector is where vector j of a block begins.
func (w wideBlock) vector(j int) int {
	if w.halves {
		return j/4*(halfBytes+scaleBytes) + j%4*16
	}
	return 16 * j
}

// scale is where the scale that vector j is multiplied with lies; the minimum
// lies behind it.
func (w wideBlock) scale(j int) int {
	if w.halves {
		return j/4*(halfBytes+scaleBytes) + halfBytes
	}
	return 2 * halfBytes
}

func (w wideBlock) bytes() int32 { return int32(w.scale(7) + scaleBytes) }

// groupBytes is the size of a group of k columns.
func (w wideBlock) groupBytes(f *simd128.Func, k simd128.I32) simd128.I32 {
	return k.MulI(w.bytes() / kernels.BlockK)
}

// minFormats has bit f set for every format f with minimums.
func minFormats() (bits int32) {
	for f := range kernels.Formats() {
		if formatOf(f).Min {
			bits |= 1 << f
		}
	}
	return bits
}

// wideLoop is a tile function of wide blocks in the making.
type wideLoop struct {
	t       *tileFunc
	w       wideBlock
	at      []simd128.I32 // variables: the current block, or half of it, of every group
	a       *actPointers
	withMin simd128.I32 // the format has minimums
	sums    [][]accumulator
}

// wideTile emits a tile function of wide blocks: integer sums inside a block,
// float32 between blocks. Half blocks with scales of their own take turns in a
// loop of their own, and so do those of one token in the baseline, to save code.
func (b *builder) wideTile(name string, w wideBlock, width int, partial *simd128.Func) *simd128.Func {
	return b.tile(name, 2, width, w.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		if width == 1 || w.halves {
			t.storeGroup = b.sharedStore(partial, width)
		}
		l := &wideLoop{t: t, w: w, a: t.activations(true, true, w.halves)}
		l.withMin = f.I32(minFormats()).ShrU(t.rec.i32("Format")).AndI(1).Let("with_min")
		for g := range t.w {
			l.at = append(l.at, f.I32Var("at"))
			l.at[g].Set(t.w[g])
			l.sums = append(l.sums, nil)
			for range t.width {
				l.sums[g] = append(l.sums[g], newAccumulator(f, width == 1 && !w.halves))
			}
		}
		end := l.at[0].Add(t.groupBytes).Let("end")
		f.While(func() simd128.I32 { return l.at[0].LtU(end) }, func() {
			switch {
			case w.halves:
				l.eachHalf(func() {
					l.reset()
					l.multiply([]int{3, 2, 1, 0})
					l.scale(w.scale(0))
					l.a.advanceSums()
				})
			case width == 1 && !b.m.Relaxed:
				l.reset()
				l.eachHalf(func() { l.multiply([]int{3, 2, 1, 0}) })
				l.scale(0) // which the pointers have come to
				l.step(scaleBytes)
			default:
				l.reset()
				l.multiply(blockOrder[:])
				l.scale(w.scale(0))
				l.step(w.bytes())
				l.a.x.Set(l.a.x.AddI(2 * 32))
			}
			l.a.x.Set(l.a.x.AddI(int32(kernels.ActBlockBytes*t.width - 2*32)))
			l.a.advance(!w.halves)
		})
	})
}

// eachHalf runs body for either half of a block and moves the pointers.
func (l *wideLoop) eachHalf(body func()) {
	x := l.a.x
	stop := x.AddI(2 * 32).Let("stop")
	l.t.f.Loop(func(again simd128.Label) {
		body()
		x.Set(x.AddI(32))
		l.step(int32(l.w.vector(4)))
		l.t.f.BrIf(again, x.LtU(stop))
	})
}

// step moves the pointers to the weights.
func (l *wideLoop) step(n int32) {
	for _, p := range l.at {
		p.Set(p.AddI(n))
	}
}

// reset starts the sums.
func (l *wideLoop) reset() {
	for u := l.t.width - 1; u >= 0; u-- {
		start := l.a.startOf(l.t.constants, u, 0)().Let("start")
		for g := range l.at {
			l.sums[g][u].reset(func() simd128.I32x4 { return start })
		}
	}
}

// multiply adds dot products with the given vectors.
func (l *wideLoop) multiply(vectors []int) {
	for _, j := range vectors {
		var ready []weights
		for _, p := range l.at {
			ready = append(ready, prepare(p.LoadI8x16(l.w.vector(j)), true))
		}
		for u := l.t.width - 1; u >= 0; u-- {
			x := l.a.load(u, j).let()
			for g := range l.at {
				l.sums[g][u].add(j, ready[g], x)
			}
		}
	}
}

// scale adds the sums to the results, with the scales at an offset and perhaps
// the minimums behind them.
func (l *wideLoop) scale(at int) {
	var d []simd128.F32x4
	for _, p := range l.at {
		d = append(d, p.LoadF32x4(at).Let("d4"))
	}
	for u := l.t.width - 1; u >= 0; u-- {
		xd := l.a.scale(u).Let("xd4")
		for g := range l.at {
			y := l.t.results[g][u]
			y.Set(madd(l.sums[g][u].total(l.a.startOf(l.t.constants, u, 0), l.t.constants.start), d[g].Mul(xd), y))
		}
	}
	l.t.f.If(l.withMin, func() {
		var m []simd128.F32x4
		for _, p := range l.at {
			m = append(m, p.LoadF32x4(at+16).Let("m4"))
		}
		for u := l.t.width - 1; u >= 0; u-- {
			xs := l.a.sum(u, 0).Let("xs4")
			for g := range l.at {
				y := l.t.results[g][u]
				y.Set(madd(m[g], xs, y))
			}
		}
	})
}
