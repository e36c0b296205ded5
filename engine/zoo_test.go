package engine_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/engine"
	"pastel/engine/testmodel"
	"pastel/fault"
)

// zooRow is one reference run of the conformance set.
type zooRow struct {
	Run, Model, Arch, Kind string
	LoRA                   []struct {
		File  string
		Scale float32
	}
	Short, Long zooPrompt
}

type zooPrompt struct {
	IDs    []int32
	Greedy []int32
	Margin []float64
}

func zooRows(t testing.TB, zoo fs.FS) (rows []zooRow) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSpace(testmodel.ReadZoo(t, zoo, "refs.jsonl")), []byte("\n")) {
		var r zooRow
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// strict reports whether a row's logits are what exact arithmetic gives.
func (r *zooRow) strict() bool {
	if r.Run == "mistral-swa.F32" || r.Kind == "log-probabilities" { // window ignored; another quantity
		return false
	}
	return r.Kind != "native"
}

// refused families, by name. Everything else must match.
var refused = []string{"deepseek2", "minicpm3"}

// TestZoo runs every model of the conformance set on the reference executor
// with float32 activations and cache, and compares logits with llama.cpp's (or
// an independent float64 evaluation's).
func TestZoo(t *testing.T) {
	zoo := testmodel.OpenZoo(t)
	for _, row := range zooRows(t, zoo) {
		if row.Model == "" || !row.strict() {
			continue
		}
		t.Run(row.Run, func(t *testing.T) {
			m, err := loadBytes(engine.Reference(), testmodel.ReadZoo(t, zoo, row.Model), 1<<20)
			if slices.Contains(refused, row.Arch) {
				if fault.CodeOf(err) != fault.UnsupportedArch {
					t.Fatalf("loading = %v, want %s", err, fault.UnsupportedArch)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s := newSession(t, m, engine.SessionOptions{ContextLength: min(512, m.MaxContext()), LogitRows: 8})
			compareZoo(t, zoo, s, &row, addAdapters(t, zoo, m, &row))
		})
	}
}

// zooBound is the tolerance of the set's F32 rows.
const zooBound = 1e-4

// addAdapters places a row's adapters.
func addAdapters(t *testing.T, zoo fs.FS, m *engine.Model, row *zooRow) (active []engine.ActiveAdapter) {
	t.Helper()
	for _, l := range row.LoRA {
		a, err := gguflora.Read(l.File, testmodel.ReadZoo(t, zoo, l.File), row.Arch)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.AddAdapter(l.File, loraPairs(a)); err != nil {
			t.Fatal(err)
		}
		active = append(active, engine.ActiveAdapter{ID: l.File, Scale: l.Scale})
	}
	return active
}

// TestAdapterOfExperts: experts have no side path, and an adapter for them is refused, not ignored.
func TestAdapterOfExperts(t *testing.T) {
	m, err := loadBytes(engine.Reference(), testmodel.ReadZoo(t, testmodel.OpenZoo(t), "models/qwen2moe.F32.gguf"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const target = "blk.0.ffn_up_exps.weight"
	out, in, ok := m.Shape(target)
	if !ok {
		t.Fatalf("the model has no %s", target)
	}
	pair := engine.LoRAPair{Target: target, A: make([]float32, in), B: make([]float32, out), Rank: 1, In: in, Out: out, Scale: 1}
	if err := m.AddAdapter("a", []engine.LoRAPair{pair}); fault.CodeOf(err) != fault.LoRAMismatch || !strings.Contains(err.Error(), "experts") {
		t.Errorf("AddAdapter = %v", err)
	}
}

func loraPairs(a *blend.Adapter) (pairs []engine.LoRAPair) {
	for _, p := range a.Pairs {
		pairs = append(pairs, engine.LoRAPair{Target: p.Target, A: p.A, B: p.B, Rank: p.Rank, In: p.In, Out: p.Out, Scale: p.Scaling})
	}
	return pairs
}

func compareZoo(t *testing.T, zoo fs.FS, s *engine.Session, row *zooRow, active []engine.ActiveAdapter) {
	t.Helper()
	if err := s.SetAdapters(active); err != nil {
		t.Fatal(err)
	}
	want := readFloats(testmodel.ReadZoo(t, zoo, "logits/"+row.Run+".short-all.f32"))
	if d := maxDiff(want, allLogits(t, s, row.Short.IDs)); !(d <= zooBound) {
		t.Errorf("short prompt: logits differ by %g", d)
	}
	want = readFloats(testmodel.ReadZoo(t, zoo, "logits/"+row.Run+".long-last.f32"))
	s.Truncate(0)
	if err := s.Prefill(row.Long.IDs); err != nil {
		t.Fatal(err)
	}
	if d := maxDiff(want, s.Logits(0)); !(d <= zooBound) {
		t.Errorf("long prompt: logits differ by %g", d)
	}
	for _, p := range []zooPrompt{row.Short, row.Long} {
		zooGreedy(t, s, &p, active)
	}
}

// zooGreedy compares the greedy continuation up to the first near tie.
func zooGreedy(t *testing.T, s *engine.Session, p *zooPrompt, active []engine.ActiveAdapter) {
	t.Helper()
	gen, err := s.Generate(engine.Request{Prompt: p.IDs, MaxTokens: len(p.Greedy), IgnoreEnd: true, Adapters: active})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(p.Greedy); {
		e, err := gen.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Token < 0 {
			continue
		}
		if p.Margin[i] < 2*zooBound {
			return
		}
		if e.Token != p.Greedy[i] {
			t.Errorf("greedy token %d = %d, want %d (margin %g)", i, e.Token, p.Greedy[i], p.Margin[i])
			return
		}
		i++
	}
}
