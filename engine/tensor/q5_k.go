package tensor

// A Q5_K block is a Q4_K block with a fifth bit:
//
//	d      f16       offset 0
//	dmin   f16       offset 2
//	scales byte[12]  offset 4; see scaleMinK
//	qh     byte[32]  offset 16; bit i/32 of qh[i%32] is the fifth bit of weight i
//	qs     byte[128] offset 48; as in Q4_K
//
// weight = d·scale·q − dmin·minimum.

func dequantizeQ5_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[176:] {
		d, dmin := getF16(src), getF16(src[2:])
		qh := src[16:48]
		for s := range 8 {
			sc, m := scaleMinK(src[4:16], s)
			scale, lift := d*float32(sc), dmin*float32(m)
			qs, shift := src[48+s/2*32:], s%2*4
			for i, y := 0, dst[32*s:32*s+32]; i < 32; i++ {
				q := qs[i]>>shift&15 | qh[i]>>s&1<<4
				y[i] = float32(scale*float32(q)) - lift
			}
		}
	}
}

func quantizeQ5_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[176:], src[256:] {
		clear(dst[4:176])
		fitK(dst, src[:256], 31, func(i int, q byte) {
			dst[48+i/64*32+i%32] |= q & 15 << (i / 32 % 2 * 4)
			dst[16+i%32] |= q >> 4 << (i / 32)
		})
	}
}
