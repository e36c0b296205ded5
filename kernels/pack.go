package kernels

// packGroup packs one group of up to four rows from src (rows of a file, one
// after another) into dst, one packed group. The definition of CodePack.
func packGroup(f Format, dst, src []byte, rows, k, zero int) {
	clear(dst)
	rowBytes := f.FileRowBytes(k)
	for r := range GroupRows {
		row := src[min(r, rows-1)*rowBytes:][:rowBytes]
		switch f {
		case F32:
			packElems(dst, row, r, 4)
		case F16, BF16:
			packElems(dst, row, r, 2)
		case Q8_0:
			packQ8(dst, row, r, k/BlockK, byte(zero))
		case Q4_K, Q5_K:
			packQ45(map[Format]Format{Q4_K: Q4_1, Q5_K: Q5_1}[f], dst, unpackK(f, row), r, k/BlockK)
		default:
			packQ45(f, dst, row, r, k/BlockK)
		}
	}
}

// packElems interleaves elements of size bytes.
func packElems(dst, row []byte, r, size int) {
	for i := 0; i < len(row); i += size {
		copy(dst[i*GroupRows+r*size:][:size], row[i:i+size])
	}
}

// packQ8 splits blocks {d, qs[32]} into planes.
func packQ8(dst, row []byte, r, nb int, zero byte) {
	d := dst[nb*128:]
	for b := range nb {
		block := row[b*34 : b*34+34]
		copy(d[b*8+r*2:], block[:2])
		for at := range BlockK {
			dst[b*128+at/4*16+r*4+at%4] = block[2+columnOf(at/4, r, at%4)] + zero
		}
	}
}

// packQ45 splits blocks {d, [m], [qh], qs[16]} into planes.
func packQ45(f Format, dst, row []byte, r, nb int) {
	info := &formats[f]
	qh := dst[nb*64:]
	scales := qh
	five := f.five()
	if five {
		scales = qh[nb*16:]
	}
	for b := range nb {
		block := row[b*info.fileBytes : (b+1)*info.fileBytes]
		copy(scales[b*8+r*2:], block[:2])
		block = block[2:]
		if info.hasMin {
			copy(scales[nb*8+b*8+r*2:], block[:2])
			block = block[2:]
		}
		if five {
			packHighBits(qh[b*16+r*4:][:4], block[:4], r)
			block = block[4:]
		}
		for at := range 16 {
			dst[b*64+at/4*16+r*4+at%4] = block[columnOf(at/4, r, at%4)]
		}
	}
}

// unpackK turns superblocks {d, dmin, scales[12], [qh[32]], qs[128]} into blocks
// of Q4_1 or Q5_1: eight sub-blocks with float16 d·scale and −dmin·min.
//
// Source: llama.cpp, ggml-common.h, block_q4_K and block_q5_K.
func unpackK(f Format, row []byte) []byte {
	ints := 16
	if f.five() {
		ints += 32
	}
	var out []byte
	for ; len(row) > 0; row = row[ints+128:] {
		half := func(at int) float32 { return halfToF32(uint16(row[at]) | uint16(row[at+1])<<8) }
		for sub := range 8 {
			scale, minimum := scaleMinK(row[4:16], sub)
			d, m := f32ToHalf(half(0)*float32(scale)), f32ToHalf(half(2)*float32(-int(minimum)))
			out = append(out, byte(d), byte(d>>8), byte(m), byte(m>>8))
			if f.five() {
				var high [4]byte
				for c := range BlockK {
					high[c/8] |= row[16+c] >> sub & 1 << (c % 8)
				}
				out = append(out, high[:]...)
			}
			qs, shift := row[ints+sub/2*32:], sub%2*4
			for c := range 16 {
				out = append(out, qs[c]>>shift&15|qs[c+16]>>shift<<4)
			}
		}
	}
	return out
}

// scaleMinK reads the six-bit scale and minimum of a sub-block.
func scaleMinK(s []byte, sub int) (scale, minimum byte) {
	if sub < 4 {
		return s[sub] & 63, s[sub+4] & 63
	}
	return s[sub+4]&15 | s[sub-4]>>6<<4, s[sub+4]>>4 | s[sub]>>6<<4
}

// packHighBits moves bit c of the file, column c's, to bit j of byte i.
func packHighBits(dst, src []byte, r int) {
	for j := range 8 {
		for i := range 4 {
			c := columnOf(j, r, i)
			dst[i] |= src[c/8] >> (c % 8) & 1 << j
		}
	}
}

// A packedMatrix reads weights back; only the reference executor and tests do.
type packedMatrix struct {
	format Format
	data   []byte
	k      int
	zero   int // Q8_0: stored integer minus true one
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
	var q [BlockK]int32
	for b := range p.k / BlockK {
		d, m := p.block(g, lane, b, &q)
		for i, v := range q {
			dst[b*BlockK+i] = d*float32(v) + m
		}
	}
}

// copyLane takes every fourth value.
func copyLane(dst, group []float32, lane int) {
	for c := range dst {
		dst[c] = group[c*4+lane]
	}
}

// block unpacks the true integers of block b of a lane, its scale and minimum.
func (p *packedMatrix) block(g []byte, lane, b int, q *[BlockK]int32) (d, m float32) {
	nb := p.k / BlockK
	half := func(plane []byte) float32 {
		at := b*8 + lane*2
		return halfToF32(uint16(plane[at]) | uint16(plane[at+1])<<8)
	}
	each := func(n int, f func(at, j, i, column int)) {
		for j := range n {
			for i := range 4 {
				f(j*16+lane*4+i, j, i, columnOf(j, lane, i))
			}
		}
	}
	if p.format == Q8_0 {
		each(8, func(at, _, _, column int) { q[column] = int32(int8(g[b*128+at] - byte(p.zero))) })
		return half(g[nb*128:]), 0
	}
	scales := g[nb*64:]
	each(4, func(at, _, _, column int) {
		v := g[b*64+at]
		q[column], q[column+16] = int32(v&15), int32(v>>4)
	})
	if p.format.five() {
		each(8, func(_, j, i, column int) { q[column] |= int32(scales[b*16+lane*4+i]>>j&1) << 4 })
		scales = scales[nb*16:]
	}
	info := &formats[p.format]
	for i := range q {
		q[i] -= info.zero
	}
	if info.hasMin {
		m = half(scales[nb*8:])
	}
	return half(scales), m
}
