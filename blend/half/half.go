// Package half converts between float32 and the two 16-bit float formats that
// adapters are stored in: IEEE 754 binary16 (F16) and bfloat16 (BF16).
//
// It must not know files or tensors.
package half

import "math"

// F16ToFloat32 widens a binary16 value; exact for every input.
func F16ToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1F
	frac := uint32(h) & 0x3FF
	switch exp {
	case 0: // zero and subnormal: frac · 2⁻²⁴
		f := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1F: // infinity and NaN keep their payload
		return math.Float32frombits(sign | 0xFF<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// Float32ToF16 rounds to the nearest binary16, ties to even; what is too large
// becomes an infinity, and NaN stays a quiet NaN.
func Float32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7FFFFFFF
	switch {
	case bits > 0x7F800000:
		return sign | 0x7E00 | uint16(bits>>13)&0x3FF
	case bits >= 0x47800000: // 2¹⁶ and above, infinity
		return sign | 0x7C00
	case bits < 0x38800000: // below 2⁻¹⁴: subnormal, rounded by one float addition
		f := math.Float32frombits(bits) + 0.5 // ulp of [0.5, 1) is 2⁻²⁴, the subnormal step
		return sign | uint16(math.Float32bits(f)-math.Float32bits(0.5))
	}
	bits += 0xFFF + bits>>13&1 // round half to even on the 13 bits dropped; may carry into 2¹⁶ = infinity
	return sign | uint16(bits>>13-112<<10)
}

// BF16ToFloat32 widens a bfloat16 value; exact.
func BF16ToFloat32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }
