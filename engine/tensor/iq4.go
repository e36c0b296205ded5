package tensor

import "math"

// IQ4_NL and IQ4_XS store indexes into one uneven table, denser near zero where
// weights are.
//
// An IQ4_NL block is 32 weights:
//
//	d  f16      offset 0
//	qs byte[16] offset 2, nibbles as in Q4_0
//
// weight = d·table[q].
//
// An IQ4_XS block is 256 weights in 8 sub-blocks of 32, each with a signed
// six-bit scale:
//
//	d        f16       offset 0
//	scales_h u16       offset 2; two high bits of scale s at bit 2s
//	scales_l byte[4]   offset 4; four low bits, two scales a byte, the even one low
//	qs       byte[128] offset 8; 16 bytes a sub-block, nibbles as in Q4_0
//
// weight = d·(scale − 32)·table[q].

// IQ4Values is the table of IQ4_NL and IQ4_XS.
//
// Source: ggml/src/ggml-common.h, kvalues_iq4nl.
var IQ4Values = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func dequantizeIQ4_NL(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		fromTable(dst[:32], src[2:18], &IQ4Values, getF16(src))
	}
}

// fromTable writes 32 weights: d times the table's entry of each nibble.
func fromTable(dst []float32, qs []byte, table *[16]int8, d float32) {
	for i, q := range qs[:16] {
		dst[i] = d * float32(table[q&15])
		dst[i+16] = d * float32(table[q>>4])
	}
}

func quantizeIQ4_NL(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[18:], src[32:] {
		d := putF16(dst, fitIQ4(src[:32]))
		toTable(dst[2:18], src[:32], nearestIQ4, d)
	}
}

// toTable writes the nibbles of the table's entries nearest to src/d.
func toTable(qs []byte, src []float32, nearest func(float32) byte, d float32) {
	id := inverse(d)
	for i := range 16 {
		qs[i] = nearest(src[i]*id) | nearest(src[i+16]*id)<<4
	}
}

func dequantizeIQ4_XS(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[136:] {
		d := getF16(src)
		for s := range 8 {
			low := src[4+s/2] >> (s % 2 * 4) & 15
			high := byte(getU16(src[2:])>>(2*s)) & 3
			scale := d * float32(int(low|high<<4)-32)
			fromTable(dst[32*s:], src[8+16*s:], &IQ4Values, scale)
		}
	}
}

func quantizeIQ4_XS(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[136:], src[256:] {
		var scales [8]float32
		for s := range scales {
			scales[s] = fitIQ4(src[32*s : 32*s+32])
		}
		d := putF16(dst, signedMax(scales[:])/-32)
		clear(dst[2:8])
		var high uint16
		for s := range 8 {
			sc := clampRound(scales[s]*inverse(d), -32, 31)
			u := uint16(sc + 32)
			dst[4+s/2] |= byte(u&15) << (s % 2 * 4)
			high |= u >> 4 << (2 * s)
			toTable(dst[8+16*s:][:16], src[32*s:32*s+32], nearestIQ4, d*float32(sc))
		}
		putU16(dst[2:], high)
	}
}

// fitIQ4 returns the scale under which x lies nearest to the table, of either
// sign: the table's negative end reaches further.
func fitIQ4(x []float32) float32 {
	peak := signedMax(x)
	if peak == 0 {
		return 0
	}
	var best, bestGain float32
	for k := -7; k <= 7; k++ {
		for _, end := range [2]float32{-127, 113} {
			id := (end + float32(k)) / peak
			var xq, qq float32
			for _, v := range x {
				q := float32(IQ4Values[nearestIQ4(v*id)])
				xq += v * q
				qq += q * q
			}
			if gain := xq * xq; qq > 0 && gain > bestGain*qq {
				best, bestGain = xq/qq, gain/qq
			}
		}
	}
	return best
}

// iq4Steps holds the nearest entry for each half step from −127 to 113: the
// middles between entries lie on half steps, so none falls inside one. The last
// is for an x below 113 whose x+127 rounds up to 240.
var iq4Steps = func() (t [481]byte) {
	for i := range t {
		t[i] = nearestIn(&IQ4Values, -127+(float32(i)+0.5)/2)
	}
	return t
}()

// nearestIQ4 is nearestIn for IQ4Values.
func nearestIQ4(x float32) byte {
	switch {
	case x >= 113:
		return 15
	case x > -127:
		return iq4Steps[int((x+127)*2)]
	}
	return 0
}

// nearestIn returns the index of the entry nearest to x.
func nearestIn(table *[16]int8, x float32) byte {
	best, dist := 0, float32(math.Inf(1))
	for i, v := range table {
		if e := abs(x - float32(v)); e < dist {
			best, dist = i, e
		}
	}
	return byte(best)
}
