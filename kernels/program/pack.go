package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// pack interleaves four rows of a file (see kernels.Format). A unit is a group.
func (b *builder) pack() *simd128.Func {
	f, r, start, end := b.unitsFunc("pack", kernels.Pack{})
	k, rows, format := r.i32("K"), r.i32("Rows"), r.i32("Format")
	g, lane := f.I32Var("group"), f.I32Var("lane")
	src, dst := f.I32Var("src"), f.I32Var("dst")
	zero := r.i32("Zero")
	cases := []func(){func() { f.Unreachable() }}
	for packed := range kernels.Formats() {
		if packed != kernels.FormatNone {
			cases = append(cases, func() {
				rowBytes, groupBytes, shift := packed.FileRowBytes(kernels.BlockK), packed.GroupBytes(kernels.BlockK), int32(5)
				if !packed.Quantised() {
					rowBytes, groupBytes, shift = packed.FileRowBytes(1), packed.GroupBytes(1), 0
				}
				blocks := k.ShrUI(shift).Let("blocks")
				src.Set(r.i32("Src").Add(g.ShlI(2).Add(lane).Mul(blocks.Mul(f.I32(int32(rowBytes))))))
				dst.Set(r.i32("Dst").Add(g.Mul(blocks.Mul(f.I32(int32(groupBytes))))))
				missing := g.ShlI(2).Add(lane).GeS(rows).Let("missing")
				b.packRow(f, packed, src, dst, lane, blocks, zero, missing)
			})
		}
	}
	f.For(g, start, end, 1, func() {
		f.For(lane, f.I32(0), f.I32(kernels.GroupRows), 1, func() {
			f.Switch(format, cases, func() { f.Unreachable() })
		})
	})
	return f
}

// packRow writes one lane of a group; a missing row is zero.
func (b *builder) packRow(f *simd128.Func, packed kernels.Format, src, dst, lane, blocks, zero, missing simd128.I32) {
	size := int32(4)
	switch packed {
	case kernels.F16, kernels.BF16:
		size = 2
	case kernels.F32:
	default:
		b.packBlocks(f, blockFormats[packed], src, dst, lane, blocks, zero, missing)
		return
	}
	dst.Set(dst.Add(lane.Mul(f.I32(size))))
	stop := dst.Add(blocks.Mul(f.I32(4 * size))).Let("stop")
	f.While(func() simd128.I32 { return dst.LtU(stop) }, func() {
		f.IfElse(missing, func() {
			if size == 4 {
				dst.StoreI32(0, f.I32(0))
			} else {
				dst.Store16(0, f.I32(0))
			}
		}, func() {
			if size == 4 {
				dst.StoreI32(0, src.LoadI32(0))
			} else {
				dst.Store16(0, src.Load16U(0))
			}
			src.Set(src.AddI(size))
		})
		dst.Set(dst.AddI(4 * size))
	})
}

// packBlocks splits the blocks of one row into planes, a word at a time.
func (b *builder) packBlocks(f *simd128.Func, bf blockFormat, src, dst, lane, blocks, zero, missing simd128.I32) {
	words := bf.qs / 16
	header := 2 // bytes of a file block before its integers
	if bf.min {
		header += 2
	}
	high := header
	if bf.qh > 0 {
		header += 4
	}
	d, qh := f.I32Var("d"), f.I32Var("qh")
	d.Set(dst.Add(blocks.Mul(f.I32(int32(bf.qs)))))
	if bf.qh > 0 {
		qh.Set(d.Add(lane.ShlI(2)))
		d.Set(d.Add(blocks.ShlI(4)))
	}
	d.Set(d.Add(lane.ShlI(1)))
	minPlane := blocks.ShlI(3).Let("min_plane")
	dst.Set(dst.Add(lane.ShlI(2)))
	bias := zero.SplatI8x16().AsI32x4().Let("bias4").ExtractLane(0).Let("bias")
	i := f.I32Var("block")
	f.For(i, f.I32(0), blocks, 1, func() {
		f.IfElse(missing, func() {
			for w := range words {
				if bf.signed {
					dst.StoreI32(16*w, bias)
				} else {
					dst.StoreI32(16*w, f.I32(0))
				}
			}
			d.Store16(0, f.I32(0))
			if bf.min {
				d.Add(minPlane).Store16(0, f.I32(0))
			}
			if bf.qh > 0 {
				qh.StoreI32(0, f.I32(0))
			}
		}, func() {
			for w := range words {
				if bf.signed { // bytes plus bias, each on its own
					v := src.Load32Splat(header + 4*w).AsI8x16().Add(bias.SplatI32x4().AsI8x16()).AsI32x4()
					dst.StoreI32(16*w, v.ExtractLane(0))
				} else {
					dst.StoreI32(16*w, src.LoadI32(header+4*w))
				}
			}
			d.Store16(0, src.Load16U(0))
			if bf.min {
				d.Add(minPlane).Store16(0, src.Load16U(2))
			}
			if bf.qh > 0 {
				qh.StoreI32(0, spreadBits(f, src.LoadI32(high).Let("bits")))
			}
		})
		src.Set(src.AddI(int32(header + 4*words)))
		dst.Set(dst.AddI(int32(bf.qs)))
		d.Set(d.AddI(8))
		if bf.qh > 0 {
			qh.Set(qh.AddI(16))
		}
	})
}

// spreadBits moves bit 4j+i to bit j of byte i: each byte of the result
// collects every fourth bit.
func spreadBits(f *simd128.Func, bits simd128.I32) simd128.I32 {
	out := f.I32Var("spread")
	out.Set(f.I32(0))
	for i := range int32(4) {
		v := f.I32Var("v")
		v.Set(bits.ShrUI(i).And(f.I32(0x11111111)))
		// close the gaps between every fourth bit: pairs, nibbles, bytes
		v.Set(v.Or(v.ShrUI(3)).And(f.I32(0x03030303)))
		v.Set(v.Or(v.ShrUI(6)).And(f.I32(0x000f000f)))
		v.Set(v.Or(v.ShrUI(12)).And(f.I32(0x000000ff)))
		out.Set(out.Or(v.ShlI(8 * i)))
	}
	return out
}
