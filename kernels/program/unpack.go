package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Packed groups are unpacked in two passes, first their integers, then their
// scales: formats differ in one or the other, and share the rest.

// unpackKey names the formats that share a function.
type unpackKey struct {
	low, high int
	table     *[16]int8
	ternary   bool
	scaling   kernels.Scaling
	min       bool
}

func (b *builder) integersOf(f kernels.Format) unpackKey {
	s := formatOf(f).Shape
	return unpackKey{low: s.Low.Bits, high: s.High.Bits, table: s.Table, ternary: b.ternary(f)}
}

func scalesOf(s kernels.Shape) unpackKey { return unpackKey{scaling: s.Scaling, min: s.Min} }

var integersSignature, scalesSignature = simd128.Signature{Params: []simd128.Type{
	simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32,
}}, simd128.Signature{Params: []simd128.Type{simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32}}

// unpack emits unpack(format, src, dst, k, groups): packed groups become groups
// of the format's kind.
func (b *builder) unpack() *simd128.Func {
	integers, scales := map[unpackKey]int32{}, map[unpackKey]int32{}
	var integerFuncs, scaleFuncs []*simd128.Func
	for format := range kernels.Formats() {
		if !format.Quantised() {
			continue
		}
		shape := formatOf(format).Shape
		if key := b.integersOf(format); integers[key] == 0 {
			integerFuncs = append(integerFuncs, b.unpackIntegers(format))
			integers[key] = int32(len(integerFuncs))
		}
		if key := scalesOf(shape); scales[key] == 0 {
			scaleFuncs = append(scaleFuncs, b.unpackScales(format))
			scales[key] = int32(len(scaleFuncs))
		}
	}
	integerTable, scaleTable := b.m.Table(integerFuncs...), b.m.Table(scaleFuncs...)
	floats := b.m.Table(b.unpackFloats(kernels.F32), b.unpackFloats(kernels.F16), b.unpackFloats(kernels.BF16))

	f := b.m.Func("unpack")
	format, src, dst := f.ParamI32("format"), f.ParamI32("src"), f.ParamI32("dst")
	k, groups := f.ParamI32("k"), f.ParamI32("groups")
	f.If(format.LtUI(int32(kernels.Q8_0)), func() {
		f.CallIndirect(floats, floatsSignature, format.SubI(int32(kernels.F32)), src, dst, k.Mul(groups))
		f.Return()
	})
	nb := k.ShrUI(5).Let("nb")
	which, how, low := f.I32Var("integers"), f.I32Var("scales"), f.I32Var("low")
	both, scale := f.I32Var("both"), f.I32Var("scale")
	var cases []func()
	for format := range kernels.Formats() {
		if !format.Quantised() {
			continue
		}
		cases = append(cases, func() {
			bf := formatOf(format)
			which.Set(f.I32(integers[b.integersOf(format)] - 1))
			how.Set(f.I32(scales[scalesOf(bf.Shape)] - 1))
			low.Set(f.I32(bf.low()))
			both.Set(f.I32(bf.low() + bf.high()))
			scale.Set(f.I32(int32(bf.ScaleBytes())))
		})
	}
	f.Switch(format.SubI(int32(kernels.Q8_0)), cases, func() { f.Unreachable() })
	packed, unpacked, kind := b.sizesOf(f, format, k)
	step, gap := f.I32Var("step"), f.I32Var("gap")
	b.wideSteps(f, kind, step, gap)
	i := f.I32Var("i")
	f.For(i, f.I32(0), groups, 1, func() {
		f.CallIndirect(integerTable, integersSignature, which, src, src.Add(nb.Mul(low)), nb, dst, step, gap)
		at := src.Add(nb.Mul(both)).Let("at")
		behind := dst.AddI(2 * halfBytes).Sub(simd128.Select(gap, f.I32(halfBytes), f.I32(0)))
		f.CallIndirect(scaleTable, scalesSignature, how, at, at.Add(nb.Mul(scale)), nb, behind, step)
		src.Set(src.Add(packed))
		dst.Set(dst.Add(unpacked))
	})
	return f
}

