package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// blend emits the operation. A unit is a group of four rows, one to a lane. The sums of
// a block lie in the thread's scratch while the largest of every row is found.
func (b *builder) blend() *simd128.Func {
	sums := b.blendSums()
	f, r, start, end := b.unitsFunc("blend", kernels.Blend{})
	k, block := r.i32("K"), r.i32("Block")
	offset, q, d, stop := f.I32Var("offset"), f.I32Var("q"), f.I32Var("d"), f.I32Var("stop")
	offset.Set(r.i32("Offset").Add(start.Mul(k).ShlI(3)))
	nb := k.DivU(block).Let("nb")
	groupBytes := nb.Mul(block.AddI(2)).ShlI(2).Let("group_bytes")
	q.Set(r.i32("Dst").Add(start.Mul(groupBytes)))
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	// adding magic leaves integer and bias in the lowest bits
	magic := f.F32x4(kernels.StartValue).Add(r.i32("Zero").SplatI32x4().ConvertS()).Let("magic")
	byteMask := f.I32x4(255).Let("byte_mask")
	g, p := f.I32Var("g"), f.I32Var("p")
	f.For(g, start, end, 1, func() {
		d.Set(q.Add(nb.Mul(block).ShlI(2)))
		stop.Set(d)
		f.While(func() simd128.I32 { return q.LtU(stop) }, func() {
			f.Call(sums, r.base, offset, block.ShlI(4))
			top := scratch.LoadF32x4(0).Let("top")
			d.Store64Lane(0, toHalf4(f, top.Div(f.F32x4(127)).Let("d4")).NarrowU(f.I32x4(0)).AsI64x2(), 0)
			inverse := f.F32x4(127).Div(top).AsI32x4().And(top.Gt(f.F32x4(0))).AsF32x4().Let("inverse")
			last := scratch.Add(block.ShlI(4)).Let("last")
			p.Set(scratch)
			f.While(func() simd128.I32 { return p.LtU(last) }, func() {
				for word := range 4 { // four columns, a byte each; see kernels.Format for their places
					var v simd128.I32x4
					for i := range 4 {
						bits := p.LoadF32x4(16 * (1 + 4*word + i)).Mul(inverse).Add(magic).AsI32x4()
						switch i {
						case 0:
							v = bits.And(byteMask)
						case 3:
							v = v.Or(bits.ShlI(24))
						default:
							v = v.Or(bits.And(byteMask).ShlI(int32(8 * i)))
						}
					}
					v = v.Let("word")
					for row := range kernels.GroupRows {
						q.Store32Lane((word-row)&3*16+4*row, v, row)
					}
				}
				q.Set(q.AddI(halfBytes))
				p.Set(p.AddI(16 * 16))
			})
			d.Set(d.AddI(8))
			offset.Set(offset.Add(block.ShlI(3)))
		})
		q.Set(d)
	})
	return f
}

// blendSums emits blend_sums(record, offset, bytes): the weighted sums of a block of so many
// bytes of scratch, eight columns at a time, behind the largest magnitude of every row.
func (b *builder) blendSums() *simd128.Func {
	f := b.m.Func("blend_sums")
	base, offset, bytes := f.ParamI32("record"), f.ParamI32("offset"), f.ParamI32("bytes")
	r := recordOf(f, base, kernels.Blend{})
	sources := r.i32("Src")
	last := sources.Add(r.i32("N").ShlI(2)).Let("last")
	toWeight := r.i32("Weights").Sub(sources).Let("to_weight")
	mask, widen := f.I32x4(-0x70002000).Let("mask"), f.F32x4(0x1p112).Let("widen")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	sums := make([]simd128.F32x4, 8)
	for i := range sums {
		sums[i] = f.F32x4Var("sum")
	}
	top, src, to := f.F32x4Var("top"), f.I32Var("src"), f.I32Var("to")
	f.For(to, scratch, scratch.Add(bytes), int32(16*len(sums)), func() {
		for _, s := range sums {
			s.Set(f.F32x4(0))
		}
		src.Set(sources)
		f.While(func() simd128.I32 { return src.LtU(last) }, func() {
			p := src.LoadI32(0).Add(offset).Let("p")
			w := src.Add(toWeight).Load32Splat(0).AsF32x4().Mul(widen).Let("w") // see loadHalf4
			for i := len(sums) - 2; i >= 0; i -= 2 {
				h := p.LoadI16x8(8*i, 1).Let("h")
				for j, v := range []simd128.I32x4{h.ExtendLowS(), h.ExtendHighS()} {
					sums[i+j].Set(madd(v.ShlI(13).And(mask).AsF32x4(), w, sums[i+j]))
				}
			}
			src.Set(src.AddI(4))
		})
		for i, s := range sums {
			top.Set(top.Pmax(s.Abs()))
			to.StoreV128(16*(i+1), s.AsV128())
		}
		offset.Set(offset.AddI(int32(8 * len(sums))))
	})
	scratch.StoreV128(0, top.AsV128())
	return f
}

// toHalf4 narrows values below 65520 to float16, to nearest even, subnormal ones
// to zero. x must be a variable.
func toHalf4(f *simd128.Func, x simd128.F32x4) simd128.I32x4 {
	bits := x.AsI32x4()
	abs := bits.And(f.I32x4(0x7fffffff)).Let("abs")
	odd := abs.ShrUI(13).And(f.I32x4(1))
	half := abs.Add(f.I32x4(0xfff - 112<<23)).Add(odd).ShrUI(13)
	return half.And(abs.GeS(f.I32x4(0x38800000))).Or(bits.ShrUI(16).And(f.I32x4(0x8000)))
}
