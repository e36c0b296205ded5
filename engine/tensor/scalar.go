package tensor

import "math"

// F32, F16 and BF16 hold one number each.

func dequantizeF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(getU32(src[4*i:]))
	}
}

func storeF32(dst []byte, src []float32) {
	for i, x := range src {
		putU32(dst[4*i:], math.Float32bits(x))
	}
}

// dequantizeF16 widens normal halves in line: engine.wasm, where it reads whole adapters, is built without inlining.
func dequantizeF16(dst []float32, src []byte) {
	for i := range dst {
		h := uint32(src[2*i]) | uint32(src[2*i+1])<<8
		if e := h & 0x7c00; e == 0 || e == 0x7c00 {
			dst[i] = F16ToF32(uint16(h))
			continue
		}
		dst[i] = math.Float32frombits(h&0x8000<<16 | (h&0x7fff<<13 + 112<<23))
	}
}

func storeF16(dst []byte, src []float32) {
	for i, x := range src {
		putU16(dst[2*i:], F32ToF16(x))
	}
}

func dequantizeBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(getU16(src[2*i:]))
	}
}

func storeBF16(dst []byte, src []float32) {
	for i, x := range src {
		putU16(dst[2*i:], F32ToBF16(x))
	}
}