// wideSteps sets variables to the bytes of a kind's wide blocks and to the bytes
// between its halves.
func (b *builder) wideSteps(f *simd128.Func, kind, step, gap simd128.I32) {
	var cases []func()
	for _, w := range wideBlocks {
		cases = append(cases, func() {
			step.Set(f.I32(w.bytes()))
			gap.Set(f.I32(int32(w.vector(4) - halfBytes)))
		})
	}
	f.Switch(kind, cases, nil)
}

// unpackIntegers emits integers(low, high, nb, dst, step, gap): integers become
// bytes.
func (b *builder) unpackIntegers(format kernels.Format) *simd128.Func {
	if b.ternary(format) {
		return b.unpackTernary()
	}
	f := b.m.Func("integers_" + format.String())
	p := &blockPointers{low: f.ParamI32("low"), high: f.ParamI32("high")}
	nb, dst, step, gap := f.ParamI32("nb"), f.ParamI32("dst"), f.ParamI32("step"), f.ParamI32("gap")
	bf := formatOf(format)
	c := newConstants(f)
	b.blockConstants(f, c, bf)
	stop := p.low.Add(nb.Mul(f.I32(bf.low()))).Let("stop")
	f.Loop(func(again simd128.Label) {
		behind := dst.Add(gap).Let("behind")
		for _, j := range blockOrder {
			to := dst
			if j >= 4 {
				to = behind
			}
			to.StoreV128(16*j, bf.vector(c, p, j).AsV128())
		}
		p.low.Set(p.low.AddI(bf.low()))
		if bf.High.Bits > 0 {
			p.high.Set(p.high.AddI(bf.high()))
		}
		dst.Set(dst.Add(step))
		f.BrIf(again, p.low.LtU(stop))
	})
	return f
}

// unpackScales emits scales(scale, super, nb, dst, step): scales and minimums
// become float32.
func (b *builder) unpackScales(format kernels.Format) *simd128.Func {
	f := b.m.Func("scales_" + format.String())
	p := &blockPointers{scale: f.ParamI32("scale"), d: f.ParamI32("super")}
	nb, dst, step := f.ParamI32("nb"), f.ParamI32("dst"), f.ParamI32("step")
	bf, wide := formatOf(format), wideBlocks[kindOf(format)]
	c := newConstants(f)
	b.blockConstants(f, c, bf)
	p.m = p.d.Add(nb.ShlI(1)).Let("m")
	superD, superM := f.F32x4Var("super_d"), f.F32x4Var("super_m")
	p.superD, p.superM = &superD, &superM
	i := f.I32Var("i")
	f.For(i, f.I32(0), nb, 1, func() {
		if bf.super() {
			f.If(i.AndI(7).Eqz(), func() {
				p.superD.Set(p.d.Add(i.ShlI(1)).LoadF32x4(0)) // sixteen bytes every eight blocks
				if bf.Min {
					p.superM.Set(p.m.Add(i.ShlI(1)).LoadF32x4(0))
				}
			})
		}
		if bf.Scaling == kernels.HalfScale && bf.Min {
			p.min = p.scale.Add(nb.ShlI(3)).Let("min")
		}
		d, m := bf.scales(c, p)
		for h := range m {
			m[h] = m[h].Let("m4")
		}
		for h := range d {
			at := wide.scale(4*h) - wide.scale(0)
			dst.StoreV128(at, d[h].AsV128())
			if bf.Min {
				dst.StoreV128(at+16, m[h].AsV128())
			}
		}
		p.scale.Set(p.scale.AddI(bf.scale()))
		dst.Set(dst.Add(step))
	})
	return f
}

var floatsSignature = simd128.Signature{Params: []simd128.Type{simd128.TypeI32, simd128.TypeI32, simd128.TypeI32}}

// unpackFloats emits floats(src, dst, columns): half weights become float32.
func (b *builder) unpackFloats(format kernels.Format) *simd128.Func {
	f := b.m.Func("unpack_" + format.String())
	src, dst, columns := f.ParamI32("src"), f.ParamI32("dst"), f.ParamI32("columns")
	c := newConstants(f)
	end := dst.Add(columns.ShlI(4)).Let("end")
	f.While(func() simd128.I32 { return dst.LtU(end) }, func() {
		dst.StoreV128(0, loadFloatWeights(c, src, 0, format).AsV128())
		src.Set(src.AddI(int32(format.GroupBytes(1))))
		dst.Set(dst.AddI(16))
	})
	return f
}
