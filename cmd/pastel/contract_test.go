package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlan: both executors estimate from the header; what does not fit is refused with
// the numbers still printed.
func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		fits bool
	}{
		{"reference", []string{"--executor", "reference"}, 0, true},
		{"wasm, with rates", nil, 0, true},
		{"cache type", []string{"--kv", "Q3", "--executor", "reference"}, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := runPastel(t, "", append([]string{"inspect", storiesF32, "--plan"}, tt.args...)...)
			if code != tt.code {
				t.Fatalf("exit code %d (%s), want %d", code, stderr, tt.code)
			}
			if code != 0 {
				return
			}
			var p plan
			if err := json.Unmarshal([]byte(stdout), &p); err != nil {
				t.Fatal(err)
			}
			if p.Fits != tt.fits || p.TotalBytes != p.WeightBytes+p.KVBytes+p.WorkBytes || p.WeightBytes < 1e6 || p.ContextLength == 0 {
				t.Errorf("plan = %+v", p)
			}
			if (p.DecodeTokPS > 0) != (p.Rates != nil) || p.Rates != nil && p.Rates.ReadBytesPerS < 1e8 {
				t.Errorf("rates = %+v, decode %g tok/s", p.Rates, p.DecodeTokPS)
			}
		})
	}
}

// TestQuantize: a converted file runs, and the table has a row for every tensor.
func TestQuantize(t *testing.T) {
	out := filepath.Join(t.TempDir(), "q8.gguf")
	code, stdout, stderr := runPastel(t, "", "quantize", storiesF32, out, "--type", "q8_0")
	if code != 0 || stdout != "" || !strings.Contains(stderr, "blk.4.ffn_up.weight") {
		t.Fatalf("quantize exits with %d and prints %q, %q", code, stdout, stderr)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm()&0o044 == 0 {
		t.Errorf("the converted model may be read by %v, %v", info.Mode(), err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if code := dispatch(ctx, env{nil, io.Discard, io.Discard}, []string{"quantize", storiesF32, out + "2", "--type", "q8_0"}); code != 1 {
		t.Errorf("an interrupted quantize exits with %d, want 1", code)
	}
	code, text, stderr := runPastel(t, "", "run", out, "-p", "Once upon a time", "-n", "20", "--temp", "0", "--executor", "reference")
	if code != 0 || text != story+"\n" {
		t.Errorf("the converted model says %q (%s), want %q", text, stderr, story)
	}
	if left, _ := filepath.Glob(out + "?*"); left != nil {
		t.Errorf("quantize leaves %v", left)
	}
}

// TestEmbed: the embedding is a mean, so that text repeated is nearly the text.
func TestEmbed(t *testing.T) {
	embed := func(text, executor string) (v []float64) {
		_, stdout, stderr := runPastel(t, text, "embed", storiesF32, "--executor", executor)
		if err := json.Unmarshal([]byte(stdout), &v); err != nil {
			t.Fatalf("embed: %v (%s)", err, stderr)
		}
		return v
	}
	one, wasm := embed("dog dog", "reference"), embed("dog dog", "wasm")
	twice := embed("dog dog dog dog", "reference")
	if len(one) != 64 || len(wasm) != 64 {
		t.Fatalf("embeddings of %d and %d values, want 64", len(one), len(wasm))
	}
	for i := range one {
		if math.Abs(one[i]-wasm[i]) > 1e-4 || math.Abs(one[i]-twice[i]) > 0.5*math.Abs(one[i])+0.5 {
			t.Errorf("value %d: %g, under wazero %g, of the text twice %g", i, one[i], wasm[i], twice[i])
		}
	}
}

// TestRunFlags: each flag reaches the engine and does what it says.
func TestRunFlags(t *testing.T) {
	greedy := []string{"run", storiesF32, "-p", "Once upon a time", "--temp", "0", "--executor", "reference", "--json"}
	run := func(t *testing.T, args ...string) (r runResult) {
		t.Helper()
		code, stdout, stderr := runPastel(t, "", append(append([]string{}, greedy...), args...)...)
		if err := json.Unmarshal([]byte(stdout), &r); code != 0 || err != nil {
			t.Fatalf("run %q exits with %d: %v (%s)", args, code, err, stderr)
		}
		return r
	}
	plain, long := run(t, "-n", "20"), run(t, "-n", "60")
	for _, tt := range []struct {
		name string
		args []string
		want func(r runResult) bool
	}{
		{"stop string", []string{"-n", "20", "--stop", "zebra", "--stop", " girl"}, func(r runResult) bool {
			return r.Text == ", there was a little" && r.FinishReason == "stop"
		}},
		{"repeat penalty", []string{"-n", "60", "--repeat-penalty", "2"}, func(r runResult) bool { return r.Text != long.Text }},
		{"presence penalty", []string{"-n", "60", "--presence-penalty", "5"}, func(r runResult) bool { return r.Text != long.Text }},
		{"frequency penalty", []string{"-n", "60", "--frequency-penalty", "5"}, func(r runResult) bool { return r.Text != long.Text }},
		{"a temperature no top-k survives", []string{"-n", "20", "--temp", "9", "--top-k", "1"}, func(r runResult) bool { return r.Text == plain.Text }},
		{"a temperature no top-p survives", []string{"-n", "20", "--temp", "0.01", "--top-p", "0.01"}, func(r runResult) bool { return r.Text == plain.Text }},
		{"a temperature no min-p survives", []string{"-n", "20", "--temp", "0.01", "--min-p", "0.99"}, func(r runResult) bool { return r.Text == plain.Text }},
		{"typical", []string{"-n", "20", "--temp", "0.01", "--typical", "0.01"}, func(r runResult) bool { return len(r.Tokens) == 20 }},
		{"half-precision cache", []string{"-n", "20", "--kv", "F16"}, func(r runResult) bool { return r.Text == plain.Text }},
		{"context full", []string{"--ctx", "32"}, func(r runResult) bool { return r.FinishReason == "length" && len(r.Tokens) == 28 }},
		{"context shifted", []string{"--ctx", "32", "-n", "80", "--shift"}, func(r runResult) bool { return len(r.Tokens) == 80 }},
		{"chat", []string{"-n", "5", "--chat", "--chatml"}, func(r runResult) bool { return r.PromptTokens > 20 }},
		{"JSON", []string{"-n", "200", "--json-schema", "json"}, func(r runResult) bool { return strings.HasPrefix(r.Text, "{") }},
		{"JSON schema", []string{"-n", "200", "--json-schema", "testdata/schema.json"}, func(r runResult) bool {
			return r.FinishReason == "stop" && (r.Text == `"yes"` || r.Text == `"no"`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := run(t, tt.args...); !tt.want(r) {
				t.Errorf("run %q = %+v", tt.args, r)
			}
		})
	}
}
