package tensor

// A Q4_K block is 256 four-bit numbers in 8 sub-blocks of 32, each with a
// six-bit scale and a six-bit minimum:
//
//	d      f16       offset 0
//	dmin   f16       offset 2
//	scales byte[12]  offset 4; see scaleMinK
//	qs     byte[128] offset 16; two sub-blocks share 32 bytes, the first in the low nibbles
//
// weight = d·scale·q − dmin·minimum.

func dequantizeQ4_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[144:] {
		d, dmin := getF16(src), getF16(src[2:])
		for s := range 8 {
			sc, m := scaleMinK(src[4:16], s)
			scale, lift := d*float32(sc), dmin*float32(m)
			qs, shift := src[16+s/2*32:], s%2*4
			for i, y := 0, dst[32*s:32*s+32]; i < 32; i++ {
				y[i] = float32(scale*float32(qs[i]>>shift&15)) - lift
			}
		}
	}
}

func quantizeQ4_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[144:], src[256:] {
		clear(dst[4:144])
		fitK(dst, src[:256], 15, func(i int, q byte) {
			dst[16+i/64*32+i%32] |= q << (i / 32 % 2 * 4)
		})
	}
}

// scaleMinK unpacks scale and minimum s of 8 from 12 bytes. The first four of
// each lie in the low six bits of bytes 0–3 and 4–7; the last four have their
// low nibbles in bytes 8–11 and their high two bits on top of bytes 0–7.
func scaleMinK(b []byte, s int) (scale, m byte) {
	if s < 4 {
		return b[s] & 63, b[s+4] & 63
	}
	return b[s+4]&15 | b[s-4]>>6<<4, b[s+4]>>4 | b[s]>>6<<4
}

// putScaleMinK is its inverse on bytes that were zero.
func putScaleMinK(b []byte, s int, scale, m byte) {
	if s < 4 {
		b[s] |= scale
		b[s+4] |= m
		return
	}
	b[s+4] = scale&15 | m&15<<4
	b[s-4] |= scale >> 4 << 6
	b[s] |= m >> 4 << 6
}

// fitK chooses the scales of a Q4_K or Q5_K block, stores d, dmin and scales in
// the first 16 bytes of dst, and gives each weight's code to put.
func fitK(dst []byte, src []float32, top int, put func(i int, q byte)) {
	var scales, mins [8]float32
	fitAffineBlocks(scales[:], mins[:], src, top)
	d := putF16(dst, scaleStep(scales[:], 63))
	dmin := putF16(dst[2:], scaleStep(mins[:], 63))
	for s := range 8 {
		sc, m := roundPair(src[32*s:32*s+32], scales[s], mins[s], d, dmin, top, 63)
		putScaleMinK(dst[4:16], s, sc, m)
		id, lift := inverse(d*float32(sc)), dmin*float32(m)
		for i := 32 * s; i < 32*s+32; i++ {
			put(i, toCode((src[i]+lift)*id+0.5, top))
		}
	}
}
