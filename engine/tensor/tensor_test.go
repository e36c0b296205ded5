package tensor_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pastel/engine/tensor"
)

func TestTypeNames(t *testing.T) {
	named := 0
	for typ := tensor.Type(0); typ < 64; typ++ {
		if !typ.Known() {
			if typ.BlockElems() != 0 || typ.Supported() {
				t.Errorf("unknown %s has geometry", typ)
			}
			continue
		}
		named++
		if got, err := tensor.ParseType(typ.String()); err != nil || got != typ {
			t.Errorf("ParseType(%q) = %d, %v, want %d", typ, got, err, typ)
		}
	}
	if named != 32 {
		t.Errorf("%d types have names, want 32", named)
	}
	if got, err := tensor.ParseType("q4_k"); err != nil || got != tensor.Q4_K {
		t.Errorf("ParseType(q4_k) = %v, %v", got, err)
	}
	if _, err := tensor.ParseType("q9_9"); !errors.Is(err, tensor.ErrUnsupportedType) {
		t.Errorf("ParseType(q9_9) error = %v", err)
	}
	if _, err := tensor.ParseType(""); !errors.Is(err, tensor.ErrUnsupportedType) {
		t.Errorf("ParseType of nothing: error = %v", err)
	}
}

func TestRowBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		typ  tensor.Type
		n    int
		want int // −1: refused
	}{
		{"empty row", tensor.Q4_0, 0, 0},
		{"one block", tensor.Q4_0, 32, 18},
		{"one past a block", tensor.Q4_0, 33, -1},
		{"negative", tensor.F32, -1, -1},
		{"a block of 32 where 256 are wanted", tensor.Q4_K, 32, -1},
		{"real row", tensor.Q6_K, 2048, 1680},
		{"largest F32 row", tensor.F32, math.MaxInt64 / 4, math.MaxInt64 - 3},
		{"overflow", tensor.F32, math.MaxInt64/4 + 1, -1},
		{"withdrawn type", tensor.Type(4), 32, -1},
		{"unknown type", tensor.Type(math.MaxUint32), 32, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.typ.RowBytes(tt.n)
			if tt.want < 0 {
				if err == nil {
					t.Errorf("%s.RowBytes(%d) = %d, want an error", tt.typ, tt.n, got)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("%s.RowBytes(%d) = %d, %v, want %d", tt.typ, tt.n, got, err, tt.want)
			}
		})
	}
}

func TestConversionErrors(t *testing.T) {
	row := make([]float32, 256)
	if err := tensor.Dequantize(tensor.IQ2_XXS, row, make([]byte, 66)); !errors.Is(err, tensor.ErrUnsupportedType) {
		t.Errorf("Dequantize(IQ2_XXS) error = %v", err)
	}
	if err := tensor.Quantize(tensor.I32, make([]byte, 1024), row); !errors.Is(err, tensor.ErrUnsupportedType) {
		t.Errorf("Quantize(I32) error = %v", err)
	}
	if err := tensor.Dequantize(tensor.Q8_0, row, make([]byte, 271)); err == nil {
		t.Error("Dequantize took a short source")
	}
	if err := tensor.Quantize(tensor.Q8_0, make([]byte, 9), row[:9]); err == nil {
		t.Error("Quantize took part of a block")
	}
	if err := tensor.Store(tensor.Q8_0, make([]byte, 272), row); !errors.Is(err, tensor.ErrUnsupportedType) {
		t.Errorf("Store(Q8_0) error = %v", err)
	}
	if err := tensor.Store(tensor.F16, make([]byte, 511), row); err == nil {
		t.Error("Store took a short destination")
	}
}

// maxStep is the widest gap between neighbouring values of a format in units of
// a block's largest magnitude, for rows of zero mean and both signs: what no
// sensible quantiser errs by more than, together with its scales' rounding.
var maxStep = map[tensor.Type]float64{
	tensor.F32: 0, tensor.F16: 0x1p-10, tensor.BF16: 0x1p-7, tensor.Q8_0: 1. / 127, tensor.Q4_0: 1. / 8, tensor.Q4_1: 2. / 15,
	tensor.Q5_0: 1. / 16, tensor.Q5_1: 2. / 31, tensor.Q2_K: 2. / 3, tensor.Q3_K: 1. / 4, tensor.Q4_K: 2. / 15, tensor.Q5_K: 2. / 31,
	tensor.Q6_K: 1. / 32, tensor.Q8_K: 1. / 127, tensor.IQ4_NL: 24. / 113, tensor.IQ4_XS: 24. / 113, tensor.MXFP4: 1. / 3,
	tensor.TQ1_0: 1, tensor.TQ2_0: 1,
}

// least is half the smallest number of a format without block scales.
var least = map[tensor.Type]float64{tensor.F16: 0x1p-25}

