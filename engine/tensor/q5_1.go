package tensor

// A Q5_1 block is 32 five-bit numbers under a scale and a minimum:
//
//	d  f16      offset 0
//	m  f16      offset 2
//	qh u32      offset 4; bit i is the fifth bit of weight i
//	qs byte[16] offset 8, nibbles as in Q4_0
//
// weight = d·q + m.

func dequantizeQ5_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[24:] {
		d, m, qh := getF16(src), getF16(src[2:]), getU32(src[4:])
		for i, q := range src[8:24] {
			lo, hi := fifthBit(q&15, qh, i), fifthBit(q>>4, qh, i+16)
			dst[i] = float32(float32(lo)*d) + m
			dst[i+16] = float32(float32(hi)*d) + m
		}
	}
}

func quantizeQ5_1(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[24:], src[32:] {
		lo, hi := minMax(src[:32])
		d := (hi - lo) / 31
		putF16(dst, d)
		putF16(dst[2:], lo)
		id := inverse(d)
		var qh uint32
		for i := range 16 {
			a, b := toCode(float32((src[i]-lo)*id)+0.5, 31), toCode(float32((src[i+16]-lo)*id)+0.5, 31)
			dst[8+i] = a&15 | b<<4
			qh |= uint32(a>>4)<<i | uint32(b>>4)<<(i+16)
		}
		putU32(dst[4:], qh)
	}
}
