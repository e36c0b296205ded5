package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// store writes new keys or values, by the code of the record, into the cache (see
// kernels.KVLayout). A unit is one head of one token. Keys of one position stand every
// four elements.
func (b *builder) store() *simd128.Func {
	f, r, start, end := b.unitsFunc("store", kernels.StoreKV{})
	cache, x, positions := r.i32("Cache"), r.i32("X"), r.i32("Positions")
	heads, dim, stride := r.i32("Heads"), r.i32("HeadDim"), r.i32("Stride")
	slots := r.i32("Capacity").AddI(7).AndI(-8).Let("slots")
	kind := r.i32("Type")
	elements := heads.Mul(slots).Mul(dim).Let("elements")
	values := r.base.LoadI32(0).EqI(int32(kernels.CodeStoreV)).Let("values")
	apart := simd128.Select(values, f.I32(1), f.I32(4)).Let("apart")
	u := f.I32Var("unit")
	f.For(u, start, end, 1, func() {
		t, h := u.DivU(heads).Let("t"), u.RemU(heads).Let("h")
		pos := positions.Add(t.ShlI(2)).LoadI32(0).Let("pos")
		src := at(f, x, t.Mul(stride).Add(h.Mul(dim)))
		stop := src.Add(dim.ShlI(2)).Let("stop")
		index := func(dim simd128.I32) simd128.I32 { // of column 0
			key := h.Mul(slots.ShrUI(2)).Add(pos.ShrUI(2)).Mul(dim).ShlI(2).Add(pos.AndI(3))
			return simd128.Select(values, h.Mul(slots).Add(pos).Mul(dim), key)
		}
		dst := f.I32Var("dst")
		f.Switch(kind, []func(){
			kernels.KVF32: func() {
				dst.Set(cache.Add(index(dim).ShlI(2)))
				f.While(func() simd128.I32 { return src.LtU(stop) }, func() {
					dst.StoreF32(0, src.LoadF32(0))
					src.Set(src.AddI(4))
					dst.Set(dst.Add(apart.ShlI(2)))
				})
			},
			kernels.KVF16: func() {
				dst.Set(cache.Add(index(dim).ShlI(1)))
				f.While(func() simd128.I32 { return src.LtU(stop) }, func() {
					dst.Store16(0, toHalf(f, src.LoadI32(0)))
					src.Set(src.AddI(4))
					dst.Set(dst.Add(apart.ShlI(1)))
				})
			},
			kernels.KVQ8: func() {
				dst.Set(cache.Add(index(dim)))
				scale := f.I32Var("scale")
				scale.Set(cache.Add(elements).Add(index(dim.ShrUI(5).Let("blocks")).ShlI(2)))
				f.While(func() simd128.I32 { return src.LtU(stop) }, func() {
					scale.StoreF32(0, storeQ8(f, src, dst, apart))
					scale.Set(scale.Add(apart.ShlI(2)))
				})
			},
		}, func() { f.Unreachable() })
	})
	return f
}

// storeQ8 quantises 32 floats at src to bytes at dst, moves both pointers
// behind them and returns the scale.
func storeQ8(f *simd128.Func, src, dst, apart simd128.I32) simd128.F32 {
	top := f.F32x4Var("top")
	top.Set(f.F32x4(0))
	for j := range 8 {
		top.Set(top.Pmax(src.LoadF32x4(16 * j).Abs()))
	}
	amax := max4(top).Let("amax")
	inv, scale := f.F32Var("inv"), f.F32Var("q8_scale")
	inv.Set(f.F32(0))
	scale.Set(f.F32(0))
	f.If(amax.Gt(f.F32(0)), func() {
		inv.Set(f.F32(127).Div(amax))
		scale.Set(amax.Div(f.F32(127)))
	})
	end := src.AddI(128).Let("block_end")
	f.While(func() simd128.I32 { return src.LtU(end) }, func() {
		dst.Store8(0, src.LoadF32(0).Mul(inv).Nearest().TruncSatI32S())
		src.Set(src.AddI(4))
		dst.Set(dst.Add(apart))
	})
	return scale
}

// toHalf narrows the bits of a float32 to float16, to nearest even (the
// arithmetic of kernels.f32ToHalf).
func toHalf(f *simd128.Func, loaded simd128.I32) simd128.I32 {
	bits := loaded.Let("bits")
	abs := bits.And(f.I32(0x7fffffff)).Let("abs")
	out := f.I32Var("half")
	normal := abs.Add(f.I32(0xfff)).Add(abs.ShrUI(13).AndI(1)).Sub(f.I32(112 << 23)).ShrUI(13)
	out.Set(normal)
	f.If(abs.LtU(f.I32(0x38800000)), func() { // subnormal
		out.Set(abs.Reinterpret().Add(f.F32(0.5)).Reinterpret().Sub(f.I32(0x3f000000)))
	})
	f.If(abs.GeU(f.I32(0x477ff000)), func() { // too large
		out.Set(f.I32(0x7c00))
	})
	f.If(abs.GtU(f.I32(0x7f800000)), func() { // NaN
		out.Set(f.I32(0x7e00))
	})
	return bits.ShrUI(16).And(f.I32(0x8000)).Or(out)
}
