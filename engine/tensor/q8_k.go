package tensor

import "math"

// A Q8_K block is 256 signed bytes under one float32 scale, with the sums of
// its sixteenths, which dot products with K-formats use:
//
//	d     f32       offset 0
//	qs    int8[256] offset 4
//	bsums int16[16] offset 260
//
// weight = d·qs. The format is for activations; files do not hold it.

func dequantizeQ8_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[292:] {
		d := math.Float32frombits(getU32(src))
		for i, q := range src[4:260] {
			dst[i] = d * float32(int8(q))
		}
	}
}

// quantizeQ8_K maps the value of largest magnitude to −127.
func quantizeQ8_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[292:], src[256:] {
		id := -127 * inverse(signedMax(src[:256]))
		putU32(dst, math.Float32bits(inverse(id)))
		for s := range 16 {
			sum := 0
			for i := 16 * s; i < 16*s+16; i++ {
				q := clampRound(src[i]*id, -127, 127)
				dst[4+i] = byte(int8(q))
				sum += q
			}
			putU16(dst[260+2*s:], uint16(int16(sum)))
		}
	}
}
