package kernels

import "math"

// packGroup packs one group of up to four rows from src (rows of a file, one
// after another) into dst, one packed group. The definition of CodePack.
func packGroup(f Format, dst, src []byte, rows, k, zero int) {
	if f == TQ1_0 { // is packed as TQ2_0
		f, src = TQ2_0, twosOfTrits(src)
	}
	clear(dst)
	rowBytes := f.FileRowBytes(k)
	for r := range GroupRows {
		row := src[min(r, rows-1)*rowBytes:][:rowBytes]
		if f.Quantised() {
			newPlanes(f, dst, k).packRow(row, r, byte(zero))
			continue
		}
		size := shapes[f].FileBytes
		for i := 0; i < len(row); i += size {
			copy(dst[i*GroupRows+r*size:][:size], row[i:i+size])
		}
	}
}

// planes are the planes of a packed group (see Format). high and super are empty
// where the format has none.
type planes struct {
	format                  Format
	shape                   *Shape
	nb                      int
	low, high, scale, super []byte
}

func newPlanes(f Format, group []byte, k int) *planes {
	p := &planes{format: f, shape: &shapes[f], nb: k / BlockK}
	cut := func(n int) []byte {
		head := group[:n]
		group = group[n:]
		return head
	}
	if p.shape.Joined {
		p.low = cut(p.nb * p.shape.integerBytes())
	} else {
		p.low, p.high = cut(p.nb*16*p.shape.Low.Bits), cut(p.nb*16*p.shape.High.Bits)
	}
	p.scale = cut(p.nb * p.shape.ScaleBytes())
	p.super = group
	return p
}

// packRow spreads a row of a file over the planes.
func (p *planes) packRow(row []byte, r int, zero byte) {
	size, per := p.shape.FileBytes, p.shape.FileBlock/BlockK
	for b := range p.nb {
		block := row[b/per*size : (b/per+1)*size]
		for j := range 8 {
			for i := range 4 {
				c := b%per*BlockK + columnOf(j, r, i)
				q := p.shape.Low.get(block, c)
				if p.format == Q8_0 {
					q += zero
				}
				switch {
				case p.shape.Joined:
					putSix(p.low, b, j, 4*r+i, q|p.shape.High.get(block, c)<<p.shape.Low.Bits)
					continue
				case p.shape.High.Bits > 0:
					put(p.high, p.shape.High.Bits, b, j, 4*r+i, p.shape.High.get(block, c))
				}
				put(p.low, p.shape.Low.Bits, b, j, 4*r+i, q)
			}
		}
		p.packScale(block, r, b, b%per)
	}
}

// put writes byte at of vector j of block b of a plane.
func put(plane []byte, bits, b, j, at int, q byte) {
	i, shift := place(bits, b, j, at)
	plane[i] |= q << shift
}

// take reads it.
func take(plane []byte, bits, b, j, at int) byte {
	i, shift := place(bits, b, j, at)
	return plane[i] >> shift & (1<<bits - 1)
}

// putSix writes six bits: those of every fourth vector lie above the other three.
func putSix(plane []byte, b, j, at int, q byte) {
	half := plane[b*96+j/4*48:]
	if j%4 < 3 {
		half[j%4*16+at] |= q
		return
	}
	for i := range 3 {
		half[i*16+at] |= q >> (2 * i) << 6
	}
}

// takeSix reads them.
func takeSix(plane []byte, b, j, at int) (q byte) {
	half := plane[b*96+j/4*48:]
	if j%4 < 3 {
		return half[j%4*16+at] & 63
	}
	for i := range 3 {
		q |= half[i*16+at] >> 6 << (2 * i)
	}
	return q
}

// place is where a plane of the given number of bits holds an integer.
func place(bits, b, j, at int) (i, shift int) {
	switch bits {
	case 8:
		return b*128 + j*16 + at, 0
	case 4:
		return b*64 + j%4*16 + at, j / 4 * 4
	case 2:
		return b*32 + j/4*16 + at, j % 4 * 2
	}
	return b*16 + at, j
}

