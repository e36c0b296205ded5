package tensor

// A Q5_0 block is 32 five-bit numbers under one half-precision scale:
//
//	d  f16      offset 0
//	qh u32      offset 2; bit i is the fifth bit of weight i
//	qs byte[16] offset 6, nibbles as in Q4_0
//
// weight = d·(q − 16).

func dequantizeQ5_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[22:] {
		d, qh := getF16(src), getU32(src[2:])
		for i, q := range src[6:22] {
			lo, hi := fifthBit(q&15, qh, i), fifthBit(q>>4, qh, i+16)
			dst[i] = float32(int(lo)-16) * d
			dst[i+16] = float32(int(hi)-16) * d
		}
	}
}

func quantizeQ5_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[22:], src[32:] {
		d := signedMax(src[:32]) / -16
		putF16(dst, d)
		id := inverse(d)
		var qh uint32
		for i := range 16 {
			lo, hi := toCode(float32(src[i]*id)+16.5, 31), toCode(float32(src[i+16]*id)+16.5, 31)
			dst[6+i] = lo&15 | hi<<4
			qh |= uint32(lo>>4)<<i | uint32(hi>>4)<<(i+16)
		}
		putU32(dst[2:], qh)
	}
}

// fifthBit puts bit i of qh above a nibble.
func fifthBit(nibble byte, qh uint32, i int) byte {
	return nibble | byte(qh>>i&1)<<4
}
