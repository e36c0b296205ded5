package tensor

import "math"

// A Q8_0 block is 32 signed bytes under one half-precision scale:
//
//	d  f16      offset 0
//	qs int8[32] offset 2
//
// weight = d·qs.

func dequantizeQ8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[34:] {
		d := getF16(src)
		for i, q := range src[2:34] {
			dst[i] = float32(int8(q)) * d
		}
	}
}

func quantizeQ8_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[34:], src[32:] {
		d := absMax(src[:32]) / 127
		putF16(dst, d)
		id := inverse(d)
		for i, x := range src[:32] {
			dst[2+i] = byte(int8(roundAway(x * id)))
		}
	}
}

// absMax returns the largest magnitude of x, 0 for none.
func absMax(x []float32) float32 {
	var m float32
	for _, v := range x {
		m = max(m, abs(v))
	}
	return m
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

// inverse returns 1/d, and 0 for 0 so that an all-zero block stays zero.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// roundAway rounds half away from zero, as C's roundf does.
func roundAway(x float32) int { return int(math.Round(float64(x))) }
