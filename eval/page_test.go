package eval

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pastel/wasm/host"
)

// storyTasks is a file of the tasks that a model of stories gets right.
func storyTasks(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tasks.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(f, story); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPageAgrees: the page in Chromium grades as the module does under wazero. Both run
// the same kernels on the same weights, so what differs is the rounding of exp in
// softmax: confidences agree to about 1e-5, choices and texts exactly.
func TestPageAgrees(t *testing.T) {
	ctx := context.Background()
	p := Page{Web: "../web", Tasks: storyTasks(t), Model: "../testdata/models/stories260K.gguf", Server: "../testdata/models/TinyStories-656K-Q4_0.gguf", Threads: 1, Baseline: true}
	tab, err := p.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	for _, method := range []Method{LogLikelihood, Normalised, Letter} {
		here := Run{Device: On(wazeroModel(t, p.Model)), Server: On(wazeroModel(t, p.Server)), Method: method}
		there := Run{Device: tab.Device(), Server: tab.Server(), Method: method}
		want, err := here.Do(ctx, story)
		if err != nil {
			t.Fatal(err)
		}
		got, err := there.Do(ctx, story)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			sameAnswer(t, method, want[i].ID, got[i].Device, want[i].Device)
			sameAnswer(t, method, want[i].ID, *got[i].Server, *want[i].Server)
		}
	}
}

func sameAnswer(t *testing.T, method Method, id string, got, want Answer) {
	t.Helper()
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-4*(1+math.Abs(b)) }
	if got.Choice != want.Choice || got.Text != want.Text || got.Right != want.Right || got.Tokens != want.Tokens ||
		!near(got.Confidence, want.Confidence) || !near(got.NLL, want.NLL) {
		t.Errorf("%s, task %s: the page says %+v, wazero %+v", method, id, got, want)
	}
}

func wazeroModel(t *testing.T, path string) *HostModel {
	t.Helper()
	ctx := context.Background()
	e, err := host.New(ctx, host.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(ctx) })
	files, closeFiles, err := host.OpenFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	if _, err := e.LoadModel(ctx, files, nil); err != nil {
		t.Fatal(err)
	}
	m, err := NewHostModel(ctx, e, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
