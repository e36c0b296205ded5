package tensor_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pastel/engine/tensor"
)

// A vector is one row of testdata/quant-vectors/manifest.jsonl: what llama.cpp
// c392e50 made of the same 8192 weights.
type vector struct {
	Type    string  `json:"type"`
	Number  uint32  `json:"ggml_type"`
	Block   int     `json:"block"`
	Bytes   int     `json:"bytes"`
	N       int     `json:"n"`
	RelRMSE float64 `json:"rel_rmse"`
}

const vectorDir = "../../testdata/quant-vectors"

func vectors(t *testing.T) []vector {
	t.Helper()
	var out []vector
	sc := bufio.NewScanner(bytes.NewReader(read(t, "manifest.jsonl")))
	for sc.Scan() {
		var v vector
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		t.Fatal("no vectors")
	}
	return out
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readF32(t *testing.T, name string) []float32 {
	b := read(t, name)
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func TestVectorGeometry(t *testing.T) {
	for _, v := range vectors(t) {
		typ, err := tensor.ParseType(v.Type)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := typ.RowBytes(v.N); uint32(typ) != v.Number || err != nil || got != v.Bytes {
			t.Errorf("%s: number %d, RowBytes(%d) = %d, %v, want number %d, %d bytes", typ, uint32(typ), v.N, got, err, v.Number, v.Bytes)
		}
		if v.Block > 1 && typ.BlockElems() != v.Block {
			t.Errorf("%s.BlockElems() = %d, want %d", typ, typ.BlockElems(), v.Block)
		}
	}
}

// TestDequantizeEqualsLlamaCPP demands the same bits.
func TestDequantizeEqualsLlamaCPP(t *testing.T) {
	for _, v := range vectors(t) {
		typ, _ := tensor.ParseType(v.Type)
		if !typ.Supported() {
			t.Logf("%s is refused", typ)
			continue
		}
		t.Run(v.Type, func(t *testing.T) {
			got := make([]float32, v.N)
			if err := tensor.Dequantize(typ, got, read(t, v.Type+".q")); err != nil {
				t.Fatal(err)
			}
			for i, want := range readF32(t, v.Type+".deq.f32") {
				if math.Float32bits(got[i]) != math.Float32bits(want) {
					t.Fatalf("weight %d = %v, want %v", i, got[i], want)
				}
			}
		})
	}
}

// exact lists the formats whose reference quantiser leaves no choice, so that
// the stored bytes must be equal.
var exact = map[string]bool{
	"f16": true, "bf16": true, "q8_0": true, "q4_0": true, "q4_1": true,
	"q5_0": true, "q5_1": true, "tq1_0": true, "tq2_0": true,
}

// TestQuantizeAgainstLlamaCPP: equal bytes where the format leaves no choice,
// otherwise an error no larger than the reference's; the searches differ.
func TestQuantizeAgainstLlamaCPP(t *testing.T) {
	src := readF32(t, "src.f32")
	for _, v := range vectors(t) {
		typ, _ := tensor.ParseType(v.Type)
		if !typ.CanQuantize() {
			continue
		}
		t.Run(v.Type, func(t *testing.T) {
			got := make([]byte, v.Bytes)
			if err := tensor.Quantize(typ, got, src); err != nil {
				t.Fatal(err)
			}
			if exact[v.Type] {
				if i := differ(got, read(t, v.Type+".q")); i >= 0 {
					t.Errorf("byte %d (block %d) differs", i, i/typ.BlockBytes())
				}
				return
			}
			back := make([]float32, v.N)
			if err := tensor.Dequantize(typ, back, got); err != nil {
				t.Fatal(err)
			}
			ours := relRMSE(src, back)
			t.Logf("relative error %.5f, llama.cpp %.5f (%+.1f%%)", ours, v.RelRMSE, 100*(ours/v.RelRMSE-1))
			if ours > v.RelRMSE {
				t.Errorf("relative error %.5f is over llama.cpp's %.5f", ours, v.RelRMSE)
			}
		})
	}
}

func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func relRMSE(want, got []float32) float64 {
	var e, s float64
	for i := range want {
		d := float64(want[i]) - float64(got[i])
		e += d * d
		s += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(e / s)
}
