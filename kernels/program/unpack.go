package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// unpackFunc starts unpack(src, dst, k, groups): packed groups become groups of
// the format's kind.
func (b *builder) unpackFunc(format kernels.Format) (f *simd128.Func, src, dst, k, groups simd128.I32) {
	f = b.m.Func("unpack_" + format.String())
	return f, f.ParamI32("src"), f.ParamI32("dst"), f.ParamI32("k"), f.ParamI32("groups")
}

// unpackBlocks emits the unpacking of quantised weights to wide blocks.
func (b *builder) unpackBlocks(format kernels.Format) *simd128.Func {
	f, src, dst, k, groups := b.unpackFunc(format)
	bf := blockFormats[format]
	c := newConstants(f)
	nb := k.ShrUI(5).Let("nb")
	bytes := bf.groupBytes(f, k).Let("group_bytes")
	i := f.I32Var("i")
	f.For(i, f.I32(0), groups, 1, func() {
		p := bf.start(f, src, nb)
		src.Set(src.Add(bytes))
		stop := p.d.Add(nb.ShlI(3)).Let("stop")
		f.While(func() simd128.I32 { return p.d.LtU(stop) }, func() {
			for _, j := range blockOrder {
				dst.StoreV128(16*j, bf.vector(c, p, j).AsV128())
			}
			dst.StoreV128(wideScale, c.half4(p.d, 0).AsV128())
			if bf.min {
				dst.StoreV128(wideMin, c.half4(p.m, 0).AsV128())
			}
			bf.advance(p)
			dst.Set(dst.AddI(wideBytes))
		})
	})
	return f
}

// unpackFloats emits the widening of half weights.
func (b *builder) unpackFloats(format kernels.Format) *simd128.Func {
	f, src, dst, k, groups := b.unpackFunc(format)
	c := newConstants(f)
	end := dst.Add(k.Mul(groups).ShlI(4)).Let("end")
	f.While(func() simd128.I32 { return dst.LtU(end) }, func() {
		dst.StoreV128(0, loadFloatWeights(c, src, 0, format).AsV128())
		src.Set(src.AddI(int32(format.GroupBytes(1))))
		dst.Set(dst.AddI(16))
	})
	return f
}
