package tensor

// A Q4_0 block is 32 four-bit numbers under one half-precision scale:
//
//	d  f16      offset 0
//	qs byte[16] offset 2; weight i in the low nibble of qs[i], weight i+16 in the high one
//
// weight = d·(q − 8).

func dequantizeQ4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		d := getF16(src)
		for i, q := range src[2:18] {
			dst[i] = float32(int(q&15)-8) * d
			dst[i+16] = float32(int(q>>4)-8) * d
		}
	}
}

// quantizeQ4_0 maps the value of largest magnitude, with its sign, to −8: the
// range of q is lopsided and the extreme is what matters most.
func quantizeQ4_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[18:], src[32:] {
		d := signedMax(src[:32]) / -8
		putF16(dst, d)
		id := inverse(d)
		for i := range 16 {
			lo, hi := toCode(float32(src[i]*id)+8.5, 15), toCode(float32(src[i+16]*id)+8.5, 15)
			dst[2+i] = lo | hi<<4
		}
	}
}

// signedMax returns the first value of the largest magnitude.
func signedMax(x []float32) float32 {
	var best, mag float32
	for _, v := range x {
		if a := abs(v); a > mag {
			best, mag = v, a
		}
	}
	return best
}

// minMax returns the extremes of x, which must not be empty.
func minMax(x []float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x[1:] {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

// toCode truncates x to an integer in 0..top; NaN gives 0.
func toCode(x float32, top int) byte {
	switch {
	case x >= float32(top):
		return byte(top)
	case x > 0:
		return byte(x)
	}
	return 0
}