// TestQuantizeRoundTrip: no weight comes back further off than one step of its
// format, whatever the row looks like.
func TestQuantizeRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	rows := map[string]func(i int) float32{
		"zeros":           func(int) float32 { return 0 },
		"gaussian":        func(int) float32 { return float32(rng.NormFloat64()) },
		"small gaussian":  func(int) float32 { return float32(rng.NormFloat64() * 0.01) },
		"constant":        func(int) float32 { return 0.75 },
		"all negative":    func(int) float32 { return -1 - rng.Float32() },
		"all positive":    func(int) float32 { return 1 + rng.Float32() },
		"one outlier":     func(i int) float32 { return map[bool]float32{true: 8, false: 0.1}[i%256 == 77] },
		"ramp":            func(i int) float32 { return float32(i%256-128) / 128 },
		"alternating ±1":  func(i int) float32 { return float32(1 - i%2*2) },
		"single non-zero": func(i int) float32 { return map[bool]float32{true: -3, false: 0}[i == 300] },
	}
	for typ, step := range maxStep {
		for name, value := range rows {
			t.Run(typ.String()+"/"+name, func(t *testing.T) {
				src := make([]float32, 512)
				for i := range src {
					src[i] = value(i)
				}
				got := roundTrip(t, typ, src)
				for i := range src {
					lo := i / max(typ.BlockElems(), 1) * typ.BlockElems()
					var peak float64
					for _, x := range src[lo : lo+typ.BlockElems()] {
						peak = max(peak, math.Abs(float64(x)))
					}
					if e := math.Abs(float64(got[i]) - float64(src[i])); !(e <= 1.05*step*peak+least[typ]) {
						t.Fatalf("weight %d: %v came back as %v; error %.3g over %.3g", i, src[i], got[i], e, step*peak)
					}
				}
			})
		}
	}
}

func roundTrip(t *testing.T, typ tensor.Type, src []float32) []float32 {
	t.Helper()
	n, err := typ.RowBytes(len(src))
	if err != nil {
		t.Fatal(err)
	}
	q, got := make([]byte, n), make([]float32, len(src))
	for i := range q {
		q[i] = 0xa5 // quantisers must not count on zeroed memory
	}
	if err := tensor.Quantize(typ, q, src); err != nil {
		t.Fatal(err)
	}
	if err := tensor.Dequantize(typ, got, q); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestQuantizeIsIdempotent: values a format can hold come back unchanged where
// the extreme fixes the scale.
func TestQuantizeIsIdempotent(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	src := make([]float32, 1024)
	for i := range src {
		src[i] = float32(rng.NormFloat64())
	}
	for _, typ := range []tensor.Type{tensor.F32, tensor.F16, tensor.BF16, tensor.TQ1_0, tensor.TQ2_0} {
		once := roundTrip(t, typ, src)
		for i, x := range roundTrip(t, typ, once) {
			if x != once[i] {
				t.Fatalf("%s: weight %d = %v after %v", typ, i, x, once[i])
			}
		}
	}
}

// TestQuantizeSpoiltBlock: a NaN or infinity must not panic or reach other blocks.
func TestQuantizeSpoiltBlock(t *testing.T) {
	for typ := range maxStep {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			src := make([]float32, 512)
			for i := range src {
				src[i] = float32(i%7) - 3
			}
			clean := roundTrip(t, typ, src)
			src[3] = float32(bad)
			got := roundTrip(t, typ, src)
			for i := typ.BlockElems() + 3; i < 512; i++ {
				if got[i] != clean[i] {
					t.Errorf("%s: %v at 3 changed weight %d", typ, bad, i)
					break
				}
			}
		}
	}
}

func BenchmarkDequantize(b *testing.B) {
	for _, typ := range []tensor.Type{tensor.F16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q6_K, tensor.IQ4_XS} {
		b.Run("format="+typ.String(), func(b *testing.B) {
			n, _ := typ.RowBytes(4096)
			src, dst := make([]byte, n), make([]float32, 4096)
			b.SetBytes(int64(n))
			for b.Loop() {
				_ = tensor.Dequantize(typ, dst, src)
			}
		})
	}
}

func BenchmarkQuantize(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	src := make([]float32, 4096)
	for i := range src {
		src[i] = float32(rng.NormFloat64())
	}
	for _, typ := range []tensor.Type{tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q6_K, tensor.IQ4_XS} {
		b.Run("format="+typ.String(), func(b *testing.B) {
			n, _ := typ.RowBytes(len(src))
			dst := make([]byte, n)
			b.SetBytes(int64(4 * len(src)))
			for b.Loop() {
				_ = tensor.Quantize(typ, dst, src)
			}
		})
	}
}
