package kernels

import "math"

// halfToF32 widens an IEEE 754 binary16 value.
func halfToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 31
	mant := uint32(h & 1023)
	switch exp {
	case 0: // zero or subnormal: mant·2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(mant)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | mant<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | mant<<13)
}

// f32ToHalf narrows to binary16, to nearest even; too large becomes infinity.
func f32ToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	abs := b & 0x7fffffff
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00
	case abs >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case abs < 0x38800000: // subnormal: adding 0.5 leaves the rounded bits at the end
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
	}
	return sign | uint16((abs+0xfff+abs>>13&1-112<<23)>>13)
}

// bfloatToF32 widens a bfloat16 value.
func bfloatToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
