package tensor

import "math"

// F16ToF32 widens an IEEE 754 half-precision number. It is exact; a NaN keeps
// its payload.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	b := uint32(h&0x7fff) << 13
	if b >= 0x1f<<23 { // infinity or NaN
		return math.Float32frombits(sign | b | 0x7f800000)
	}
	// Exponents are biased by 15 and not 127: scale by 2¹¹², which also makes
	// subnormal halves normal.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(b)*0x1p112))
}

// F32ToF16 rounds to the nearest half, ties to even. Magnitudes from 65520 up
// become infinite; a NaN stays a quiet NaN.
func F32ToF16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520, half way from the largest half to 2¹⁶
		return sign | 0x7c00
	case b < 0x38800000: // below 2⁻¹⁴: the result is subnormal or zero
		// Adding 0.5 aligns the last bit of the half (2⁻²⁴) with the last bit of
		// the float32, so that the addition itself rounds to even.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	// Rebias the exponent by −112 and round the 13 bits that fall away.
	b += 0xfff + b>>13&1 - 112<<23
	return sign | uint16(b>>13)
}

// HalfScale returns the power of two that takes a largest magnitude to 256..512: room
// for sums above, and below it everything down to a 2²²th of the largest is a normal half.
func HalfScale(largest float64) float32 {
	if largest == 0 {
		return 1
	}
	_, exp := math.Frexp(largest)
	return float32(math.Ldexp(1, max(-40, min(40, 9-exp))))
}

// F32ToNormalF16 is F32ToF16 with zero for what would be subnormal: arithmetic on
// subnormals is a hundred times slower.
func F32ToNormalF16(x float32) uint16 {
	h := F32ToF16(x)
	if h&0x7c00 == 0 {
		return 0
	}
	return h
}

// BF16ToF32 widens a bfloat16. It is exact.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even; a NaN stays a quiet NaN.
func F32ToBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// The integers of every format are little-endian.

func getU16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

func putU16(b []byte, v uint16) { b[0], b[1] = byte(v), byte(v>>8) }

func getU32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func putU32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func getF16(b []byte) float32 { return F16ToF32(getU16(b)) }

// putF16 stores x as a half and returns the value a reader will see.
func putF16(b []byte, x float32) float32 {
	h := F32ToF16(x)
	putU16(b, h)
	return F16ToF32(h)
}
