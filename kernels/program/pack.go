package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// packer interleaves the four rows of a group (see kernels.Format).
type packer struct {
	f      *simd128.Func
	src    [kernels.GroupRows]simd128.I32 // variables: where each row is read
	dst    simd128.I32                    // variable: where the group is written
	blocks simd128.I32                    // of the file's format in a row
	zero   simd128.I8x16                  // added to the bytes of Q8_0
}

// pack emits the operation. A unit is a group; rows that do not exist repeat
// the last one.
func (b *builder) pack() *simd128.Func {
	f, r, start, end := b.unitsFunc("pack", kernels.Pack{})
	k, last, format := r.i32("K"), r.i32("Rows").SubI(1).Let("last"), r.i32("Format")
	p := &packer{f: f, dst: f.I32Var("dst"), zero: r.i32("Zero").SplatI8x16().Let("zero")}
	for i := range p.src {
		p.src[i] = f.I32Var("src")
	}
	g := f.I32Var("group")
	cases := []func(){func() { f.Unreachable() }}
	for packed := range kernels.Formats() {
		if packed == kernels.FormatNone {
			continue
		}
		cases = append(cases, func() {
			rowBytes, groupBytes, shift := packed.FileRowBytes(kernels.BlockK), packed.GroupBytes(kernels.BlockK), int32(5)
			if !packed.Quantised() {
				rowBytes, groupBytes, shift = packed.FileRowBytes(1), packed.GroupBytes(1), 0
			}
			p.blocks = k.ShrUI(shift).Let("blocks")
			bytes := p.blocks.Mul(f.I32(int32(rowBytes))).Let("row_bytes")
			for i, src := range p.src {
				row := g.ShlI(2).AddI(int32(i)).Let("row")
				row = simd128.Select(row.LtS(last), row, last)
				src.Set(r.i32("Src").Add(row.Mul(bytes)))
			}
			p.dst.Set(r.i32("Dst").Add(g.Mul(p.blocks.Mul(f.I32(int32(groupBytes))))))
			p.group(packed)
		})
	}
	f.For(g, start, end, 1, func() { f.Switch(format, cases, func() { f.Unreachable() }) })
	return f
}

// group packs one group of any format.
func (p *packer) group(packed kernels.Format) {
	switch packed {
	case kernels.F32:
		p.floats(4)
	case kernels.F16, kernels.BF16:
		p.floats(2)
	default:
		p.integers(blockFormats[packed])
	}
}

// advance moves the pointers.
func (p *packer) advance(src, dst int32) {
	for _, s := range p.src {
		s.Set(s.AddI(src))
	}
	p.dst.Set(p.dst.AddI(dst))
}

// floats interleaves elements of size bytes: four columns at a time, then one.
func (p *packer) floats(size int) {
	f, dst := p.f, p.dst
	wide := dst.Add(p.blocks.AndI(-4).Mul(f.I32(int32(4 * size)))).Let("wide")
	stop := dst.Add(p.blocks.Mul(f.I32(int32(4 * size)))).Let("stop")
	f.While(func() simd128.I32 { return dst.LtU(wide) }, func() {
		if size == 4 {
			p.transpose4()
		} else {
			p.transpose2()
		}
		p.advance(int32(4*size), int32(16*size))
	})
	f.While(func() simd128.I32 { return dst.LtU(stop) }, func() {
		for i, s := range p.src {
			if size == 4 {
				dst.StoreI32(4*i, s.LoadI32(0))
			} else {
				dst.Store16(2*i, s.Load16U(0))
			}
		}
		p.advance(int32(size), int32(4*size))
	})
}

// words picks four words: 0..3 are x's, 4..7 y's.
func words(x, y simd128.I8x16, a, b, c, d int) simd128.I8x16 {
	var lanes [16]byte
	for i, w := range []int{a, b, c, d} {
		for j := range 4 {
			lanes[4*i+j] = byte(4*w + j)
		}
	}
	return x.Shuffle(y, lanes)
}

