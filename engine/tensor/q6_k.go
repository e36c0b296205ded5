package tensor

// A Q6_K block is 256 six-bit numbers in 16 sub-blocks of 16, each with an
// eight-bit scale:
//
//	ql     byte[128] offset 0; the four low bits, see nibbleQ6_K
//	qh     byte[64]  offset 128; the two high bits, in the order of twoBit
//	scales int8[16]  offset 192
//	d      f16       offset 208
//
// weight = d·scale·(q − 32).

func dequantizeQ6_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[210:] {
		d := getF16(src[208:])
		for s := range 16 {
			scale := d * float32(int8(src[192+s]))
			for i := 16 * s; i < 16*s+16; i++ {
				low, lowShift := nibbleQ6_K(i)
				high, highShift := twoBit(i)
				q := src[low]>>lowShift&15 | src[128+high]>>highShift&3<<4
				dst[i] = scale * float32(int(q)-32)
			}
		}
	}
}

func quantizeQ6_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[210:], src[256:] {
		var scales [16]float32
		for s := range scales {
			scales[s] = fitScale(src[16*s:16*s+16], -32, 31)
		}
		d := putF16(dst[208:], signedMax(scales[:])/-128)
		clear(dst[:208])
		for s := range 16 {
			sc := clampRound(scales[s]*inverse(d), -128, 127)
			dst[192+s] = byte(int8(sc))
			id := inverse(d * float32(sc))
			for i := 16 * s; i < 16*s+16; i++ {
				q := byte(clampRound(src[i]*id, -32, 31) + 32)
				low, lowShift := nibbleQ6_K(i)
				high, highShift := twoBit(i)
				dst[low] |= q & 15 << lowShift
				dst[128+high] |= q >> 4 << highShift
			}
		}
	}
}

// nibbleQ6_K says where the low bits of weight i lie: each half of a block
// takes 64 bytes, and a byte holds weights 64 apart.
func nibbleQ6_K(i int) (at int, shift uint) {
	return i/128*64 + i%64, uint(i%128/64) * 4
}
