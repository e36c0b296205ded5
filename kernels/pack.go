package kernels

// packGroup packs one group of up to four rows from src (rows of a file, one
// after another) into dst, one packed group. The definition of CodePack.
func packGroup(f Format, dst, src []byte, rows, k, zero int) {
	clear(dst)
	rowBytes := f.FileRowBytes(k)
	for r := range rows {
		row := src[r*rowBytes : (r+1)*rowBytes]
		switch f {
		case F32:
			packElems(dst, row, r, 4)
		case F16, BF16:
			packElems(dst, row, r, 2)
		case Q8_0:
			packQ8(dst, row, r, k/BlockK, byte(zero))
		default:
			packQ45(f, dst, row, r, k/BlockK)
		}
	}
	for r := rows; r < GroupRows && f == Q8_0; r++ { // a missing row is zero, which is stored as its bias
		fillBias(dst, r, k/BlockK, byte(zero))
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
		for i, q := range block[2:] {
			dst[b*128+i/4*16+r*4+i%4] = q + zero
		}
	}
}

// fillBias writes zero weights for a row that does not exist.
func fillBias(dst []byte, r, nb int, zero byte) {
	for b := range nb {
		for i := range BlockK {
			dst[b*128+i/4*16+r*4+i%4] = zero
		}
	}
}

// packQ45 splits blocks {d, [m], [qh], qs[16]} into planes.
func packQ45(f Format, dst, row []byte, r, nb int) {
	info := &formats[f]
	qh := dst[nb*64:]
	scales := qh
	five := f == Q5_0 || f == Q5_1
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
			packHighBits(qh[b*16+r*4:][:4], block[:4])
			block = block[4:]
		}
		for i, q := range block {
			dst[b*64+i/4*16+r*4+i%4] = q
		}
	}
}

// packHighBits reorders bit 4j+i of the file into bit j of byte i.
func packHighBits(dst, src []byte) {
	for j := range 8 {
		four := src[j/2] >> (j % 2 * 4)
		for i := range 4 {
			dst[i] |= four >> i & 1 << j
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
	if p.format == Q8_0 {
		for i := range q {
			stored := g[b*128+i/4*16+lane*4+i%4]
			q[i] = int32(int8(stored - byte(p.zero)))
		}
		return half(g[nb*128:]), 0
	}
	scales := g[nb*64:]
	for i := range 16 {
		v := g[b*64+i/4*16+lane*4+i%4]
		q[i], q[i+16] = int32(v&15), int32(v>>4)
	}
	if p.format == Q5_0 || p.format == Q5_1 {
		for i := range q {
			q[i] |= int32(scales[b*16+lane*4+i%4]>>(i/4)&1) << 4
		}
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
