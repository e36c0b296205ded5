package program

import "pastel/simd128"

// What sha256's work holds, in bytes: eight words of state, then the 64 of a block's schedule.
const (
	shaState    = 0
	shaSchedule = 32
)

// sha256 emits the export sha256(work, round, p, blocks), SHA-256's compression
// function on blocks of 64 bytes at p. It is no operation of tapes: pools are checked
// with it, which Go's code does at a sixth of the speed.
//
// Shapes: work uint32[72], of which the first eight are the state, before and after;
// round uint32[64], the standard's constants. Source: FIPS 180-4 §6.2.2.
func (b *builder) sha256() {
	f := b.m.Func("sha256")
	f.Export("sha256")
	work, round := f.ParamI32("work"), f.ParamI32("round")
	p, n := f.ParamI32("p"), f.ParamI32("blocks")
	end := p.Add(n.ShlI(6)).Let("end")
	f.While(func() simd128.I32 { return p.LtU(end) }, func() {
		shaExpand(f, work, p)
		shaCompress(f, work, round)
		p.Set(p.AddI(64))
	})
}

// shaExpand writes a block's schedule.
func shaExpand(f *simd128.Func, work, p simd128.I32) {
	bigEndian := [16]byte{3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12}
	for i := range 4 {
		v := p.LoadI8x16(16*i, 1).Let("v")
		work.StoreV128(shaSchedule+16*i, v.Shuffle(v, bigEndian).AsV128(), 4)
	}
	at := f.I32Var("at")
	f.ForU(at, work, work.AddI(48*4), 4, func() {
		word := func(i int) simd128.I32 { return at.LoadI32(shaSchedule + 4*i) }
		x, y := word(1).Let("x"), word(14).Let("y")
		s0 := x.RotlI(32 - 7).Xor(x.RotlI(32 - 18)).Xor(x.ShrUI(3))
		s1 := y.RotlI(32 - 17).Xor(y.RotlI(32 - 19)).Xor(y.ShrUI(10))
		at.StoreI32(shaSchedule+64, word(0).Add(s0).Add(word(9)).Add(s1))
	})
}

// shaCompress mixes a schedule into the state, four rounds a turn, after which the
// variables' halves have changed places.
func shaCompress(f *simd128.Func, work, round simd128.I32) {
	var v [8]simd128.I32
	for i := range v {
		v[i] = f.I32Var(string(rune('a' + i)))
		v[i].Set(work.LoadI32(shaState + 4*i))
	}
	i := f.I32Var("i")
	f.For(i, f.I32(0), f.I32(64*4), 4*4, func() {
		w, k := work.Add(i).Let("w"), round.Add(i).Let("k")
		for r := range 4 {
			at := func(i int) simd128.I32 { return v[(i-r+8)%8] }
			a, b, c, d := at(0), at(1), at(2), at(3)
			e, g, h := at(4), at(6), at(7)
			s1 := e.RotlI(32 - 6).Xor(e.RotlI(32 - 11)).Xor(e.RotlI(32 - 25))
			choice := at(5).Xor(g).And(e).Xor(g)
			t1 := h.Add(s1).Add(choice).Add(k.LoadI32(4 * r)).Add(w.LoadI32(shaSchedule + 4*r)).Let("t1")
			d.Set(d.Add(t1))
			s0 := a.RotlI(32 - 2).Xor(a.RotlI(32 - 13)).Xor(a.RotlI(32 - 22))
			majority := a.And(b).Or(a.Or(b).And(c))
			h.Set(t1.Add(s0).Add(majority))
		}
		for j := range 4 {
			first := v[j].Let("first")
			v[j].Set(v[j+4])
			v[j+4].Set(first)
		}
	})
	for i := range v {
		work.StoreI32(shaState+4*i, work.LoadI32(shaState+4*i).Add(v[i]))
	}
}
