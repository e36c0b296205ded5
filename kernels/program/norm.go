package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// normRows calls body with the input and output pointers of every row.
func (b *builder) normRows(f *simd128.Func, r *record, start, end simd128.I32, body func(x, dst simd128.I32)) {
	rows, dim := r.i32("Rows"), r.i32("Dim")
	x, dst := r.i32("X"), r.i32("Dst")
	xStride, dstStride := r.i32("XStride"), r.i32("DstStride")
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		t, row := u.DivU(rows).Let("t"), u.RemU(rows).Mul(dim).Let("row")
		body(at(f, x, t.Mul(xStride).Add(row)), at(f, dst, t.Mul(dstStride).Add(row)))
	})
}

// squareSum emits square_sum(x, n, mean), once: the sum of (x−mean)².
func (b *builder) squareSum() *simd128.Func {
	if b.squares != nil {
		return b.squares
	}
	f := b.m.Func("square_sum")
	b.squares = f
	x, n, mean := f.ParamI32("x"), f.ParamI32("n"), f.ParamF32("mean")
	f.Results(simd128.TypeF32)
	var acc [4]simd128.F32x4
	for i := range acc {
		acc[i] = f.F32x4Var("acc")
	}
	last, mean4 := f.F32Var("last"), mean.Splat().Let("mean4")
	unrolled(f, n, 8, []simd128.I32{x}, func(o int) {
		d, sum := x.LoadF32x4(o).Sub(mean4).Let("d"), acc[o/16%4]
		sum.Set(sum.Add(d.Mul(d)))
	}, func() {
		d := x.LoadF32(0).Sub(mean).Let("d")
		last.Set(last.Add(d.Mul(d)))
	})
	all := acc[0].Add(acc[1]).Add(acc[2].Add(acc[3])).Let("all")
	f.Return(sum4(all).Add(last))
	return f
}

// sum adds n floats at x.
func sum(f *simd128.Func, x, n simd128.I32) simd128.F32 {
	p, acc, last := f.I32Var("p"), f.F32x4Var("acc"), f.F32Var("last")
	p.Set(x)
	acc.Set(f.F32x4(0))
	last.Set(f.F32(0))
	vectors(f, n, []simd128.I32{p}, func() { acc.Set(acc.Add(p.LoadF32x4(0))) }, func() { last.Set(last.Add(p.LoadF32(0))) })
	return sum4(acc).Add(last)
}

func (b *builder) rmsNorm() *simd128.Func {
	squares := b.squareSum()
	f, r, start, end := b.unitsFunc("rmsnorm", kernels.RMSNorm{})
	dim, weight, eps := r.i32("Dim"), r.i32("Weight"), r.f32("Eps")
	b.normRows(f, r, start, end, func(x, dst simd128.I32) {
		sum := f.Call(squares, x, dim, f.F32(0)).F32(0)
		scale := f.F32(1).Div(sum.Div(dim.ConvertF32S()).Add(eps).Sqrt()).Let("scale")
		four := scale.Splat().Let("four")
		w := f.I32Var("w")
		w.Set(weight)
		unrolled(f, dim, 8, []simd128.I32{x, dst, w}, func(o int) {
			dst.StoreV128(o, x.LoadF32x4(o).Mul(four).Mul(w.LoadF32x4(o)).AsV128(), 2)
		}, func() {
			dst.StoreF32(0, x.LoadF32(0).Mul(scale).Mul(w.LoadF32(0)))
		})
	})
	return f
}

func (b *builder) layerNorm() *simd128.Func {
	squares := b.squareSum()
	f, r, start, end := b.unitsFunc("layernorm", kernels.LayerNorm{})
	dim, weight, bias, eps := r.i32("Dim"), r.i32("Weight"), r.i32("Bias"), r.f32("Eps")
	b.normRows(f, r, start, end, func(x, dst simd128.I32) {
		n := dim.ConvertF32S().Let("nf")
		mean := sum(f, x, dim).Div(n).Let("mean")
		mean4 := mean.Splat().Let("mean4")
		sum := f.Call(squares, x, dim, mean).F32(0)
		scale := f.F32(1).Div(sum.Div(n).Add(eps).Sqrt()).Let("scale")
		four := scale.Splat().Let("four")
		w, c := f.I32Var("w"), f.I32Var("c")
		w.Set(weight)
		c.Set(bias)
		vectors(f, dim, []simd128.I32{x, dst, w, c}, func() {
			y := f.F32x4Var("y")
			y.Set(x.LoadF32x4(0).Sub(mean4).Mul(four).Mul(w.LoadF32x4(0)))
			f.If(bias, func() { y.Set(y.Add(c.LoadF32x4(0))) })
			dst.StoreV128(0, y.AsV128(), 2)
		}, func() {
			y := f.F32Var("y")
			y.Set(x.LoadF32(0).Sub(mean).Mul(scale).Mul(w.LoadF32(0)))
			f.If(bias, func() { y.Set(y.Add(c.LoadF32(0))) })
			dst.StoreF32(0, y)
		})
	})
	return f
}

// rope rotates pairs one at a time: it is a hundredth of a pass.
func (b *builder) rope() *simd128.Func {
	f, r, start, end := b.unitsFunc("rope", kernels.Rope{})
	x, positions, table := r.i32("X"), r.i32("Positions"), r.i32("Table")
	heads, headDim, stride := r.i32("Heads"), r.i32("HeadDim"), r.i32("Stride")
	dims := r.i32("RopeDims")
	step, apart := f.I32Var("step"), f.I32Var("apart") // bytes between pairs, inside a pair
	f.IfElse(r.i32("Interleaved"), func() {
		step.Set(f.I32(8))
		apart.Set(f.I32(4))
	}, func() {
		step.Set(f.I32(4))
		apart.Set(dims.ShlI(1))
	})
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		t := u.DivU(heads).Let("t")
		a := at(f, x, t.Mul(stride).Add(u.RemU(heads).Mul(headDim)))
		pos := positions.Add(t.ShlI(2)).LoadI32(0)
		c := at(f, table, pos.Mul(dims))
		stop := c.Add(dims.ShlI(2)).Let("stop")
		f.While(func() simd128.I32 { return c.LtU(stop) }, func() {
			o := a.Add(apart).Let("o")
			p, q := a.LoadF32(0).Let("p"), o.LoadF32(0).Let("q")
			sin := c.LoadF32(4).Let("sin") // downwards, see unrolled
			cos := c.LoadF32(0).Let("cos")
			a.StoreF32(0, p.Mul(cos).Sub(q.Mul(sin)))
			o.StoreF32(0, p.Mul(sin).Add(q.Mul(cos)))
			a.Set(a.Add(step))
			c.Set(c.AddI(8))
		})
	})
	return f
}
