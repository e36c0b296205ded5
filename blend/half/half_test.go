package half

import (
	"math"
	"testing"
)

// value is F16 from the standard: (-1)^s · 2^(e-15) · (1 + frac/1024), in float64.
func value(h uint16) float64 {
	s, e, f := float64(1), int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		s = -1
	}
	switch e {
	case 0:
		return s * math.Ldexp(f, -24)
	case 31:
		if f != 0 {
			return math.NaN()
		}
		return math.Inf(int(s))
	}
	return s * math.Ldexp(1+f/1024, e-15)
}

func TestF16ToFloat32AllValues(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := float64(F16ToFloat32(h)), value(h)
		if math.IsNaN(got) && math.IsNaN(want) {
			continue
		}
		if got != want || math.Signbit(got) != (h>>15 == 1) {
			t.Fatalf("F16ToFloat32(%#04x) = %v, want %v", h, got, want)
		}
	}
}

func TestFloat32ToF16IsInverse(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := F16ToFloat32(h)
		if f != f {
			if g := F16ToFloat32(Float32ToF16(f)); g == g {
				t.Fatalf("NaN %#04x became %v", h, g)
			}
			continue
		}
		if got := Float32ToF16(f); got != h {
			t.Fatalf("Float32ToF16(F16ToFloat32(%#04x)) = %#04x", h, got)
		}
	}
}

// Between two neighbours the nearer one wins, and the even one at the middle.
func TestFloat32ToF16Rounds(t *testing.T) {
	for h := uint16(0); h < 0x7BFF; h++ {
		lo, hi := value(h), value(h+1)
		mid := float32((lo + hi) / 2) // exact: one more bit
		even := h + h&1
		for _, tt := range []struct {
			name string
			f    float32
			want uint16
		}{
			{"below the middle", math.Nextafter32(mid, 0), h},
			{"middle", mid, even},
			{"above the middle", math.Nextafter32(mid, 1e9), h + 1},
		} {
			if got := Float32ToF16(tt.f); got != tt.want {
				t.Fatalf("%s of %#04x and next: got %#04x, want %#04x", tt.name, h, got, tt.want)
			}
			if got := Float32ToF16(-tt.f); got != tt.want|0x8000 {
				t.Fatalf("negative %s of %#04x and next: got %#04x", tt.name, h, got)
			}
		}
	}
	for _, tt := range []struct {
		f    float32
		want uint16
	}{{65519, 0x7BFF}, {65520, 0x7C00}, {1e30, 0x7C00}, {float32(math.Inf(-1)), 0xFC00}, {1e-30, 0}} {
		if got := Float32ToF16(tt.f); got != tt.want {
			t.Errorf("Float32ToF16(%v) = %#04x, want %#04x", tt.f, got, tt.want)
		}
	}
}

func TestBF16(t *testing.T) {
	for _, tt := range []struct {
		b    uint16
		want float32
	}{{0x3F80, 1}, {0xC040, -3}, {0, 0}, {0x0001, math.Float32frombits(0x10000)}} {
		if got := BF16ToFloat32(tt.b); got != tt.want {
			t.Errorf("BF16ToFloat32(%#04x) = %v, want %v", tt.b, got, tt.want)
		}
	}
}
