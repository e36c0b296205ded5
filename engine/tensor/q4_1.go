package tensor

// A Q4_1 block is 32 four-bit numbers under a scale and a minimum:
//
//	d  f16      offset 0
//	m  f16      offset 2
//	qs byte[16] offset 4, nibbles as in Q4_0
//
// weight = d·q + m.

func dequantizeQ4_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[20:] {
		d, m := getF16(src), getF16(src[2:])
		for i, q := range src[4:20] {
			dst[i] = float32(float32(q&15)*d) + m
			dst[i+16] = float32(float32(q>>4)*d) + m
		}
	}
}

func quantizeQ4_1(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[20:], src[32:] {
		lo, hi := minMax(src[:32])
		d := (hi - lo) / 15
		putF16(dst, d)
		putF16(dst[2:], lo)
		id := inverse(d)
		for i := range 16 {
			a, b := toCode(float32((src[i]-lo)*id)+0.5, 15), toCode(float32((src[i+16]-lo)*id)+0.5, 15)
			dst[4+i] = a | b<<4
		}
	}
}
