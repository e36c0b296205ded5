package tensor_test

import (
	"math"
	"testing"

	"pastel/engine/tensor"
)

// halfValue is IEEE 754-2008 §3.4 written out: the oracle of F16.
func halfValue(h uint16) float64 {
	sign, exp, man := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch {
	case exp == 31 && man != 0:
		return math.NaN()
	case exp == 31:
		return sign * math.Inf(1)
	case exp == 0:
		return math.Copysign(math.Ldexp(man, -24), sign)
	}
	return sign * math.Ldexp(1+man/1024, exp-15)
}

func TestF16ToF32AllValues(t *testing.T) {
	for i := range 1 << 16 {
		got, want := float64(tensor.F16ToF32(uint16(i))), halfValue(uint16(i))
		if !same(got, want) {
			t.Fatalf("F16ToF32(%#04x) = %v, want %v", i, got, want)
		}
	}
}

func TestBF16ToF32AllValues(t *testing.T) {
	for i := range 1 << 16 {
		got, want := tensor.BF16ToF32(uint16(i)), math.Float32frombits(uint32(i)<<16)
		if !same(float64(got), float64(want)) {
			t.Fatalf("BF16ToF32(%#04x) = %v, want %v", i, got, want)
		}
	}
}

// same is equality that tells −0 from 0 and takes all NaNs for one.
func same(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || a == b && math.Signbit(a) == math.Signbit(b)
}

// TestRounding visits every place where rounding decides: each pair of
// neighbouring numbers of the narrow format, their middle, and the float32s on
// both sides of the middle. NaNs and infinities come along as pairs' ends.
func TestRounding(t *testing.T) {
	for _, tt := range []struct {
		name   string
		narrow func(float32) uint16
		wide   func(uint16) float32
		inf    uint16
	}{
		{"f16", tensor.F32ToF16, tensor.F16ToF32, 0x7c00},
		{"bf16", tensor.F32ToBF16, tensor.BF16ToF32, 0x7f80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(x float32, want uint16) {
				if got := tt.narrow(x); got != want {
					t.Errorf("narrow(%v) = %#04x, want %#04x", x, got, want)
				}
				if got := tt.narrow(-x); got != want|0x8000 {
					t.Errorf("narrow(%v) = %#04x, want %#04x", -x, got, want|0x8000)
				}
			}
			top := tt.inf - 1
			for h := uint16(0); h < top; h++ {
				a, b := tt.wide(h), tt.wide(h+1)
				mid := float32((float64(a) + float64(b)) / 2)
				check(a, h)
				check(mid, h+h&1) // ties go to the even one
				check(math.Nextafter32(mid, 0), h)
				check(math.Nextafter32(mid, 2*b), h+1)
			}
			// Past the largest number the next one would be 2·top − (top−1).
			last, step := float64(tt.wide(top)), float64(tt.wide(top))-float64(tt.wide(top-1))
			limit := float32(last + step/2)
			check(tt.wide(top), top)
			check(math.Nextafter32(limit, 0), top)
			check(limit, tt.inf)
			check(float32(math.Inf(1)), tt.inf)
			for _, bits := range []uint32{0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001} {
				if x := math.Float32frombits(bits); !math.IsNaN(float64(tt.wide(tt.narrow(x)))) {
					t.Errorf("narrow(NaN %#x) = %#04x, not a NaN", bits, tt.narrow(x))
				}
			}
		})
	}
}

func BenchmarkF16ToF32(b *testing.B) {
	src, dst := make([]byte, 2*4096), make([]float32, 4096)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		_ = tensor.Dequantize(tensor.F16, dst, src)
	}
}