// packScale moves the scales of block b, the sub-th of the file's block.
func (p *planes) packScale(block []byte, r, b, sub int) {
	d := block[p.shape.D:]
	half := func(to, from []byte) { to[0], to[1] = from[0], from[1] }
	single := func(to, from []byte, flip uint32) {
		v := math.Float32bits(halfToF32(uint16(from[0])|uint16(from[1])<<8)) ^ flip
		to[0], to[1], to[2], to[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	super := func() {
		single(p.super[b/8*16+4*r:], d, 0)
		if p.shape.Min {
			single(p.super[(p.nb/8+b/8)*16+4*r:], d[2:], 1<<31)
		}
	}
	switch p.shape.Scaling {
	case HalfScale:
		half(p.scale[b*8+2*r:], d)
		if p.shape.Min {
			half(p.scale[(p.nb+b)*8+2*r:], d[2:])
		}
	case PowerScale:
		p.scale[b*4+r] = block[0]
	case SignedScale: // IQ4_XS
		high := uint16(block[2]) | uint16(block[3])<<8
		low := block[4+sub/2] >> (sub % 2 * 4) & 15
		p.scale[b*4+r] = low + byte(high>>(2*sub)&3<<4) - 32
		super()
	case PairedScale: // Q4_K, Q5_K
		p.scale[b*8+r], p.scale[b*8+4+r] = scaleMinK(block[4:16], sub)
		super()
	case SixteenthScale, NibbleScale:
		for h := range 2 {
			p.scale[b*8+h*4+r] = p.scaleOf(block, 2*sub+h)
		}
		super()
	case ScaleOnly:
		super()
	}
}

// scaleOf reads the scale of sixteen columns.
func (p *planes) scaleOf(block []byte, s int) byte {
	switch p.format {
	case Q6_K:
		return block[192+s]
	case Q3_K: // four low bits, two high bits, 32 too much
		return block[96+s%8]>>(s/8*4)&15 | block[104+s%4]>>(s/4*2)&3<<4 - 32
	}
	return block[s] // Q2_K
}

// scaleMinK reads the six-bit scale and minimum of a sub-block.
func scaleMinK(s []byte, sub int) (scale, minimum byte) {
	if sub < 4 {
		return s[sub] & 63, s[sub+4] & 63
	}
	return s[sub+4]&15 | s[sub-4]>>6<<4, s[sub+4]>>4 | s[sub]>>6<<4
}

// twosOfTrits turns blocks of TQ1_0 into blocks of TQ2_0. A byte b stands for
// b/256 as a fraction in base 3, whose digits are the columns.
func twosOfTrits(src []byte) (out []byte) {
	for ; len(src) > 0; src = src[54:] {
		var block [66]byte
		c := 0
		for _, part := range []struct{ at, bytes, digits int }{{0, 32, 5}, {32, 16, 5}, {48, 4, 4}} {
			for n, power := 0, byte(1); n < part.digits; n, power = n+1, power*3 {
				for _, b := range src[part.at : part.at+part.bytes] {
					block[c/128*32+c%32] |= byte(int(b*power)*3>>8) << (c % 128 / 32 * 2)
					c++
				}
			}
		}
		copy(block[64:], src[52:54])
		out = append(out, block[:]...)
	}
	return out
}

// A packedMatrix reads weights back; only the reference executor and tests do.
type packedMatrix struct {
	format Format
	data   []byte
	k      int
	zero   int // stored integer minus true one, where the machine chooses it
}

// group returns the group of row r and r's place in it.
func (p *packedMatrix) group(r int) ([]byte, int) {
	n := p.format.GroupBytes(p.k)
	g := r / GroupRows
	return p.data[g*n : (g+1)*n], r % GroupRows
}

// row dequantises row r into dst [k].
func (p *packedMatrix) row(r int, dst []float32) {
	g, lane := p.group(r)
	switch p.format {
	case F32:
		copyLane(dst, view[float32](g, 4*p.k), lane)
		return
	case F16:
		for c, h := range view[uint16](g, 4*p.k) {
			if c%4 == lane {
				dst[c/4] = halfToF32(h)
			}
		}
		return
	case BF16:
		for c, h := range view[uint16](g, 4*p.k) {
			if c%4 == lane {
				dst[c/4] = bfloatToF32(h)
			}
		}
		return
	}
	planes := newPlanes(p.format, g, p.k)
	var block blockValues
	for b := range p.k / BlockK {
		p.block(planes, lane, b, &block)
		for i, v := range block.q {
			dst[b*BlockK+i] = float32(block.d[i/16]*float32(v)) + block.m[i/16]
		}
	}
}

// copyLane takes every fourth value.
func copyLane(dst, group []float32, lane int) {
	for c := range dst {
		dst[c] = group[c*4+lane]
	}
}

// blockValues are one row's part of a block: true integers, and the scale and
// minimum of either half.
type blockValues struct {
	q    [BlockK]int32
	d, m [2]float32
}

// block reads block b of a lane.
func (p *packedMatrix) block(planes *planes, lane, b int, out *blockValues) {
	shape := planes.shape
	for j := range 8 {
		for i := range 4 {
			at := 4*lane + i
			q := planes.integer(b, j, at)
			switch {
			case p.format == Q8_0:
				q = int32(int8(byte(q) - byte(p.zero)))
			case shape.Table != nil:
				q = int32(shape.Table[q])
			default:
				q -= int32(shape.Zero)
			}
			out.q[columnOf(j, lane, i)] = q
		}
	}
	for h := range 2 {
		out.d[h], out.m[h] = planes.scaleAt(lane, b, h)
	}
}

// integer reads the integer of a file.
func (p *planes) integer(b, j, at int) int32 {
	if p.shape.Joined {
		return int32(takeSix(p.low, b, j, at))
	}
	q := int32(take(p.low, p.shape.Low.Bits, b, j, at))
	if p.shape.High.Bits > 0 {
		q |= int32(take(p.high, p.shape.High.Bits, b, j, at)) << p.shape.Low.Bits
	}
	return q
}

// scaleAt reads scale and minimum of half h of block b; all products are exact.
func (p *planes) scaleAt(lane, b, h int) (d, m float32) {
	half := func(plane []byte, at int) float32 {
		return halfToF32(uint16(plane[at+2*lane]) | uint16(plane[at+2*lane+1])<<8)
	}
	super := func(block int) float32 {
		v := p.super[16*block+4*lane:]
		return math.Float32frombits(uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24)
	}
	s := p.scale[b*p.shape.ScaleBytes():]
	minimum := func() float32 { return super(p.nb/8 + b/8) }
	switch p.shape.Scaling {
	case HalfScale:
		if p.shape.Min {
			m = half(p.scale, (p.nb+b)*8)
		}
		return half(p.scale, b*8), m
	case PowerScale:
		return math.Float32frombits(uint32(s[lane])<<23) / 2, 0
	case SignedScale:
		return super(b/8) * float32(int8(s[lane])), 0
	case PairedScale:
		return super(b/8) * float32(s[lane]), minimum() * float32(s[4+lane])
	case SixteenthScale:
		return super(b/8) * float32(int8(s[4*h+lane])), 0
	case NibbleScale:
		return super(b/8) * float32(s[4*h+lane]&15), minimum() * float32(s[4*h+lane]>>4)
	}
	return super(b / 8), 0
}
