package tensor

// A Q3_K block is 256 three-bit numbers in 16 sub-blocks of 16, each with a
// signed six-bit scale:
//
//	hmask  byte[32] offset 0; bit i/32 of hmask[i%32] is the high bit of weight i
//	qs     byte[64] offset 32; the two low bits, in the order of twoBit
//	scales byte[12] offset 96; see scaleQ3_K
//	d      f16      offset 108
//
// weight = d·(scale − 32)·(q − 4).

func dequantizeQ3_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[110:] {
		d := getF16(src[108:])
		for s := range 16 {
			scale := d * float32(scaleQ3_K(src[96:108], s))
			for i := 16 * s; i < 16*s+16; i++ {
				at, shift := twoBit(i)
				q := src[32+at]>>shift&3 | src[i%32]>>(i/32)&1<<2
				dst[i] = scale * float32(int(q)-4)
			}
		}
	}
}

func quantizeQ3_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[110:], src[256:] {
		var scales [16]float32
		for s := range scales {
			scales[s] = fitScale(src[16*s:16*s+16], -4, 3)
		}
		d := putF16(dst[108:], signedMax(scales[:])/-32)
		clear(dst[:108])
		for s := range 16 {
			sc := clampRound(scales[s]*inverse(d), -32, 31)
			putScaleQ3_K(dst[96:108], s, sc)
			id := inverse(d * float32(sc))
			for i := 16 * s; i < 16*s+16; i++ {
				q := byte(clampRound(src[i]*id, -4, 3) + 4)
				at, shift := twoBit(i)
				dst[32+at] |= q & 3 << shift
				dst[i%32] |= q >> 2 << (i / 32)
			}
		}
	}
}

// scaleQ3_K unpacks scale s of 16: its low four bits fill the nibbles of the
// first eight bytes, the low nibbles first; its high two bits the last four.
func scaleQ3_K(b []byte, s int) int {
	low := b[s%8] >> (s / 8 * 4) & 15
	high := b[8+s%4] >> (s / 4 * 2) & 3
	return int(low|high<<4) - 32
}

// putScaleQ3_K is its inverse on bytes that were zero.
func putScaleQ3_K(b []byte, s, scale int) {
	u := byte(scale + 32)
	b[s%8] |= u & 15 << (s / 8 * 4)
	b[8+s%4] |= u >> 4 << (s / 4 * 2)
}
