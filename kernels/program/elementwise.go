package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// vectors runs body on four floats at a time from p to p+4·n bytes, and tail on
// what is left, one float at a time. All pointers advance together.
func vectors(f *simd128.Func, n simd128.I32, pointers []simd128.I32, body, tail func()) {
	unrolled(f, n, 1, pointers, func(int) { body() }, tail)
}

// unrolled is vectors with several to a turn of the loop: body gets their offsets in
// bytes, from the highest down, since wazero then checks every pointer once a turn.
// It gains 2 to 3 there where body is a few instructions, and tail has more to do.
func unrolled(f *simd128.Func, n simd128.I32, several int32, pointers []simd128.I32, body func(offset int), tail func()) {
	advance := func(by int32) {
		for _, p := range pointers {
			p.Set(p.AddI(by))
		}
	}
	n = n.Let("n")
	wide := pointers[0].Add(n.AndI(-4 * several).ShlI(2)).Let("wide")
	end := pointers[0].Add(n.ShlI(2)).Let("end")
	f.While(func() simd128.I32 { return pointers[0].LtU(wide) }, func() {
		for i := several - 1; i >= 0; i-- {
			body(int(16 * i))
		}
		advance(16 * several)
	})
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

// tanh is the nonlinearity of Softcap, which has no number of its own.
const tanh = kernels.Sigmoid + 1

func (b *builder) softcap() *simd128.Func {
	span := b.nonlinear()
	f, r, start, end := b.unitsFunc("softcap", kernels.Softcap{})
	x, limit := r.i32("X"), r.f32("Cap")
	b.segments(f, start, end, r.i32("Count"), func(first, n simd128.I32) {
		p := at(f, x, first)
		f.Call(span, f.I32(int32(tanh)), p, p, f.I32(0), n, limit)
	})
	return f
}

func (b *builder) activate() *simd128.Func {
	span := b.nonlinear()
	f, r, start, end := b.unitsFunc("activate", kernels.Activate{})
	x, which := r.i32("X"), r.i32("Func")
	b.segments(f, start, end, r.i32("Count"), func(first, n simd128.I32) {
		p := at(f, x, first)
		f.Call(span, which, p, p, f.I32(0), n, f.F32(0))
	})
	return f
}

func (b *builder) glu() *simd128.Func {
	span := b.nonlinear()
	f, r, start, end := b.unitsFunc("glu", kernels.GLU{})
	dst, gate, up, which := r.i32("Dst"), r.i32("Gate"), r.i32("Up"), r.i32("Func")
	dim, stride, dstStride := r.i32("Dim"), r.i32("Stride"), r.i32("DstStride")
	perToken := dim.AddI(kernels.SegmentFloats - 1).DivUI(kernels.SegmentFloats).Let("per_token")
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		t := u.DivU(perToken).Let("t")
		first := u.RemU(perToken).Mul(f.I32(kernels.SegmentFloats)).Let("first")
		left := dim.Sub(first).Let("left")
		n := simd128.Select(left.LtSI(kernels.SegmentFloats), left, f.I32(kernels.SegmentFloats)).Let("n")
		src := t.Mul(stride).Add(first).Let("src")
		f.Call(span, which, at(f, dst, t.Mul(dstStride).Add(first)), at(f, gate, src), at(f, up, src), n, f.F32(0))
	})
	return f
}

// nonlinear emits nonlinear(func, dst, x, up, n, cap), once: n floats of func(x),
// multiplied with those at up unless that is zero. Of tanh, cap·tanh(x/cap).
//
// All but one share the code of the sigmoid, and what is left over of four floats goes
// through that of four: with a loop for each of either, in each of the three operations,
// they took 3.3 KB more.
func (b *builder) nonlinear() *simd128.Func {
	if b.nonlinears != nil {
		return b.nonlinears
	}
	f := b.m.Func("nonlinear")
	b.nonlinears = f
	which, dst, src, up := f.ParamI32("func"), f.ParamI32("dst"), f.ParamI32("x"), f.ParamI32("up")
	n, limit := f.ParamI32("n"), f.ParamF32("cap")
	limit4 := limit.Splat().Let("cap4")
	x, y, z, e := f.F32x4Var("x"), f.F32x4Var("y"), f.F32x4Var("z"), newExp(f)
	vectors(f, n, []simd128.I32{src, dst}, func() {
		x.Set(src.LoadF32x4(0))
		z.Set(x)
		f.If(which, func() { // SiLU goes straight on
			f.Switch(which.SubI(int32(kernels.GELU)), []func(){
				func() { z.Set(geluInner(f, x)) }, func() {}, func() {},
				func() {
					x.Set(x.Div(limit4))
					z.Set(x.Add(x))
				},
			}, func() { f.Unreachable() })
		})
		z.Set(sigmoid4(e, z))
		y.Set(x.Mul(z))
		f.If(which, func() {
			f.Switch(which.SubI(int32(kernels.ReLU2)), []func(){
				func() {
					x.Set(x.Max(f.F32x4(0)))
					y.Set(x.Mul(x))
				},
				func() { y.Set(z) },
				func() { y.Set(tanhOf(f, x, z).Mul(limit4)) },
			}, nil)
		})
		f.If(up, func() {
			y.Set(y.Mul(up.LoadF32x4(0)))
			up.Set(up.AddI(16))
		})
		dst.StoreV128(0, y.AsV128(), 2)
	}, func() {
		one := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("one")
		one.StoreF32(0, src.LoadF32(0))
		f.Call(f, which, one, one, f.I32(0), f.I32(4), limit)
		dst.StoreF32(0, one.LoadF32(0))
		f.If(up, func() {
			dst.StoreF32(0, dst.LoadF32(0).Mul(up.LoadF32(0)))
			up.Set(up.AddI(4))
		})
	})
	return f
}

// geluInner is what x·sigmoid is taken of: x/2·(1+tanh(√(2/π)·(x+0.044715x³))) =
// x·sigmoid(2√(2/π)·(x+0.044715x³)).
func geluInner(f *simd128.Func, x simd128.F32x4) simd128.F32x4 {
	return madd(x.Mul(x).Mul(x), f.F32x4(0.044715), x).Mul(f.F32x4(1.5957691))
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
			unrolled(f, n, 8, []simd128.I32{d, p, q}, func(o int) {
				d.StoreV128(o, p.LoadF32x4(o).Add(four.Mul(q.LoadF32x4(o))).AsV128(), 2)
			}, func() {
				d.StoreF32(0, p.LoadF32(0).Add(factor.Mul(q.LoadF32(0))))
			})
		})
	})
	return f
}
