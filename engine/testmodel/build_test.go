package testmodel_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

func build(t *testing.T, c testmodel.Config) (*gguf.File, []byte) {
	t.Helper()
	b, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if size, err := c.Size(); err != nil || size != uint64(len(b)) {
		t.Errorf("Size() = %d, %v for %d bytes", size, err, len(b))
	}
	return f, b
}

func TestTinyIsDeterministic(t *testing.T) {
	c := testmodel.Tiny()
	_, a := build(t, c)
	_, b := build(t, c)
	if !bytes.Equal(a, b) {
		t.Error("the same Config gives other bytes")
	}
	c.Seed++
	_, d := build(t, c)
	if len(a) != len(d) || bytes.Equal(a, d) {
		t.Error("another seed does not give another model of the same size")
	}
}

func TestEveryTypeBuilds(t *testing.T) {
	for typ := tensor.Type(0); typ < 64; typ++ {
		if !typ.CanQuantize() {
			continue
		}
		for _, dim := range []int{96, 256} {
			c := testmodel.Tiny()
			c.Type, c.Dim, c.HeadDim, c.Vocab, c.Tied = typ, dim, 32, testmodel.BPE, true
			f, b := build(t, c)
			for _, ti := range f.Tensors {
				checkSane(t, ti, b)
			}
			if got, _ := f.Tensor("blk.0.attn_q.weight"); dim == 256 && got.Type != typ {
				t.Errorf("%s: attn_q is %s", typ, got.Type)
			}
			if _, ok := f.Tensor("output.weight"); ok {
				t.Error("a tied model has an output matrix")
			}
		}
	}
}

// checkSane: finite weights; matrices scaled to their rows within the widest
// format's error.
func checkSane(t *testing.T, ti gguf.TensorInfo, b []byte) {
	t.Helper()
	x := make([]float32, ti.NElems())
	if err := tensor.Dequantize(ti.Type, x, b[ti.Offset:ti.Offset+ti.NBytes]); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	rms := math.Sqrt(sum / float64(len(x)))
	want := 1.0
	if len(ti.Shape) == 2 {
		want = 1 / math.Sqrt(float64(ti.Shape[1]))
	}
	if !(rms > 0.7*want && rms < 2*want) {
		t.Errorf("%s (%s): root mean square %.4g, want about %.4g", ti.Name, ti.Type, rms, want)
	}
}

func TestShapes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		nParams  int // of the model card, without rope_freqs
		nTensors int
		q8MB     float64
	}{
		{"135m", 134_515_008, 272, 143},
		{"0.5b", 494_032_768, 290, 527},
		{"1b", 1_235_814_400, 147, 1318},
	} {
		c, err := testmodel.Shape(tt.name, tensor.Q8_0)
		if err != nil {
			t.Fatal(err)
		}
		size, err := c.Size()
		if err != nil {
			t.Fatal(err)
		}
		head := &headOf{}
		if err := c.Write(head); err != io.ErrShortWrite {
			t.Fatalf("Write = %v", err)
		}
		d := gguf.NewDecoder(size)
		if _, err := d.Write(head.b); err != nil {
			t.Fatal(err)
		}
		f, err := d.File()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ti := range f.Tensors {
			if ti.Name != "rope_freqs.weight" {
				n += ti.NElems()
			}
		}
		if n != tt.nParams || len(f.Tensors) != tt.nTensors {
			t.Errorf("%s: %d weights in %d tensors, want %d in %d", tt.name, n, len(f.Tensors), tt.nParams, tt.nTensors)
		}
		if mb := float64(size) / 1e6; math.Abs(mb-tt.q8MB) > 0.04*tt.q8MB {
			t.Errorf("%s: %.0f MB, want about %.0f", tt.name, mb, tt.q8MB)
		}
	}
	if _, err := testmodel.Shape("7b", tensor.F16); err == nil {
		t.Error("there is a shape 7b")
	}
}

// headOf keeps the first 8 MB and then refuses.
type headOf struct{ b []byte }

func (h *headOf) Write(p []byte) (int, error) {
	if len(h.b) > 8<<20 {
		return 0, io.ErrShortWrite
	}
	h.b = append(h.b, p...)
	return len(p), nil
}

// TestStreamsInBoundedMemory writes 135M parameters into nothing.
func TestStreamsInBoundedMemory(t *testing.T) {
	c, err := testmodel.Shape("135m", tensor.Q4_0)
	if err != nil {
		t.Fatal(err)
	}
	var peak uint64
	w := watcher{&peak}
	start := time.Now()
	if err := c.Write(w); err != nil {
		t.Fatal(err)
	}
	t.Logf("77 MB in %v, heap at most %d MB", time.Since(start).Round(time.Millisecond), peak>>20)
	if peak > 16<<20 {
		t.Errorf("heap of %d MB while writing", peak>>20)
	}
}

type watcher struct{ peak *uint64 }

func (w watcher) Write(p []byte) (int, error) {
	if len(p) > 1<<15 {
		var m runtime.MemStats
		runtime.GC() // what lives, not what a late collector has left
		runtime.ReadMemStats(&m)
		*w.peak = max(*w.peak, m.HeapAlloc)
	}
	return len(p), nil
}

func TestVocabularies(t *testing.T) {
	for _, vocab := range []testmodel.Vocab{testmodel.SPM, testmodel.BPE} {
		for _, n := range []int{testmodel.MinVocab, 5000, 50000} {
			t.Run(fmt.Sprintf("%d/%d", vocab, n), func(t *testing.T) {
				c := testmodel.Tiny()
				c.Vocab, c.VocabSize = vocab, n
				f, _ := build(t, c)
				tokens, err := f.Metadata.Strings("tokenizer.ggml.tokens")
				if err != nil || len(tokens) != n {
					t.Fatalf("%d tokens, %v", len(tokens), err)
				}
				types, err := f.Metadata.Ints("tokenizer.ggml.token_type")
				if err != nil || len(types) != n {
					t.Fatalf("%d types, %v", len(types), err)
				}
				if sorted := slices.Compact(slices.Sorted(slices.Values(tokens))); len(sorted) != n {
					t.Errorf("%d different tokens of %d", len(sorted), n)
				}
				merges, err := f.Metadata.Strings("tokenizer.ggml.merges")
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range merges {
					a, b, _ := strings.Cut(m, " ")
					for _, s := range []string{a, b, a + b} {
						if !slices.Contains(tokens, s) {
							t.Fatalf("merge %q: %q is no token", m, s)
						}
					}
					if n > 5000 {
						break
					}
				}
			})
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for name, change := range map[string]func(c *testmodel.Config){
		"architecture": func(c *testmodel.Config) { c.Arch = "gpt5" },
		"no layers":    func(c *testmodel.Config) { c.NLayers = 0 },
		"kv heads":     func(c *testmodel.Config) { c.NKVHeads = 3 },
		"vocabulary":   func(c *testmodel.Config) { c.VocabSize = 100 },
		"type":         func(c *testmodel.Config) { c.Type = tensor.IQ1_S },
	} {
		c := testmodel.Tiny()
		change(&c)
		if _, err := c.Bytes(); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := c.Size(); err == nil {
			t.Errorf("%s: has a size", name)
		}
	}
}
