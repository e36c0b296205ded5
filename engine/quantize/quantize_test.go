package quantize_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/quantize"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

func load(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testmodel.Path("models", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func convert(t *testing.T, in []byte, typ tensor.Type, report func(quantize.Figure)) (*gguf.File, []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := quantize.File(bytes.NewReader(in), int64(len(in)), &out, typ, report); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f, out.Bytes()
}

// TestEqualsLlamaQuantize: tensor by tensor the bytes of llama.cpp c392e50,
// here as a digest of all tensors' data in the order of their names (it writes
// them in another order). testdata/models/SOURCE.md lists the files.
func TestEqualsLlamaQuantize(t *testing.T) {
	for _, tt := range []struct {
		typ  tensor.Type
		want string
	}{
		{tensor.F16, "95d9a35f453b58d78f8448d6ce395e99b7a0fc214ba8ed7c50b244ecd5020634"},
		{tensor.BF16, "aa499e4791ba997333e19fe8b63508200c1387933aa7a8ccb6d085e20dc3f6e5"},
		{tensor.Q8_0, "eefd5f95afeffcadb21a5b3d71718ba34c517b8120fd6cf9b8e59fec118c0684"},
		{tensor.Q4_0, "fdf34a42f7d966f4f9ee7f59427ed06b38b439174099446568fb48cceb20ebb0"},
		{tensor.Q4_1, "1475c17c73449ace92857f73df73d5991aaaaae689f2e691ae32cb36efef317a"},
		{tensor.Q5_0, "d1994874abb15e9b5aa6f60540bb50b3edcd156f869c81c2e799762dfb98bc6d"},
		{tensor.Q5_1, "98271e0c4e5321f7126c043010dcf8f09e8dc5186fdbc57d714099f1bc857c3f"},
	} {
		t.Run(tt.typ.String(), func(t *testing.T) {
			f, b := convert(t, load(t, "TinyStories-656K-f32.gguf"), tt.typ, nil)
			if got := digest(f, b); got != tt.want {
				t.Errorf("tensor data %s, want %s", got, tt.want)
			}
		})
	}
}

// TestEqualsLlamaQuantizeFiles compares with the files themselves, so that a
// difference can be found.
func TestEqualsLlamaQuantizeFiles(t *testing.T) {
	for _, tt := range []struct {
		typ      tensor.Type
		from, to string
	}{
		{tensor.Q4_0, "TinyStories-656K-f32.gguf", "TinyStories-656K-Q4_0.gguf"},
		{tensor.F16, "stories260K.gguf", "stories260K-F16.gguf"},
	} {
		t.Run(tt.typ.String(), func(t *testing.T) {
			got, gb := convert(t, load(t, tt.from), tt.typ, nil)
			wb := load(t, tt.to)
			want, err := gguf.Read(bytes.NewReader(wb), int64(len(wb)))
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want.Tensors {
				g, ok := got.Tensor(w.Name)
				if !ok || g.Type != w.Type {
					t.Fatalf("%s is %s, want %s", w.Name, g.Type, w.Type)
				}
				if !bytes.Equal(gb[g.Offset:g.Offset+g.NBytes], wb[w.Offset:w.Offset+w.NBytes]) {
					t.Errorf("%s (%s) holds other bytes", w.Name, g.Type)
				}
			}
		})
	}
}

func digest(f *gguf.File, b []byte) string {
	h := sha256.New()
	byName := slices.SortedFunc(slices.Values(f.Tensors), func(a, b gguf.TensorInfo) int { return strings.Compare(a.Name, b.Name) })
	for _, ti := range byName {
		h.Write(b[ti.Offset : ti.Offset+ti.NBytes])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestErrorFiguresFallWithBits: more bits, less error. The model was trained in
// half precision, so that F16 loses nothing at all.
func TestErrorFiguresFallWithBits(t *testing.T) {
	in := load(t, "TinyStories-656K-f32.gguf")
	mean := func(typ tensor.Type) float64 {
		var sum float64
		n := 0
		convert(t, in, typ, func(f quantize.Figure) {
			if f.To == f.From {
				if f.RMSE != 0 {
					t.Errorf("%s is kept and has error %g", f.Name, f.RMSE)
				}
				return
			}
			if math.IsNaN(f.RelRMSE) || (f.RMSE > 0) == (typ == tensor.F16) {
				t.Errorf("%s: figures %+v", f.Name, f)
			}
			sum += f.RelRMSE
			n++
		})
		return sum / float64(n)
	}
	last := 1.0
	for _, typ := range []tensor.Type{tensor.MXFP4, tensor.Q4_0, tensor.Q5_0, tensor.Q8_0, tensor.F16} {
		got := mean(typ)
		t.Logf("%s: mean relative error %.5f", typ, got)
		if got >= last {
			t.Errorf("%s: relative error %.5f, not below the coarser format's %.5f", typ, got, last)
		}
		last = got
	}
}

func TestTypeFor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  tensor.Type
		shape []int
		want  tensor.Type
		to    tensor.Type
	}{
		{"blk.0.attn_q.weight", tensor.F32, []int{256, 512}, tensor.Q4_K, tensor.Q4_K},
		{"blk.0.attn_q.weight", tensor.F32, []int{256, 96}, tensor.Q4_K, tensor.Q5_0},
		{"blk.0.attn_q.weight", tensor.F32, []int{256, 96}, tensor.Q6_K, tensor.Q8_0},
		{"blk.0.attn_q.weight", tensor.F32, []int{256, 100}, tensor.Q6_K, tensor.F16},
		{"blk.0.attn_q.weight", tensor.F32, []int{256, 100}, tensor.Q4_0, tensor.F16},
		{"blk.0.attn_q.weight", tensor.BF16, []int{256, 100}, tensor.F32, tensor.F32},
		{"blk.0.attn_norm.weight", tensor.F32, []int{512}, tensor.Q4_0, tensor.F32},
		{"blk.0.attn_q_norm.weight", tensor.F32, []int{8, 64}, tensor.Q4_0, tensor.F32},
		{"blk.0.attn_q.bias", tensor.F32, []int{512}, tensor.F16, tensor.F32},
		{"blk.0.ffn_gate_inp.weight", tensor.F32, []int{8, 512}, tensor.Q8_0, tensor.F32},
		{"blk.0.ffn_up_exps.weight", tensor.F16, []int{8, 512, 256}, tensor.Q8_0, tensor.Q8_0},
		{"token_embd.weight", tensor.F32, []int{8, 512}, tensor.Q4_0, tensor.Q6_K},
		{"output.weight", tensor.F32, []int{8, 96}, tensor.Q4_K, tensor.Q8_0},
		{"output.weight", tensor.F32, []int{8, 512}, tensor.Q8_0, tensor.Q8_0},
		{"output.weight", tensor.F32, []int{8, 512}, tensor.BF16, tensor.BF16},
		{"table.weight", tensor.I32, []int{8, 512}, tensor.Q8_0, tensor.I32},
	} {
		got := quantize.TypeFor(gguf.TensorInfo{Name: tt.name, Type: tt.from, Shape: tt.shape}, tt.want, quantize.IsOutput(tt.name, true))
		if got != tt.to {
			t.Errorf("TypeFor(%s %s %v, %s) = %s, want %s", tt.name, tt.from, tt.shape, tt.want, got, tt.to)
		}
	}
}

func TestRefusals(t *testing.T) {
	q := load(t, "TinyStories-656K-Q4_0.gguf")
	for _, tt := range []struct {
		name string
		in   []byte
		typ  tensor.Type
		want string
	}{
		{"already quantized", q, tensor.Q8_0, "already Q4_0"},
		{"no quantizer", load(t, "stories260K.gguf"), tensor.IQ2_XXS, "cannot write IQ2_XXS"},
		{"not a model", []byte("hello"), tensor.Q8_0, "past end of file"},
	} {
		err := quantize.File(bytes.NewReader(tt.in), int64(len(tt.in)), &bytes.Buffer{}, tt.typ, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
