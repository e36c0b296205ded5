package tensor

import "math"

// An MXFP4 block is 32 four-bit floats (1 sign, 2 exponent, 1 mantissa bit)
// under one power of two:
//
//	e  u8       offset 0; the scale is 2^(e−127)
//	qs byte[16] offset 1, nibbles as in Q4_0
//
// The table holds twice the float's value, so that it is whole, and halfScale
// half the scale. weight = 2^(e−128)·table[q].
//
// Source: OCP Microscaling Formats (MX) v1.0, §5.3 and §6.3.

// MXFP4Values is twice the value of each four-bit float.
var MXFP4Values = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

func dequantizeMXFP4(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[17:] {
		fromTable(dst[:32], src[1:17], &MXFP4Values, halfScale(src[0]))
	}
}

// quantizeMXFP4 puts the largest magnitude into the top binade of the format,
// as the specification suggests: e = ⌊log2 max⌋ − 2.
func quantizeMXFP4(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[17:], src[32:] {
		dst[0] = 0
		if m := absMax(src[:32]); m > 0 {
			_, exp := math.Frexp(float64(m)) // m = f·2^exp, f in [0.5, 1)
			dst[0] = byte(min(max(exp-1-2+127, 0), 254))
		}
		toTable(dst[1:17], src[:32], nearestMXFP4, halfScale(dst[0]))
	}
}

// halfScale returns 2^(e−128), which is subnormal for e < 2.
func halfScale(e byte) float32 {
	if e < 2 {
		return math.Float32frombits(0x00200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

func nearestMXFP4(x float32) byte { return nearestIn(&MXFP4Values, x) }
