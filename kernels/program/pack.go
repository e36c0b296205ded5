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
	blocks simd128.I32                    // variable: blocks, or columns, in a row
	bytes  simd128.I32                    // variable: the integers are bytes
	min    simd128.I32                    // variable: the format has minimums
	five   simd128.I32                    // variable: the integers have five bits
	power  simd128.I32                    // variable: the scale is a byte
	zero   simd128.I8x16                  // variable: added to every byte
	bits   *simd128.Func                  // turn_bits
}

// Ways of packing.
const (
	packWords = iota // float32
	packHalves
	packBlocks // of 32 columns
	packSuper  // superblocks of 256 columns, see pack_super.go
)

// pack emits the operation. A unit is a group; rows that do not exist repeat
// the last one.
func (b *builder) pack() *simd128.Func {
	bits, super := b.turnBits(), b.packSuper()
	f, r, start, end := b.unitsFunc("pack", kernels.Pack{})
	k, last := r.i32("K"), r.i32("Rows").SubI(1).Let("last")
	p := &packer{f: f, dst: f.I32Var("dst"), blocks: f.I32Var("blocks"), bytes: f.I32Var("bytes"), min: f.I32Var("min"), five: f.I32Var("five"),
		power: f.I32Var("power"), zero: f.I8x16Var("zero"), bits: bits}
	for i := range p.src {
		p.src[i] = f.I32Var("src")
	}
	format := r.i32("Format")
	way, columns, size := f.I32Var("way"), f.I32Var("columns"), f.I32Var("size")
	f.Switch(format, p.cases(r, way, columns, size), func() { f.Unreachable() })
	p.blocks.Set(k.DivU(columns))
	rowBytes := p.blocks.Mul(size).Let("row_bytes")
	groupBytes, _, _ := b.sizesOf(f, format, k)
	g := f.I32Var("group")
	f.For(g, start, end, 1, func() {
		for i, src := range p.src {
			row := g.ShlI(2).AddI(int32(i)).Let("row")
			src.Set(r.i32("Src").Add(simd128.Select(row.LtS(last), row, last).Mul(rowBytes)))
		}
		p.dst.Set(r.i32("Dst").Add(g.Mul(groupBytes)))
		f.Switch(way, []func(){func() { p.floats(4) }, func() { p.floats(2) }, p.integers, func() {
			f.Call(super, format, p.blocks, p.dst, p.src[0], p.src[1], p.src[2], p.src[3])
		}}, func() { f.Unreachable() })
	})
	return f
}

// cases sets the variables for every format.
func (p *packer) cases(r *record, way, columns, size simd128.I32) []func() {
	f := p.f
	cases := []func(){func() { f.Unreachable() }}
	for packed := range kernels.Formats() {
		if packed == kernels.FormatNone {
			continue
		}
		shape := packed.Shape()
		cases = append(cases, func() {
			columns.Set(f.I32(int32(shape.FileBlock)))
			size.Set(f.I32(int32(shape.FileBytes)))
			switch {
			case packed == kernels.F32:
				way.Set(f.I32(packWords))
			case !packed.Quantised():
				way.Set(f.I32(packHalves))
			case shape.FileBlock > kernels.BlockK:
				way.Set(f.I32(packSuper))
			default:
				way.Set(f.I32(packBlocks))
				p.bytes.Set(f.I32(int32(shape.Low.Bits / 8)))
				p.min.Set(f.I32(boolInt(shape.Min)))
				p.five.Set(f.I32(int32(shape.High.Bits)))
				p.power.Set(f.I32(boolInt(shape.Scaling == kernels.PowerScale)))
				if packed == kernels.Q8_0 {
					p.zero.Set(r.i32("Zero").SplatI8x16())
				}
			}
		})
	}
	return cases
}

