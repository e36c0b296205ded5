package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// vectors runs body on four floats at a time from p to p+4·n bytes, and tail on
// what is left, one float at a time. All pointers advance together.
func vectors(f *simd128.Func, n simd128.I32, pointers []simd128.I32, body, tail func()) {
	advance := func(by int32) {
		for _, p := range pointers {
			p.Set(p.AddI(by))
		}
	}
	n = n.Let("n")
	wide := pointers[0].Add(n.AndI(-4).ShlI(2)).Let("wide")
	end := pointers[0].Add(n.ShlI(2)).Let("end")
	f.While(func() simd128.I32 { return pointers[0].LtU(wide) }, func() { body(); advance(16) })
	f.While(func() simd128.I32 { return pointers[0].LtU(end) }, func() { tail(); advance(4) })
}

// segments runs body for every segment of a flat operation over count floats:
// first is the index of its first float, n how many it has.
func (b *builder) segments(f *simd128.Func, start, end, count simd128.I32, body func(first, n simd128.I32)) {
	u := f.I32Var("segment")
	f.For(u, start, end, 1, func() {
		first := u.Mul(f.I32(kernels.SegmentFloats)).Let("first")
		left := count.Sub(first).Let("left")
		body(first, simd128.Select(left.LtSI(kernels.SegmentFloats), left, f.I32(kernels.SegmentFloats)).Let("n"))
	})
}

// at is base + 4·i in a new variable.
func at(f *simd128.Func, base, i simd128.I32) simd128.I32 {
	p := f.I32Var("p")
	p.Set(base.Add(i.ShlI(2)))
	return p
}

// unary emits an operation that maps Count floats at X in place.
func (b *builder) unary(name string, op kernels.Operation, prepare func(f *simd128.Func, r *record) func(x simd128.F32x4) simd128.F32x4) *simd128.Func {
	f, r, start, end := b.unitsFunc(name, op)
	x, count := r.i32("X"), r.i32("Count")
	apply := prepare(f, r)
	b.segments(f, start, end, count, func(first, n simd128.I32) {
		p := at(f, x, first)
		vectors(f, n, []simd128.I32{p}, func() {
			p.StoreV128(0, apply(p.LoadF32x4(0).Let("x")).AsV128(), 2)
		}, func() {
			p.StoreF32(0, apply(p.Load32Splat(0).AsF32x4().Let("x")).Let("y").ExtractLane(0))
		})
	})
	return f
}

func (b *builder) scale() *simd128.Func {
	return b.unary("scale", kernels.Scale{}, func(f *simd128.Func, r *record) func(simd128.F32x4) simd128.F32x4 {
		factor := r.f32("Factor").Splat().Let("factor")
		return func(x simd128.F32x4) simd128.F32x4 { return x.Mul(factor) }
	})
}

func (b *builder) softcap() *simd128.Func {
	return b.unary("softcap", kernels.Softcap{}, func(f *simd128.Func, r *record) func(simd128.F32x4) simd128.F32x4 {
		limit := r.f32("Cap").Splat().Let("cap")
		e := newExp(f)
		return func(x simd128.F32x4) simd128.F32x4 { return tanh4(e, x.Div(limit).Let("t")).Mul(limit) }
	})
}

func (b *builder) activate() *simd128.Func {
	return b.unary("activate", kernels.Activate{}, func(f *simd128.Func, r *record) func(simd128.F32x4) simd128.F32x4 {
		return b.nonlinear(f, r.i32("Func"))
	})
}

// nonlinear returns the function chosen by which, as a variable-valued branch.
func (b *builder) nonlinear(f *simd128.Func, which simd128.I32) func(x simd128.F32x4) simd128.F32x4 {
	y, e := f.F32x4Var("y"), newExp(f)
	return func(x simd128.F32x4) simd128.F32x4 {
		f.Switch(which, []func(){
			kernels.SiLU:    func() { y.Set(x.Mul(sigmoid4(e, x))) },
			kernels.GELU:    func() { y.Set(gelu4(e, x)) },
			kernels.ReLU2:   func() { r := x.Max(f.F32x4(0)).Let("r"); y.Set(r.Mul(r)) },
			kernels.Sigmoid: func() { y.Set(sigmoid4(e, x)) },
		}, func() { f.Unreachable() })
		return y
	}
}

// gelu4 is x/2·(1+tanh(√(2/π)·(x+0.044715x³))) = x·sigmoid(2√(2/π)·(x+0.044715x³)).
func gelu4(e *expConstants, x simd128.F32x4) simd128.F32x4 {
	f := e.f
	inner := madd(x.Mul(x).Mul(x), f.F32x4(0.044715), x)
	return x.Mul(sigmoid4(e, inner.Mul(f.F32x4(1.5957691))))
}

func (b *builder) glu() *simd128.Func {
	f, r, start, end := b.unitsFunc("glu", kernels.GLU{})
	dst, gate, up := r.i32("Dst"), r.i32("Gate"), r.i32("Up")
	dim, stride, dstStride := r.i32("Dim"), r.i32("Stride"), r.i32("DstStride")
	apply := b.nonlinear(f, r.i32("Func"))
	perToken := dim.AddI(kernels.SegmentFloats - 1).DivUI(kernels.SegmentFloats).Let("per_token")
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		t := u.DivU(perToken).Let("t")
		first := u.RemU(perToken).Mul(f.I32(kernels.SegmentFloats)).Let("first")
		left := dim.Sub(first).Let("left")
		n := simd128.Select(left.LtSI(kernels.SegmentFloats), left, f.I32(kernels.SegmentFloats)).Let("n")
		src := t.Mul(stride).Add(first).Let("src")
		g, h, d := at(f, gate, src), at(f, up, src), at(f, dst, t.Mul(dstStride).Add(first))
		vectors(f, n, []simd128.I32{g, h, d}, func() {
			d.StoreV128(0, apply(g.LoadF32x4(0).Let("x")).Mul(h.LoadF32x4(0)).AsV128(), 2)
		}, func() {
			y := apply(g.Load32Splat(0).AsF32x4().Let("x"))
			d.StoreF32(0, y.ExtractLane(0).Mul(h.LoadF32(0)))
		})
	})
	return f
}

func (b *builder) add() *simd128.Func {
	f, r, start, end := b.unitsFunc("add", kernels.Add{})
	dst, x, y, period := r.i32("Dst"), r.i32("A"), r.i32("B"), r.i32("Period")
	factor := r.f32("Scale").Let("factor")
	four := factor.Splat().Let("four")
	b.segments(f, start, end, r.i32("Count"), func(first, n simd128.I32) {
		d, p := at(f, dst, first), at(f, x, first)
		f.IfElse(period, func() { // the second operand repeats: one float at a time
			i := f.I32Var("i")
			f.For(i, first, first.Add(n).Let("stop"), 1, func() {
				v := y.Add(i.RemU(period).ShlI(2)).LoadF32(0)
				d.StoreF32(0, p.LoadF32(0).Add(factor.Mul(v)))
				d.Set(d.AddI(4))
				p.Set(p.AddI(4))
			})
		}, func() {
			q := at(f, y, first)
			vectors(f, n, []simd128.I32{d, p, q}, func() {
				d.StoreV128(0, p.LoadF32x4(0).Add(four.Mul(q.LoadF32x4(0))).AsV128(), 2)
			}, func() {
				d.StoreF32(0, p.LoadF32(0).Add(factor.Mul(q.LoadF32(0))))
			})
		})
	})
	return f
}
