package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// actPointers are the planes of a tile's activations at the current block (see
// kernels.ActLayout).
type actPointers struct {
	width, subs    int
	starts, min    bool
	x, d, start, s simd128.I32 // variables: integers, scales, start values with starts, sums with min
}

// activations points at the first block of the tile. Without starts sums start at
// the same value everywhere, as weights without a zero do; halves: every half of
// a block has a start value and a sum of its own.
func (t *tileFunc) activations(starts, min, halves bool) *actPointers {
	f := t.f
	a := &actPointers{width: t.width, subs: 1, starts: starts, min: min, x: f.I32Var("x"), d: f.I32Var("xd")}
	if halves {
		a.subs = 2
	}
	plane := t.k.ShrUI(5).Mul(f.I32(int32(4 * t.width))).Let("plane")
	a.x.Set(t.x)
	a.d.Set(t.x.Add(plane.ShlI(4)))
	if starts {
		a.start = f.I32Var("start")
		a.start.Set(a.d.Add(plane))
	}
	if min {
		a.s = f.I32Var("sum")
		a.s.Set(a.d.Add(plane.Mul(f.I32(int32(1 + a.subs)))))
	}
	return a
}

// advance moves to the next block; sums says whether start values and sums move
// along.
func (a *actPointers) advance(sums bool) {
	a.d.Set(a.d.AddI(int32(4 * a.width)))
	if sums {
		for range a.subs {
			a.advanceSums()
		}
	}
}

// advanceSums moves start values and sums on by one half, or block without halves.
func (a *actPointers) advanceSums() {
	if a.starts {
		a.start.Set(a.start.AddI(int32(4 * a.width)))
	}
	if a.min {
		a.s.Set(a.s.AddI(int32(4 * a.width)))
	}
}

// load loads what vector j of the weights is multiplied with.
func (a *actPointers) load(u, j int) activations {
	return loadActs(a.x, kernels.ActBlockBytes*u+j/4*32+j%4*4)
}

// startOf returns what loads the value that sums of token u, half h, start at.
func (a *actPointers) startOf(c *constants, u, h int) func() simd128.I32x4 {
	return func() simd128.I32x4 {
		if !a.starts {
			return c.start.AsI32x4()
		}
		return a.start.Load32Splat(4 * (h*a.width + u)).AsI32x4()
	}
}

func (a *actPointers) scale(u int) simd128.F32x4 { return a.d.Load32Splat(4 * u).AsF32x4() }
func (a *actPointers) sum(u, h int) simd128.F32x4 {
	return a.s.Load32Splat(4 * (h*a.width + u)).AsF32x4()
}

// singleGroups is the number of groups that one token is multiplied with at a
// time. Three share the loads of activations where their weights take few
// registers to unpack; the baseline has none for them.
func (b *builder) singleGroups(bf *blockFormat) int {
	if b.m.Relaxed && bf.Scaling == kernels.HalfScale && bf.High.Bits == 0 && !bf.Min && bf.Table == nil {
		return 3
	}
	return 2
}

// blockTile emits the tile function of one token and several groups of packed
// weights: integer sums inside a block, float32 between blocks.
func (b *builder) blockTile(name string, bf *blockFormat, partial *simd128.Func) *simd128.Func {
	groups := b.singleGroups(bf)
	return b.tile(name, groups, 1, bf.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		if groups == 2 && b.m.Relaxed {
			t.storeGroup = b.sharedStore(partial, 1)
		}
		b.blockConstants(f, t.constants, bf)
		nb := t.k.ShrUI(5).Let("nb")
		a := t.activations(bf.signed || bf.Zero != 0, bf.Min, bf.halves())
		var p []*blockPointers
		var sums [][]accumulator
		for _, w := range t.w {
			p = append(p, bf.start(f, w, nb))
			sums = append(sums, newAccumulators(f, bf.halves()))
		}
		ahead := b.toucher(t, groups*bf.blockBytes())
		bf.each(t.constants, f, p, t.results, nb, func() {
			t.block(bf, p, a, sums)
			a.advance(true)
			ahead.touch()
		})
	})
}

// newAccumulators declares the sums of one token: one, split, or one per half.
func newAccumulators(f *simd128.Func, halves bool) []accumulator {
	if halves {
		return []accumulator{newAccumulator(f, false), newAccumulator(f, false)}
	}
	return []accumulator{newAccumulator(f, true)}
}

// block adds one block: eight dot products per group, then scales and minimums.
// The groups take turns, so that activations are loaded once.
func (t *tileFunc) block(bf *blockFormat, p []*blockPointers, a *actPointers, sums [][]accumulator) {
	c := t.constants
	for _, halves := range sums {
		for h, s := range halves {
			s.reset(a.startOf(c, 0, h))
		}
	}
	multiply := func(vectors []int) {
		for _, j := range vectors {
			for g, halves := range sums {
				s := halves[j/4*(len(halves)-1)]
				s.add(j, prepare(bf.vector(c, p[g], j), bf.signed), a.load(0, j))
			}
		}
	}
	if bf.Low.Bits == 8 && !t.f.Module().Relaxed { // for the size of the code
		stop := a.x.AddI(2 * 32).Let("stop")
		t.f.Loop(func(again simd128.Label) {
			multiply([]int{3, 2, 1, 0})
			a.x.Set(a.x.AddI(32))
			for _, group := range p {
				group.low.Set(group.low.AddI(halfBytes))
			}
			t.f.BrIf(again, a.x.LtU(stop))
		})
	} else {
		multiply(blockOrder[:])
		a.x.Set(a.x.AddI(kernels.ActBlockBytes))
	}
	for g, halves := range sums {
		y, ym := t.results[g][0], t.results[g][0]
		if bf.super() {
			y, ym = p[g].sumD, p[g].sumM
		}
		d, m := bf.scales(c, p[g])
		for h, s := range halves {
			scale := a.scale(0)
			if len(d) > 0 {
				scale = d[h].Mul(scale)
			}
			y.Set(madd(s.total(a.startOf(c, 0, h), c.start), scale, y))
			if bf.Min {
				ym.Set(madd(m[h], a.sum(0, h), ym))
			}
		}
	}
}
