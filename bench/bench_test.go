package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

const stories = "../testdata/models/stories260K.gguf"

func TestStatOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		x    []float64
		want Stat
	}{
		{"none", nil, Stat{}},
		{"one", []float64{3}, Stat{3, 3, 3, 1}},
		{"odd", []float64{5, 1, 3}, Stat{3, 1, 5, 3}},
		{"even", []float64{4, 1, 2, 3}, Stat{2.5, 1, 4, 4}},
	} {
		if got := StatOf(tt.x); got != tt.want {
			t.Errorf("%s: StatOf(%v) = %+v, want %+v", tt.name, tt.x, got, tt.want)
		}
	}
}

// TestWork counts by hand: q and o [d,d], k and v [kv,d], gate, up, down [h,d], head [v,d].
func TestWork(t *testing.T) {
	for _, tied := range []bool{false, true} {
		c := testmodel.Tiny()
		c.Type, c.Tied = tensor.Q8_0, tied
		path := filepath.Join(t.TempDir(), "tiny.gguf")
		b, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		w, err := WorkOf(path)
		if err != nil {
			t.Fatal(err)
		}
		kv := c.Dim / c.NHeads * c.NKVHeads
		blocks := c.NLayers * (2*c.Dim*c.Dim + 2*kv*c.Dim + 3*c.HiddenDim*c.Dim)
		head := c.VocabSize * c.Dim
		if int(w.PrefillMACs) != blocks || int(w.DecodeMACs) != blocks+head {
			t.Errorf("tied %v: work %+v, want %d and %d", tied, w, blocks, blocks+head)
		}
		if want := (blocks + head) / 32 * 34; int(w.ReadBytes) != want {
			t.Errorf("tied %v: a token reads %d bytes, want %d", tied, w.ReadBytes, want)
		}
	}
}

// checkResult: every figure is there and makes sense.
func checkResult(t *testing.T, r *Result, executor string, threads int) {
	t.Helper()
	if r.Executor != executor || r.Threads != threads {
		t.Errorf("%s with %d threads, want %s with %d", r.Executor, r.Threads, executor, threads)
	}
	for name, v := range map[string]float64{
		"load": r.LoadMs, "prefill": r.PrefillTokPS, "decode": r.DecodeTokPS, "peak": float64(r.PeakBytes), "bytes/s": r.LoadBytesPS,
		"read": r.Limits.ReadGBps, "dot": r.Limits.DotGmacs, "TTFT": r.Prefill[1].TTFTms.Median, "share of read": r.ReadShare(), "share of dot": r.DotShare(r.Prefill[0]),
	} {
		if !(v > 0) || math.IsInf(v, 0) {
			t.Errorf("%s = %v", name, v)
		}
	}
	if r.DotShare(r.Prefill[1]) > 1 {
		t.Errorf("prefill at %.2f of the dot instruction's rate", r.DotShare(r.Prefill[1]))
	}
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in", "executor", "threads", "load_ms", "prefill_tok_s", "decode_tok_s", "peak_bytes"} {
		if keys[key] == nil {
			t.Errorf("no %s in %s", key, b)
		}
	}
	if text := Table([]*Result{r}); !strings.Contains(text, r.In) {
		t.Errorf("table:\n%s", text)
	}
	checkXML(t, Roofline([]*Result{r}))
}

func checkXML(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("roofline: %v in\n%s", err, b)
		}
	}
}

func TestWazero(t *testing.T) {
	r, err := Wazero(context.Background(), Config{Model: stories, Threads: 2, Prompts: []int{8, 32}, Decode: 8, Repeats: 2})
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, r, "simd128", 2)
}

func TestChromium(t *testing.T) {
	r, err := Chromium(context.Background(), Config{Model: stories, Threads: 2, Prompts: []int{8, 32}, Decode: 8, Repeats: 2, Profile: true, Web: "../web"})
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, r, "relaxed", 2)
	isMatmul := func(o OpTime) bool { return o.Op == "matmul" && o.Calls == 36 } // 7 a block and the output
	if p := r.Profile; len(p.Decode) < 5 || !slices.ContainsFunc(p.Decode, isMatmul) {
		t.Errorf("profile of a decoded token: %+v", p.Decode)
	}
	if !strings.Contains(r.Machine.Browser, "Chrome/") || r.WarmLoadMs <= 0 {
		t.Errorf("browser %q, warm load %v", r.Machine.Browser, r.WarmLoadMs)
	}
}

// TestAdapters measures adapters beside quantised weights and beside float32 ones, which
// are blended by other code.
func TestAdapters(t *testing.T) {
	dir := t.TempDir()
	c := testmodel.Tiny()
	c.Type = tensor.Q4_0
	quantised := filepath.Join(dir, "tiny.gguf")
	b, err := c.Bytes()
	if err == nil {
		err = os.WriteFile(quantised, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{quantised, stories} {
		r, err := Chromium(context.Background(), Config{Model: model, Prompts: []int{8}, Decode: 8, Repeats: 2, Rank: 4, Scratch: dir, Web: "../web"})
		if err != nil {
			t.Fatal(err)
		}
		a := r.Adapters
		for name, s := range map[string]Stat{"load": a.LoadMs, "alone": a.Alone, "blended": a.Blended, "blend": a.BlendMs, "total": a.TotalMs} {
			if s.N != 2 || !(s.Min > 0) {
				t.Errorf("%s: %s %+v", model, name, s)
			}
		}
		if text := Table([]*Result{r}); !strings.Contains(text, "adapter of rank 4") || !strings.Contains(text, "pool of 8") {
			t.Errorf("table:\n%s", text)
		}
	}
}

func TestCheck(t *testing.T) {
	now := Ratios{"a": 0.7, "b": 1.3, "new": 1}
	for _, tt := range []struct {
		name      string
		committed Ratios
		ok        bool
	}{
		{"same", Ratios{"a": 0.7, "b": 1.3}, true},
		{"at the edge of the band", Ratios{"a": 0.7 / (1 - NoiseBand) * 0.999}, true},
		{"beyond the band", Ratios{"a": 0.7 / (1 - NoiseBand) * 1.001}, false},
		{"better", Ratios{"b": 0.5}, true},
		{"not measured", Ratios{"c": 1}, false},
	} {
		if err := now.Check(tt.committed); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
