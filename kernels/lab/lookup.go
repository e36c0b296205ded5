package lab

import (
	"pastel/kernels/program"
	"pastel/simd128"
)

// Lookup is the rival of the dot product for ternary weights: sums of four
// activations are looked up, sixteen rows at a time, where the product multiplies. The
// baseline looks up, too (lookup.go in package program), from groups of four rows; this
// packing, of sixteen, is what it could reach.
//
// Memory at run's a, for K columns: tables [K/4][2][16] (low bytes of the sums of
// every subset of four activations, then high bytes), scales [K/32] float32 of
// blocks of activations, weights [panels][K/4][16] and sums [panels][16] float32.
// Row r's byte has in its low half the columns with digit 1 or 2, in its high
// half those with 2. b is the number of panels of sixteen rows.
//
// Source: Wei et al. 2024, T-MAC, arXiv:2407.00088, whose tables are rounded to
// eight bits; these are exact, as the product's sums are.
type Lookup struct{ K int }

// Bytes are the sizes of the four parts.
func (l Lookup) Bytes(panels int) (tables, scales, weights, sums int) {
	return l.K / 4 * 32, l.K / 32 * 4, panels * l.K / 4 * 16, panels * 64
}

// Build returns the module.
func (l Lookup) Build(flavour program.Flavour) ([]byte, error) {
	m := &simd128.Module{Name: "lookup", Relaxed: flavour == program.Relaxed}
	m.ImportMemory("env", "memory", simd128.Pages{Min: 1, Max: 65536, Shared: true})
	f := m.Func("run")
	f.Export("run")
	f.ParamI32("control")
	base, panels := f.ParamI32("a"), f.ParamI32("b")
	tables, scales, _, _ := l.Bytes(0)
	low := f.I8x16(15).Let("low")
	w, table, scale, out := f.I32Var("w"), f.I32Var("table"), f.I32Var("scale"), f.I32Var("out")
	w.Set(base.AddI(int32(tables + scales)))
	out.Set(w.Add(panels.Mul(f.I32(int32(l.K / 4 * 16)))))
	var y [4]simd128.F32x4
	for i := range y {
		y[i] = f.F32x4Var("y")
	}
	p := f.I32Var("panel")
	f.For(p, f.I32(0), panels, 1, func() {
		table.Set(base)
		scale.Set(base.AddI(int32(tables)))
		for i := range y {
			y[i].Set(f.F32x4(0))
		}
		stop := base.AddI(int32(tables)).Let("stop")
		f.While(func() simd128.I32 { return table.LtU(stop) }, func() {
			l.block(f, low, w, table, scale, y)
			w.Set(w.AddI(8 * 16))
			table.Set(table.AddI(8 * 32))
			scale.Set(scale.AddI(4))
		})
		for i := range y {
			out.StoreV128(16*i, y[i].AsV128())
		}
		out.Set(out.AddI(64))
	})
	return m.Build()
}

// block adds 32 columns of sixteen rows.
func (l Lookup) block(f *simd128.Func, low simd128.I8x16, w, table, scale simd128.I32, y [4]simd128.F32x4) {
	var sums [2]simd128.I16x8
	for i := range sums {
		sums[i] = f.I16x8Var("sums")
		sums[i].Set(f.I16x8(0))
	}
	pairs := [2][16]byte{{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}, {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}}
	look := func(t, at simd128.I8x16) simd128.I8x16 {
		if t.Relaxed() {
			return t.RelaxedSwizzle(at).Let("found")
		}
		return t.Swizzle(at).Let("found")
	}
	for g := range 8 {
		both := w.LoadI8x16(16 * g).Let("both")
		lows, highs := table.LoadI8x16(32*g).Let("lows"), table.LoadI8x16(32*g+16).Let("highs")
		for _, at := range []simd128.I8x16{both.And(low).Let("ones"), both.AsI16x8().ShrUI(4).AsI8x16().And(low).Let("twos")} {
			a, b := look(lows, at), look(highs, at)
			for i := range sums {
				sums[i].Set(sums[i].Add(a.Shuffle(b, pairs[i]).AsI16x8()))
			}
		}
	}
	d := scale.Load32Splat(0).AsF32x4().Let("d")
	for i, s := range sums {
		y[2*i].Set(y[2*i].Add(s.ExtendLowS().ConvertS().Mul(d)))
		y[2*i+1].Set(y[2*i+1].Add(s.ExtendHighS().ConvertS().Mul(d)))
	}
}
