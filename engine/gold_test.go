package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pastel/engine"
)

// loadModel loads a model of testdata on a machine.
func loadModel(t testing.TB, m engine.Machine, path string) *engine.Model {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	model, err := loadBytes(m, b, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	return model
}

// loadBytes feeds a file in pieces of n bytes.
func loadBytes(m engine.Machine, b []byte, n int) (*engine.Model, error) {
	l := engine.NewLoader(m, uint64(len(b)))
	for len(b) > 0 {
		k, err := l.Write(0, b[:min(n, len(b))])
		if err != nil {
			return nil, err
		}
		b = b[k:]
	}
	return l.Finish()
}

func newSession(t testing.TB, m *engine.Model, o engine.SessionOptions) *engine.Session {
	t.Helper()
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// gold is one line of llama.cpp's results.
type gold struct {
	Prompt     string  `json:"prompt"`
	PromptIDs  []int32 `json:"prompt_ids"`
	NVocab     int     `json:"n_vocab"`
	GreedyIDs  []int32 `json:"greedy_ids"`
	GreedyText string  `json:"greedy_text"`
}

func readGold(t testing.TB, path string) (out []gold) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var g gold
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

// readFloats reads little-endian float32 values.
func readFloats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// maxDiff is the largest absolute difference.
func maxDiff(a, b []float32) (worst float64) {
	for i := range a {
		if d := math.Abs(float64(a[i]) - float64(b[i])); !(d <= worst) {
			worst = d
		}
	}
	return worst
}

// allLogits returns the logits of every position.
func allLogits(t testing.TB, s *engine.Session, ids []int32) (out []float32) {
	t.Helper()
	s.Truncate(0)
	for len(ids) > 0 {
		n := min(len(ids), s.LogitRows(), s.Batch())
		if err := s.Forward(ids[:n], n); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			out = append(out, s.Logits(i)...)
		}
		ids = ids[n:]
	}
	return out
}

// TestGoldLlamaCpp compares real trained models with llama.cpp's results.
// llama.cpp rounds the activations of quantised models to 8 bits (of float16
// ones to 16); the reference does not, so those rows have a wider bound. Exact
// references for quantised weights are in the zoo.
func TestGoldLlamaCpp(t *testing.T) {
	for _, tt := range []struct {
		model, gold string
		bound       float64
	}{
		{"stories260K", "stories260K-f32", 1e-3},
		{"stories260K-F16", "stories260K-F16", 5e-2},
		{"TinyStories-656K-f32", "TinyStories-656K-f32", 1e-3},
		{"TinyStories-656K-Q4_0", "TinyStories-656K-Q4_0", 0.3},
	} {
		t.Run(tt.model, func(t *testing.T) {
			m := loadModel(t, engine.Reference(), "../testdata/models/"+tt.model+".gguf")
			s := newSession(t, m, engine.SessionOptions{ContextLength: 256, LogitRows: 8})
			for i, g := range readGold(t, "../testdata/gold-llamacpp/"+tt.gold+".jsonl") {
				path := filepath.Join("../testdata/gold-llamacpp", tt.gold+".p"+string(rune('1'+i))+".logits.f32")
				if b, err := os.ReadFile(path); err == nil {
					if d := maxDiff(readFloats(b), allLogits(t, s, g.PromptIDs)); d > tt.bound {
						t.Errorf("prompt %d: logits differ by %g, bound %g", i+1, d, tt.bound)
					} else {
						t.Logf("prompt %d: logits differ by %.2g", i+1, d)
					}
				}
				compareGreedy(t, s, g, tt.bound)
			}
		})
	}
}

// compareGreedy continues greedily and compares ids, up to the first near tie:
// a step at which the two best logits are closer than twice the bound.
func compareGreedy(t *testing.T, s *engine.Session, g gold, bound float64) {
	t.Helper()
	gen, err := s.Generate(engine.Request{Prompt: g.PromptIDs, MaxTokens: len(g.GreedyIDs), IgnoreEnd: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; {
		e, err := gen.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Token < 0 {
			continue
		}
		if margin(s.Logits(0)) < 2*bound {
			return
		}
		if e.Token != g.GreedyIDs[i] {
			t.Errorf("greedy token %d after %q = %d, want %d", i, g.Prompt, e.Token, g.GreedyIDs[i])
			return
		}
		i++
		if e.Finish != "" {
			return
		}
	}
}

// margin is the distance between the two largest values.
func margin(x []float32) float64 {
	first, second := float32(math.Inf(-1)), float32(math.Inf(-1))
	for _, v := range x {
		if v > first {
			first, second = v, first
		} else if v > second {
			second = v
		}
	}
	return float64(first - second)
}
