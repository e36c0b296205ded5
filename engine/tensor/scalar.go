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

func dequantizeF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = getF16(src[2*i:])
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
