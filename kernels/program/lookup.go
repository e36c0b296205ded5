package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// In the baseline, whose bytes have no dot product, ternary weights are not
// multiplied for one token: the sums of four activations are looked up, for the
// rows of four groups at a time. For that their integers are packed by bit. Byte
// (i, r) of half a block holds of row r, columns 4i to 4i+3, the low bits of the
// integers in its low half and the high bits in its high half:
//
//	q2  [nb][2][i][r]
//
// Tiles and embeddings unpack them to bytes, as all other formats. Sums are exact,
// and those of the reference.
//
// Source: Wei et al. 2024, T-MAC, arXiv:2407.00088, whose tables are rounded to
// eight bits.

// ternary reports whether the integers of a format are packed by bit.
func (b *builder) ternary(f kernels.Format) bool {
	return !b.m.Relaxed && f.Shape().Scaling == kernels.ScaleOnly
}

// tableBytes is the size of the table of four columns: the low bytes of the sums
// of every subset, then the high bytes.
const tableBytes = 32

// lookups are what a thread's tables were made of, so that the parts of one
// operation make them once: the record's address and the activations', which is
// zero when there are none.
type lookups struct{ record, x *simd128.Global }

// forget makes the next product build its tables: between tapes, and where
// something else of the same operation has taken the scratch.
func (b *builder) forget(f *simd128.Func) {
	if !b.m.Relaxed {
		f.SetGlobal(b.lookups.x, f.I32(0))
	}
}

// lookup emits the tile function of one token.
func (b *builder) lookup(partial *simd128.Func) *simd128.Func {
	tables, tile := b.lookupTables(), b.lookupTile(partial)
	f := b.m.Func("matmul_lookup_1")
	base, first, end := f.ParamI32("record"), f.ParamI32("first"), f.ParamI32("end")
	x, dst, w := f.ParamI32("x"), f.ParamI32("dst"), f.ParamI32("w")
	made := func(g *simd128.Global) simd128.I32 { return simd128.GetGlobal[simd128.I32](f, g) }
	f.If(made(b.lookups.record).Ne(base).Or(made(b.lookups.x).Ne(x)), func() {
		f.SetGlobal(b.lookups.record, base)
		f.SetGlobal(b.lookups.x, x)
		f.Call(tables, x, made(b.scratch), recordOf(f, base, kernels.Matmul{}).i32("K"))
	})
	f.Call(tile, base, first, end, x, dst, w)
	return f
}

// lookupTables emits tables(x, table, k): the tables of k activations of a token.
func (b *builder) lookupTables() *simd128.Func {
	f := b.m.Func("lookup_tables")
	x, table, k := f.ParamI32("x"), f.ParamI32("table"), f.ParamI32("k")
	var masks [3]simd128.I16x8 // the subsets with one of three columns
	for c := range masks {
		var lanes [8]int16
		for s := range lanes {
			lanes[s] = -int16(s >> c & 1)
		}
		masks[c] = f.I16x8(lanes[:]...).Let("mask")
	}
	low := f.I16x8(255).Let("low")
	end := table.Add(k.ShlI(3)).Let("end")
	f.While(func() simd128.I32 { return table.LtU(end) }, func() { // sixteen columns, which are there twice
		stop := table.AddI(4 * tableBytes).Let("stop")
		f.Loop(func(again simd128.Label) {
			sums := x.Load8S(0).SplatI16x8().And(masks[0])
			for c := 1; c < 3; c++ {
				sums = sums.Add(x.Load8S(c).SplatI16x8().And(masks[c]))
			}
			sums = sums.Let("sums")
			more := sums.Add(x.Load8S(3).SplatI16x8()).Let("more")
			table.StoreV128(0, sums.And(low).NarrowU(more.And(low)).AsV128(), 2)
			table.StoreV128(16, sums.ShrSI(8).NarrowS(more.ShrSI(8)).AsV128(), 2)
			x.Set(x.AddI(4))
			table.Set(table.AddI(tableBytes))
			f.BrIf(again, table.LtU(stop))
		})
		x.Set(x.AddI(16))
	})
	return f
}

// lookupTile emits the function behind lookup.
func (b *builder) lookupTile(partial *simd128.Func) *simd128.Func {
	bf := formatOf(kernels.TQ1_0)
	return b.tile("lookup", 4, 1, bf.groupBytes, partial, func(t *tileFunc) {
		f := t.f
		t.storeGroup = b.sharedStore(partial, 1)
		nb := t.k.ShrUI(5).Let("nb")
		a := t.activations(true, false, false)
		var p []*blockPointers
		for g, w := range t.w {
			p = append(p, bf.start(f, w, nb))
			p[g].byHalf = true
		}
		table := f.I32Var("table")
		table.Set(simd128.GetGlobal[simd128.I32](f, b.scratch))
		nibble := f.I8x16(15).Let("nibble")
		var ones, twos [2]simd128.I16x8 // sums of eight rows each
		for i := range ones {
			ones[i], twos[i] = f.I16x8Var("ones"), f.I16x8Var("twos")
		}
		ahead := b.toucher(t, 4*bf.blockBytes())
		bf.each(t.constants, f, p, t.results, nb, func() {
			for i := range ones {
				ones[i].Set(a.start.Load16Splat(0)) // StartBits has none there
				twos[i].Set(f.I16x8(0))
			}
			stop := table.AddI(8 * tableBytes).Let("stop")
			f.Loop(func(again simd128.Label) {
				for i, v := range columnsOf(p) {
					lows, highs := table.LoadI8x16(tableBytes*i, 2).Let("lows"), table.LoadI8x16(tableBytes*i+16, 2).Let("highs")
					find(lows, highs, v.And(nibble), ones)
					find(lows, highs, v.AsI16x8().ShrUI(4).AsI8x16().And(nibble), twos)
				}
				for _, group := range p {
					group.low.Set(group.low.AddI(8))
				}
				table.Set(table.AddI(2 * tableBytes))
				f.BrIf(again, table.LtU(stop))
			})
			d := a.scale(0).Let("d")
			for i := range ones {
				s := ones[i].Add(twos[i].ShlI(1)).Let("s")
				p[2*i].sumD.Set(madd(s.ExtendLowS().ConvertS(), d, p[2*i].sumD))
				p[2*i+1].sumD.Set(madd(s.ExtendHighS().ConvertS(), d, p[2*i+1].sumD))
			}
			a.advance(true)
			ahead.touch()
		})
	})
}

