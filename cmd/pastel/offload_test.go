package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/offload"
)

// printed runs a command line that must succeed.
func printed(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := runPastel(t, stdin, args...)
	if code != 0 {
		t.Fatalf("pastel %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// likelihood computes, from logits, the probability of each token that a prompt is
// continued by, as the geometric mean of the first n.
func likelihood(t *testing.T, prompt, generated []uint32, n int) float64 {
	t.Helper()
	all := append(append([]uint32{}, prompt...), generated...)
	ids, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := printed(t, "", "logits", servedModel, "--executor", "reference", "--all", "--tokens", string(ids))
	var rows [][]float64
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, id := range generated[:n] {
		row, total := rows[len(prompt)-1+i], 0.0
		for _, v := range row {
			total += math.Exp(v)
		}
		sum += row[id] - math.Log(total)
	}
	return math.Exp(sum / float64(n))
}

// Scores are what the logits say, and thresholds follow from questions nobody graded.
func TestScoreCommand(t *testing.T) {
	const query = "Once upon a time"
	var run struct{ Tokens []uint32 }
	text, _ := printed(t, "", "run", servedModel, "--executor", "reference", "-p", query, "-n", "12", "--temp", "0", "--json")
	if err := json.Unmarshal([]byte(text), &run); err != nil {
		t.Fatal(err)
	}
	var prompt []uint32
	text, _ = printed(t, query, "tokenize", servedModel, "--executor", "reference")
	if err := json.Unmarshal([]byte(text), &prompt); err != nil {
		t.Fatal(err)
	}

	samples := filepath.Join(t.TempDir(), "samples.txt")
	if err := os.WriteFile(samples, []byte("freeze my account\n\nfreeze my bank account\ncan you freeze my account\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	queries := fmt.Sprintf("{\"query\":%q,\"device\":1,\"server\":0.5}\n\n{\"query\":\"please freeze my account\"}\n{\"query\":\"The sky is\",\"options\":[\"blue\",\"enzyme\"]}\n", query)
	scored, notes := printed(t, queries, "offload", "score", servedModel, "-", "--executor", "reference", "-n", "12", "--pool", "../../testdata/pool", "--samples", samples)
	if !strings.Contains(notes, "--scope 0.") {
		t.Errorf("no scope threshold in %q", notes)
	}
	var lines []scoredLine
	for line := range strings.Lines(scored) {
		var l scoredLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines of 3: %s", len(lines), scored)
	}
	// float32 logits of magnitude 20 differ by some 1e-6, their probabilities by as much.
	for name, got := range map[string]struct{ got, want float64 }{
		"confidence": {*lines[0].Confidence, likelihood(t, prompt, run.Tokens, 12)},
		"early":      {*lines[0].Early, likelihood(t, prompt, run.Tokens, offload.DefaultEarlyTokens)},
	} {
		if math.Abs(got.got-got.want) > 1e-4 {
			t.Errorf("%s %v, want %v", name, got.got, got.want)
		}
	}
	if far, near := *lines[0].Scope, *lines[1].Scope; !(near > 0.5 && far < near) {
		t.Errorf("scope of a story %v, of what the samples are about %v", far, near)
	}
	if l := lines[2]; l.Answer != "blue" || !strings.Contains(string(l.Signals), `"margin":`) || *l.Confidence < 0.5 || l.Early != nil {
		t.Errorf("options: %+v", l)
	}
	if l := lines[0]; l.Device == nil || *l.Device != 1 || *l.Server != 0.5 {
		t.Errorf("grades were lost: %+v", l)
	}

	thresholds, _ := printed(t, scored, "offload", "calibrate", "-", "--budget", "0.34")
	var c calibration
	if err := json.Unmarshal([]byte(thresholds), &c); err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.Usage-1.0/3) > 1e-12 || !c.Thresholds.Confidence.On || c.Thresholds.Scope.On {
		t.Errorf("calibrated to %+v", c)
	}
	for name, line := range map[string]string{"no query": `{"options":["a","b"]}`, "one option": `{"query":"a","options":["a"]}`, "not JSON": `query`} {
		code, _, stderr := runPastel(t, line, "offload", "score", servedModel, "-", "--executor", "reference")
		if code != 1 || !strings.Contains(stderr, "line 1") {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}
