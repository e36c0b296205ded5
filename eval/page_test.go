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
	tasks := append(story[:len(story):len(story)],
		Task{ID: "5", Set: "edge", Prompt: "The cat said \u201cm\u00e9ow\u201d and  \n", Choices: []string{"\nThe end.", " h\u00e9, \u00fcber \U0001f408", "so"}, Gold: 2},
		Task{ID: "6", Set: "edge", Prompt: "x", Choices: []string{"a", "a"}, Gold: 1},
		Task{ID: "7", Set: "edge", Prompt: "Tom and", Target: "never this"},
	)
	device, server := On(hostModel(t, host.Options{Threads: 1}, p.Model)), On(hostModel(t, host.Options{Threads: 1}, p.Server))
	for _, method := range []Method{LogLikelihood, Normalised, Letter} {
		here := Run{Device: device, Server: server, Method: method}
		there := Run{Device: tab.Device(), Server: tab.Server(), Method: method}
		want, err := here.Do(ctx, tasks)
		if err != nil {
			t.Fatal(err)
		}
		got, err := there.Do(ctx, tasks)
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

// The recorded run's tasks are tasks.
func TestQualityTasks(t *testing.T) {
	f, err := os.Open("../testdata/eval/quality.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tasks, err := Read(f)
	if err != nil || len(tasks) != 862 {
		t.Errorf("%d tasks, %v", len(tasks), err)
	}
}
