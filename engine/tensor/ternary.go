package tensor

// TQ1_0 and TQ2_0 hold 256 weights of −d, 0 or d.
//
// A TQ1_0 block packs five trits a byte as a fixed-point fraction:
//
//	qs byte[48] offset 0; 160 weights in the first 32 bytes, 80 in the next 16
//	qh byte[4]  offset 48; the last 16 weights, four a byte
//	d  f16      offset 52
//
// A byte b stands for b/256 ≈ 0.t₀t₁t₂t₃t₄ in base 3: trit n is the whole part
// of 3·frac(3ⁿ·b/256).
//
// A TQ2_0 block spends two bits a weight:
//
//	qs byte[64] offset 0, in the order of twoBit
//	d  f16      offset 64
//
// weight = d·(t − 1).

var pow3 = [5]byte{1, 3, 9, 27, 81}

// tritGroups are the stretches of a TQ1_0 block: byte offset, bytes, trits a
// byte. Trit n of byte m of a stretch is weight n·bytes+m of the stretch.
var tritGroups = [3]struct{ at, bytes, trits int }{{0, 32, 5}, {32, 16, 5}, {48, 4, 4}}

func dequantizeTQ1_0(dst []float32, src []byte) {
	for ; len(src) > 0; src = src[54:] {
		d := getF16(src[52:])
		for _, g := range tritGroups {
			for n := range g.trits {
				for _, b := range src[g.at : g.at+g.bytes] {
					t := int(b*pow3[n]) * 3 >> 8 // the product wraps: that is frac
					dst[0] = float32(t-1) * d
					dst = dst[1:]
				}
			}
		}
	}
}

func quantizeTQ1_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst = dst[54:] {
		id := inverse(absMax(src[:256]))
		putF16(dst[52:], absMax(src[:256]))
		for _, g := range tritGroups {
			for m := range g.bytes {
				q := 0
				for n := range 5 {
					q *= 3
					if n < g.trits {
						q += trit(src[n*g.bytes+m] * id)
					}
				}
				// Round up, so that truncation on the way back gives q again.
				dst[g.at+m] = byte((q*256 + 242) / 243)
			}
			src = src[g.bytes*g.trits:]
		}
	}
}

func dequantizeTQ2_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[66:] {
		d := getF16(src[64:])
		for i := range dst[:256] {
			at, shift := twoBit(i)
			dst[i] = float32(int(src[at]>>shift&3)-1) * d
		}
	}
}

func quantizeTQ2_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[66:], src[256:] {
		id := inverse(absMax(src[:256]))
		putF16(dst[64:], absMax(src[:256]))
		clear(dst[:64])
		for i, x := range src[:256] {
			at, shift := twoBit(i)
			dst[at] |= byte(trit(x*id)) << shift
		}
	}
}

// trit rounds x in −1..1 to 0, 1 or 2.
func trit(x float32) int { return clampRound(x, -1, 1) + 1 }
