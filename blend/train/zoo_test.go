package train

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/peft"
	"pastel/blend/safetensors"
	"pastel/engine/testmodel"
)

// A run is what the test needs of one line of refs.jsonl.
type run struct {
	Run, Model string
	LoRA       []struct {
		File  string
		Scale float64
	}
	Short, Long struct{ IDs []int }
}

// W + Σ scale·s·B·A, merged densely in float64, gives llama.cpp's logits: one
// adapter, half scale, two adapters, a negative scale; read as GGUF and again
// after a round through PEFT's files.
func TestLoRALogitsMatchLlamaCpp(t *testing.T) {
	zoo := testmodel.OpenZoo(t)
	n := 0
	for line := range strings.SplitSeq(strings.TrimSpace(string(testmodel.ReadZoo(t, zoo, "refs.jsonl"))), "\n") {
		var r run
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(r.Run, "llama-plain.F32") {
			continue
		}
		n++
		t.Run(r.Run, func(t *testing.T) {
			base, err := Load(testmodel.ReadZoo(t, zoo, r.Model))
			if err != nil {
				t.Fatal(err)
			}
			viaGGUF, viaPEFT := base.Clone(), base.Clone()
			for _, l := range r.LoRA {
				a, err := gguflora.Read(l.File, testmodel.ReadZoo(t, zoo, l.File), "llama")
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Check(base.Shapes); err != nil {
					t.Fatal(err)
				}
				viaGGUF.Merge(a, l.Scale)
				viaPEFT.Merge(throughPEFT(t, a, base), l.Scale)
			}
			short := floats(testmodel.ReadZoo(t, zoo, "logits/"+r.Run+".short-all.f32"))
			long := floats(testmodel.ReadZoo(t, zoo, "logits/"+r.Run+".long-last.f32"))
			for name, m := range map[string]*Model{"GGUF": viaGGUF, "PEFT": viaPEFT} {
				if d := maxAbsDiff(m.Logits(r.Short.IDs, nil), short); d > 1e-4 {
					t.Errorf("%s, short prompt: logits off by %v", name, d)
				}
				all := m.Logits(r.Long.IDs, nil)
				if d := maxAbsDiff(all[len(all)-m.VocabSize:], long); d > 1e-4 {
					t.Errorf("%s, long prompt: logits off by %v", name, d)
				}
			}
		})
	}
	if n < 7 {
		t.Errorf("only %d runs of llama-plain.F32 in the zoo", n)
	}
}

func throughPEFT(t *testing.T, a *blend.Adapter, m *Model) *blend.Adapter {
	t.Helper()
	base := peft.Base{Arch: "llama", NHeads: m.Heads, NKVHeads: m.KVHeads}
	config, weights, err := peft.Write(a, base, "zoo", safetensors.F32)
	if err != nil {
		t.Fatal(err)
	}
	b, err := peft.Read(a.Name, config, weights, base)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func floats(b []byte) []float64 {
	out := make([]float64, len(b)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return out
}

func TestLoadRefuses(t *testing.T) {
	zoo := testmodel.OpenZoo(t)
	for _, name := range []string{"qwen2.F32", "llama-moe.F32", "llama-bias.F32"} {
		if _, err := Load(testmodel.ReadZoo(t, zoo, "models/"+name+".gguf")); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
	if _, err := Load([]byte("GGUF")); err == nil {
		t.Error("four bytes were loaded")
	}
}
