package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