// transpose4 turns four rows of four words.
func (p *packer) transpose4() {
	var r [4]simd128.I8x16
	for i, s := range p.src {
		r[i] = s.LoadI8x16(0, 2).Let("r")
	}
	for half := range 2 {
		a := words(r[0], r[1], 2*half, 4+2*half, 2*half+1, 5+2*half).Let("a")
		b := words(r[2], r[3], 2*half, 4+2*half, 2*half+1, 5+2*half).Let("b")
		p.dst.StoreV128(32*half, words(a, b, 0, 1, 4, 5).AsV128(), 2)
		p.dst.StoreV128(32*half+16, words(a, b, 2, 3, 6, 7).AsV128(), 2)
	}
}

// transpose2 turns four rows of four half words.
func (p *packer) transpose2() {
	var r [4]simd128.I8x16
	for i, s := range p.src {
		r[i] = s.Load64Zero(0, 1).AsI8x16().Let("r")
	}
	pairs := [16]byte{0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23}
	a, b := r[0].Shuffle(r[1], pairs).Let("a"), r[2].Shuffle(r[3], pairs).Let("b")
	p.dst.StoreV128(0, words(a, b, 0, 4, 1, 5).AsV128(), 1)
	p.dst.StoreV128(16, words(a, b, 2, 6, 3, 7).AsV128(), 1)
}

// integers splits blocks into planes.
func (p *packer) integers(bf blockFormat) {
	f := p.f
	header := 2 // bytes of a file block before its integers
	if bf.min {
		header += 2
	}
	high := header
	if bf.qh > 0 {
		header += 4
	}
	d, qh := f.I32Var("d"), f.I32Var("qh")
	d.Set(p.dst.Add(p.blocks.Mul(f.I32(int32(bf.qs)))))
	if bf.qh > 0 {
		qh.Set(d)
		d.Set(d.Add(p.blocks.ShlI(4)))
	}
	minPlane := p.blocks.ShlI(3).Let("min_plane")
	i := f.I32Var("block")
	f.For(i, f.I32(0), p.blocks, 1, func() {
		for part := range bf.qs / 64 {
			p.turn(header+16*part, 64*part, bf.signed)
		}
		for r, s := range p.src {
			d.Store16(2*r, s.Load16U(0))
			if bf.min {
				d.Add(minPlane).Store16(2*r, s.Load16U(2))
			}
			if bf.qh > 0 {
				qh.StoreI32(4*r, turnBits(f, spreadBits(f, s.LoadI32(high, 1).Let("bits")), r))
			}
		}
		p.advance(int32(header+bf.qs/4), int32(bf.qs))
		d.Set(d.AddI(8))
		if bf.qh > 0 {
			qh.Set(qh.AddI(16))
		}
	})
}

// turn writes sixteen bytes of every row: vector v holds word (v+r) mod 4 of row r.
func (p *packer) turn(src, dst int, biased bool) {
	var r [4]simd128.I8x16
	for i, s := range p.src {
		r[i] = s.LoadI8x16(src, 1)
		if biased {
			r[i] = r[i].Add(p.zero)
		}
		r[i] = r[i].Let("r")
	}
	for odd := range 2 { // vectors odd and odd+2
		a := words(r[0], r[1], odd, 4+(odd+1)%4, odd+2, 4+(odd+3)%4).Let("a")
		b := words(r[2], r[3], (odd+2)%4, 4+(odd+3)%4, odd, 4+(odd+1)%4).Let("b")
		p.dst.StoreV128(dst+16*odd, words(a, b, 0, 1, 4, 5).AsV128(), 2)
		p.dst.StoreV128(dst+16*odd+32, words(a, b, 2, 3, 6, 7).AsV128(), 2)
	}
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

// turnBits turns every four bits right by r places: bit j becomes what was bit
// (j+r) mod 4.
func turnBits(f *simd128.Func, bits simd128.I32, r int) simd128.I32 {
	if r == 0 {
		return bits
	}
	low := int32(0x11111111 * (15 >> r))
	return bits.ShrUI(int32(r)).And(f.I32(low)).Or(bits.ShlI(int32(4 - r)).And(f.I32(^low)))
}