// columnsOf loads two bytes of four groups' rows: vector i holds byte i of sixteen.
func columnsOf(p []*blockPointers) [2]simd128.I8x16 {
	var v [4]simd128.I8x16
	for g, group := range p {
		v[g] = group.low.Load64Zero(0, 2).AsI8x16().Let("v")
	}
	x, y := words(v[0], v[1], 0, 4, 1, 5).Let("x"), words(v[2], v[3], 0, 4, 1, 5).Let("y")
	return [2]simd128.I8x16{words(x, y, 0, 1, 4, 5).Let("v"), words(x, y, 2, 3, 6, 7).Let("v")}
}

// find adds what two halves of a table hold at the indices to the sums.
func find(lows, highs, at simd128.I8x16, sums [2]simd128.I16x8) {
	at = at.Let("at")
	l, h := lows.Swizzle(at).Let("l"), highs.Swizzle(at).Let("h")
	for i, lanes := range [2][16]byte{{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}, {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}} {
		sums[i].Set(sums[i].Add(l.Shuffle(h, lanes).AsI16x8()))
	}
}

// packBits emits pack_bits(q): nibbles of the low bits of sixteen integers, four to a
// byte's low half, and of the high bits above them.
func (b *builder) packBits() *simd128.Func {
	f := b.m.Func("pack_bits")
	q := f.ParamV128("q").AsI16x8()
	f.Results(simd128.TypeI32)
	spread := func(bits simd128.I32) simd128.I32 { // nibbles become bytes
		bits = bits.Let("bits")
		bits = bits.Or(bits.ShlI(8)).And(f.I32(0x00ff00ff)).Let("bits")
		return bits.Or(bits.ShlI(4)).And(f.I32(0x0f0f0f0f))
	}
	low, high := q.ShlI(7).AsI8x16().Bitmask(), q.ShlI(6).AsI8x16().Bitmask()
	f.Return(spread(low).Or(spread(high).ShlI(4)))
	return f
}

// packTernary packs sixteen integers of four rows.
func packTernary(f, bits *simd128.Func, plane simd128.I32, rows [kernels.GroupRows]simd128.I8x16) {
	v := f.I32x4Var("bits")
	for r, q := range rows {
		v.Set(v.ReplaceLane(r, f.Call(bits, q.AsV128()).I32(0)))
	}
	plane.StoreV128(0, transposeBytes(v.AsI8x16()).AsV128(), 2)
}

// transposeBytes turns byte i of word r into byte r of word i.
func transposeBytes(v simd128.I8x16) simd128.I8x16 {
	return v.Shuffle(v, [16]byte{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15})
}

// unpackTernary emits integers(low, high, nb, dst, step, gap) of what is packed by
// bit (see unpackIntegers).
func (b *builder) unpackTernary() *simd128.Func {
	f := b.m.Func("integers_ternary")
	src, _, nb, dst := f.ParamI32("low"), f.ParamI32("high"), f.ParamI32("nb"), f.ParamI32("dst")
	step, _ := f.ParamI32("step"), f.ParamI32("gap")
	// bit i of a nibble is the integer of column i, which is byte i of row r's word
	var mask [4]int32
	for r := range mask {
		mask[r] = 0x08040201
	}
	low := f.I32x4(mask[:]...).AsI8x16().Let("low")
	high := low.AsI16x8().ShlI(4).AsI8x16().Let("high")
	four, fifteen := f.I8x16(4).Let("four"), f.I8x16(15).Let("fifteen")
	var start [16]int8 // vector 0 holds word r of row r
	for i := range start {
		start[i] = int8(i/4*4 + i/4)
	}
	at, v := f.I8x16Var("at"), f.I8x16Var("v")
	at.Set(f.I8x16(start[:]...))
	end := src.Add(nb.ShlI(5)).Let("end")
	f.While(func() simd128.I32 { return src.LtU(end) }, func() {
		stop := dst.AddI(2 * halfBytes).Let("stop")
		f.Loop(func(next simd128.Label) {
			half := dst.AddI(halfBytes).Let("half")
			f.Loop(func(again simd128.Label) {
				v.Set(src.LoadI8x16(0, 2).Swizzle(at))
				two := v.And(high).Eq(high).Let("two")
				dst.StoreV128(0, v.And(low).Eq(low).Add(two).Add(two).Neg().AsV128(), 2)
				at.Set(at.Add(four).And(fifteen)) // comes round after four
				dst.Set(dst.AddI(16))
				f.BrIf(again, dst.LtU(half))
			})
			src.Set(src.AddI(16))
			f.BrIf(next, dst.LtU(stop))
		})
		dst.Set(dst.Add(step).SubI(2 * halfBytes))
	})
	return f
}