func boolInt(b bool) int32 {
	if b {
		return 1
	}
	return 0
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

// integers splits blocks {d, [m], [qh], qs} into planes.
func (p *packer) integers() {
	f, nb := p.f, p.blocks
	qh, d, minPlane := f.I32Var("qh"), f.I32Var("d"), nb.ShlI(3).Let("min_plane")
	qh.Set(p.dst.Add(nb.Shl(p.bytes.AddI(6))))
	d.Set(qh)
	f.If(p.five, func() { d.Set(d.Add(nb.ShlI(4))) })
	high := p.min.ShlI(1).AddI(2).Let("high") // bytes before the high bits
	header := f.I32Var("header")              // and before the integers
	header.Set(high.Sub(p.power))
	f.If(p.five, func() { header.Set(header.AddI(4)) })
	i := f.I32Var("block")
	f.For(i, f.I32(0), p.blocks, 1, func() {
		for r, s := range p.src {
			f.IfElse(p.power, func() { d.Store8(r, s.Load8U(0)) }, func() { d.Store16(2*r, s.Load16U(0)) })
			f.If(p.min, func() { d.Add(minPlane).Store16(2*r, s.Load16U(2)) })
			f.If(p.five, func() { qh.StoreI32(4*r, f.Call(p.bits, s.Add(high).LoadI32(0, 1), f.I32(int32(r))).I32(0)) })
			s.Set(s.Add(header))
		}
		left := f.I32Var("left")
		left.Set(p.bytes)
		f.Loop(func(again simd128.Label) { // sixteen bytes, or twice
			var rows [4]simd128.I8x16
			for r, s := range p.src {
				rows[r] = s.LoadI8x16(0, 1).Add(p.zero).Let("r")
			}
			for j, v := range turn(rows) {
				p.dst.StoreV128(16*j, v.AsV128(), 2)
			}
			p.advance(16, 64)
			left.Set(left.SubI(1))
			f.BrIf(again, left.Eqz())
		})
		d.Set(d.AddI(8).Sub(p.power.ShlI(2)))
		qh.Set(qh.AddI(16))
	})
}

// turn turns sixteen bytes of every row: vector j holds word (j+r) mod 4 of row r.
func turn(r [4]simd128.I8x16) (out [4]simd128.I8x16) {
	for odd := range 2 { // vectors odd and odd+2
		a := words(r[0], r[1], odd, 4+(odd+1)%4, odd+2, 4+(odd+3)%4).Let("a")
		b := words(r[2], r[3], (odd+2)%4, 4+(odd+3)%4, odd, 4+(odd+1)%4).Let("b")
		out[odd] = words(a, b, 0, 1, 4, 5)
		out[odd+2] = words(a, b, 2, 3, 6, 7)
	}
	return out
}

// turnBits emits turn_bits(bits, r): bit 4j+i of the file goes to byte i, and
// there to the vector that holds word j of row r.
func (b *builder) turnBits() *simd128.Func {
	f := b.m.Func("turn_bits")
	bits, r := f.ParamI32("bits"), f.ParamI32("r")
	f.Results(simd128.TypeI32)
	out, v := f.I32Var("out"), f.I32Var("v")
	for i := range int32(4) { // each byte collects every fourth bit
		v.Set(bits.ShrUI(i).And(f.I32(0x11111111)))
		// close the gaps between every fourth bit: pairs, nibbles, bytes
		v.Set(v.Or(v.ShrUI(3)).And(f.I32(0x03030303)))
		v.Set(v.Or(v.ShrUI(6)).And(f.I32(0x000f000f)))
		v.Set(v.Or(v.ShrUI(12)).And(f.I32(0x000000ff)))
		out.Set(out.Or(v.ShlI(8 * i)))
	}
	// every four bits turn right by r places
	low := f.I32(15).ShrU(r).Mul(f.I32(0x11111111)).Let("low")
	right, left := out.ShrU(r).And(low), out.Shl(f.I32(4).Sub(r)).And(low.Xor(f.I32(-1)))
	f.Return(right.Or(left))
	return f
}
