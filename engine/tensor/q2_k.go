package tensor

// A Q2_K block is 256 two-bit numbers in 16 sub-blocks of 16, each with a
// four-bit scale and a four-bit minimum:
//
//	scales byte[16] offset 0; scale in the low nibble, minimum in the high one
//	qs     byte[64] offset 16; see twoBit for the order
//	d      f16      offset 80
//	dmin   f16      offset 82
//
// weight = d·scale·q − dmin·minimum.

func dequantizeQ2_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[84:] {
		d, dmin := getF16(src[80:]), getF16(src[82:])
		for s := range 16 {
			scale, m := d*float32(src[s]&15), dmin*float32(src[s]>>4)
			for i := 16 * s; i < 16*s+16; i++ {
				at, shift := twoBit(i)
				dst[i] = float32(scale*float32(src[16+at]>>shift&3)) - m
			}
		}
	}
}

func quantizeQ2_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[84:], src[256:] {
		var scales, mins [16]float32
		fitAffineBlocks(scales[:], mins[:], src[:256], 3)
		d := putF16(dst[80:], scaleStep(scales[:], 15))
		dmin := putF16(dst[82:], scaleStep(mins[:], 15))
		clear(dst[16:80])
		for s := range 16 {
			sc, m := roundPair(src[16*s:16*s+16], scales[s], mins[s], d, dmin, 3, 15)
			dst[s] = sc | m<<4
			id, lift := inverse(d*float32(sc)), dmin*float32(m)
			for i := 16 * s; i < 16*s+16; i++ {
				at, shift := twoBit(i)
				dst[16+at] |= toCode((src[i]+lift)*id+0.5, 3) << shift
			}
		}
	}
}

// twoBit says where weight i of 256 lies: each half of a block takes 32 bytes,
// and a byte holds weights 32 apart, the first in its lowest bits.
func twoBit(i int) (at int, shift uint) {
	return i/128*32 + i%32, uint(i%128/32) * 2
}
