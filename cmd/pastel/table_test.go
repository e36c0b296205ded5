package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/eval"
	"pastel/eval/crayon"
)

// TestTable measures two seeds of next to nothing, and takes them from the cache the
// second time; what is above the mark of the document stays.
func TestTable(t *testing.T) {
	dir := t.TempDir()
	f := tableFlags{data: "../../testdata/eval/intents.jsonl.gz", cache: filepath.Join(dir, "cache.jsonl"), out: filepath.Join(dir, "table.md"),
		svg: filepath.Join(dir, "curve.svg"), seeds: 2, quiet: true}
	sizes := crayon.Sizes{Words: 20, Dim: 16, Layers: 1, BaseTexts: 10, BaseSteps: 1, Batch: 2, Tasks: 10, Adapters: 2, Rank: 1, PoolSteps: 1, Rate: 1e-2, Tau: 0.2,
		TaskSteps: 1, ServerDim: 16, ServerLayers: 1, ServerSteps: 1, Users: 2, Tests: 2, Strangers: 2, Samples: []int{1, 10}}
	if err := os.WriteFile(f.out, []byte("# Kept\n\n"+tableMark+"stale"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := env{strings.NewReader(""), io.Discard, io.Discard}
	if err := f.run(context.Background(), e, sizes); err != nil {
		t.Fatal(err)
	}
	first := read(t, f.cache)
	text := read(t, f.out)
	if !strings.HasPrefix(text, "# Kept\n\n"+tableMark) || !strings.Contains(text, crayon.Crayon) || strings.Contains(text, "stale") {
		t.Errorf("the document:\n%s", text)
	}
	if !strings.Contains(read(t, f.svg), "<svg") || strings.Count(first, "\n") != 2 {
		t.Error("no picture, or not two outcomes")
	}
	if err := f.run(context.Background(), e, sizes); err != nil || read(t, f.cache) != first || read(t, f.out) != text {
		t.Errorf("%v: a second run measured again", err)
	}
	// A line that was cut off is written anew.
	if err := os.WriteFile(f.cache, []byte(first[:len(first)-30]), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.run(context.Background(), e, sizes); err != nil || strings.Count(read(t, f.cache), "\n") != 2 {
		t.Errorf("%v: %d lines after an interruption", err, strings.Count(read(t, f.cache), "\n"))
	}
}

// TestCommittedTable: the committed document and picture are what the committed outcomes
// give, so `make table` in a clone has nothing to measure and nothing to change.
func TestCommittedTable(t *testing.T) {
	corpus, err := readCorpus("../../testdata/eval/intents.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	known, err := (&tableFlags{cache: "../../docs/crayon-table.jsonl"}).known()
	if err != nil {
		t.Fatal(err)
	}
	var runs []*crayon.Outcome
	for seed := uint64(1); seed <= 5; seed++ {
		o := known[crayon.Digest(corpus, crayon.Default, seed)]
		if o == nil {
			t.Fatalf("seed %d was not measured with these texts and sizes: make table", seed)
		}
		runs = append(runs, o)
	}
	_, tables, _ := strings.Cut(read(t, "../../docs/crayon-table.md"), tableMark)
	if tables != "\n"+crayon.Report(runs, crayon.Default) || read(t, "../../docs/crayon-hybrid.svg") != string(crayon.Picture(runs)) {
		t.Error("docs/crayon-table.md or its picture is not what docs/crayon-table.jsonl gives: make table")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEvalInChromium: the command line grades in the page, in hybrid mode with a budget,
// and takes what was graded from the file of results.
func TestEvalInChromium(t *testing.T) {
	dir := t.TempDir()
	tasks, results := filepath.Join(dir, "tasks.jsonl"), filepath.Join(dir, "results.jsonl")
	lines := `{"id":"1","set":"s","prompt":"Once upon a","choices":["banana","time"],"gold":1}` + "\n" + `{"id":"2","set":"s","prompt":"There was a little","choices":["girl","seventeen"],"gold":0}` + "\n"
	if err := os.WriteFile(tasks, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", tasks, "--model", poolModel, "--server", "../../testdata/models/TinyStories-656K-Q4_0.gguf", "--in", "chromium", "--web", "../../web",
		"--results", results, "--budget", "0.5", "--threshold", "0", "--quiet"}
	out, code := pastel(t, args...)
	if code != 0 || !strings.Contains(out, "| s | 2 | 100.0%") || !strings.Contains(out, "| 50.0% |") || !strings.Contains(out, "| 0.000 | 2 |") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	before := read(t, results)
	here, code := pastel(t, append(args[:len(args)-7:len(args)-7], "--results", results)...)
	if after := read(t, results); code != 0 || !bytes.Equal([]byte(after), []byte(before)) {
		t.Errorf("exit %d, graded again:\n%s", code, here)
	}
}

// TestEvalAdapter: a blend of the bundled pool changes the answers, and by as much in the
// page as under wazero.
func TestEvalAdapter(t *testing.T) {
	dir := t.TempDir()
	tasks, adapter := filepath.Join(dir, "tasks.jsonl"), filepath.Join(dir, "adapter.gguf")
	if err := os.WriteFile(tasks, []byte(`{"id":"1","set":"s","prompt":"what is my account balance"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := pastel(t, "pool", "blend", poolDir, "--out", adapter, "--weights", "1,0,0,0,0,0,0,0"); code != 0 {
		t.Fatal(out)
	}
	likelihood := func(args ...string) float64 {
		results := filepath.Join(t.TempDir(), "results.jsonl")
		if out, code := pastel(t, append([]string{"eval", tasks, "--model", poolModel, "--web", "../../web", "--results", results, "--quiet"}, args...)...); code != 0 {
			t.Fatal(out)
		}
		var r eval.Record
		if err := json.Unmarshal([]byte(read(t, results)), &r); err != nil {
			t.Fatal(err)
		}
		return r.Device.NLL
	}
	plain, here, there := likelihood(), likelihood("--adapter", adapter+"=0.5"), likelihood("--adapter", adapter+"=0.5", "--in", "chromium")
	if math.Abs(here-there) > 1e-3*here || here > 0.9*plain {
		t.Errorf("-log p is %.4f, with half an adapter %.4f under wazero and %.4f in Chromium", plain, here, there)
	}
}

func TestEvalRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		args       []string
	}{
		{"another place", "chromium", []string{"--in", "netscape"}},
		{"a budget without a server", "--server", []string{"--budget", "0.1"}},
		{"a budget that is no share", "share", []string{"--budget", "2", "--server", "x"}},
	} {
		out, code := pastel(t, append([]string{"eval", "x", "--model", "y"}, tt.args...)...)
		if code != 2 || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit %d, %q", tt.name, code, out)
		}
	}
}
