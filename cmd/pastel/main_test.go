package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"pastel/engine/gguf"
)

const (
	storiesF32 = "../../testdata/models/stories260K.gguf"
	storiesQ4  = "../../testdata/models/TinyStories-656K-Q4_0.gguf"
	notAModel  = "../../testdata/models/SOURCE.md"
)

// runPastel runs a command line.
func runPastel(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = dispatch(t.Context(), env{strings.NewReader(stdin), &out, &errs}, args)
	return code, out.String(), errs.String()
}

// executorsOf is every way a command runs.
var executorsOf = []string{"wasm", "reference"}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"help"}, 0},
		{"nothing", nil, 0},
		{"help of a command", []string{"run", "-h"}, 0},
		{"help of one that takes a model or none", []string{"bench", "--help"}, 0},
		{"help of pools", []string{"pool", "-h"}, 0},
		{"help of a verb", []string{"pool", "blend", "-h"}, 0},
		{"unknown command", []string{"walk"}, 2},
		{"unknown flag", []string{"run", storiesF32, "--walk"}, 2},
		{"no model", []string{"run", "-p", "x"}, 2},
		{"two models", []string{"inspect", storiesF32, storiesF32}, 2},
		{"negative count", []string{"run", storiesF32, "-n", "-1"}, 2},
		{"chatml without chat", []string{"run", storiesF32, "--chatml"}, 2},
		{"no choices", []string{"run", storiesF32, "--choices", "0"}, 2},
		{"shift without an end", []string{"run", storiesF32, "--shift"}, 2},
		{"type that nobody writes", []string{"quantize", storiesF32, "x.gguf", "--type", "Q9"}, 2},
		{"nothing to embed", []string{"embed", storiesF32, "--executor", "reference"}, 2},
		{"cache type", []string{"run", storiesF32, "-p", "x", "--kv", "Q3", "--executor", "reference"}, 1},
		{"chat without a template", []string{"run", storiesF32, "-p", "x", "--chat", "--executor", "reference"}, 1},
		{"schema that is no schema", []string{"run", storiesF32, "-p", "x", "--json-schema", notAModel, "--executor", "reference"}, 1},
		{"schema that is empty", []string{"run", storiesF32, "-p", "x", "--json-schema", os.DevNull, "--executor", "reference"}, 1},
		{"quantize what is quantised", []string{"quantize", storiesQ4, "x.gguf", "--type", "Q8_0"}, 1},
		{"unknown executor", []string{"run", storiesF32, "--executor", "gpu"}, 2},
		{"no tokens", []string{"logits", storiesF32}, 2},
		{"token that is no number", []string{"logits", storiesF32, "--tokens", "1,x"}, 2},
		{"ids cut short", []string{"logits", storiesF32, "--tokens", "[1,2"}, 2},
		{"more threads than there can be", []string{"run", storiesF32, "-p", "x", "--threads", "65"}, 2},
		{"temperature that is no number", []string{"run", storiesF32, "-p", "x", "--temp", "NaN"}, 2},
		{"temperature that is no float32", []string{"run", storiesF32, "-p", "x", "--temp", "1e300"}, 2},
		{"share below 0", []string{"run", storiesF32, "-p", "x", "--top-p", "-3"}, 2},
		{"penalty that is no number", []string{"run", storiesF32, "-p", "x", "--presence-penalty", "NaN"}, 2},
		{"scale without end", []string{"run", storiesF32, "-p", "x", "--adapter", "a.gguf=-Inf"}, 2},
		{"adapter with an empty scale", []string{"run", storiesF32, "-p", "x", "--adapter", "a.gguf="}, 2},
		{"context that wraps to one", []string{"run", storiesF32, "-p", "x", "--ctx", "4294967297", "--executor", "reference"}, 1},
		{"nothing to measure", []string{"bench", storiesF32, "--decode", "0"}, 2},
		{"threshold that is no number", []string{"eval", "x.jsonl", "--model", storiesF32, "--server", storiesF32, "--threshold", "NaN"}, 2},
		{"no task", []string{"eval", os.DevNull, "--model", storiesF32}, 1},
		{"pool of fewer than none", []string{"pool", "train", storiesF32, "--data", notAModel, "--out", "x", "--adapters", "-1"}, 2},
		{"rank that no machine holds", []string{"pool", "train", storiesF32, "--data", notAModel, "--out", "x", "--rank", "100000000"}, 2},
		{"rate that is no number", []string{"pool", "train", storiesF32, "--data", notAModel, "--out", "x", "--rate", "NaN"}, 2},
		{"samples without a model", []string{"pool", "blend", "../../testdata/pool", "--out", "x", "--samples", notAModel}, 2},
		{"offload without a verb", []string{"offload"}, 2},
		{"verb of offload there is not", []string{"offload", "route"}, 2},
		{"pool without samples", []string{"offload", "score", storiesF32, os.DevNull, "--pool", "x"}, 2},
		{"no tokens to answer with", []string{"offload", "score", storiesF32, os.DevNull, "-n", "0"}, 2},
		{"scope by a confidence", []string{"offload", "score", storiesF32, os.DevNull, "--scope", "margin"}, 2},
		{"confidence by a scope", []string{"offload", "score", storiesF32, os.DevNull, "--confidence", "nearest"}, 2},
		{"confidence that comes early", []string{"offload", "score", storiesF32, os.DevNull, "--confidence", "early"}, 2},
		{"scores by no method", []string{"offload", "score", storiesF32, os.DevNull, "--score", "best"}, 2},
		{"queries that are not there", []string{"offload", "score", storiesF32, "none.jsonl"}, 1},
		{"scope that is no cosine", []string{"offload", "calibrate", os.DevNull, "--budget", "0.5", "--scope", "NaN"}, 2},
		{"missing file", []string{"inspect", "nowhere.gguf"}, 1},
		{"not a model", []string{"inspect", notAModel}, 1},
		{"not a model to run", []string{"run", notAModel, "-p", "x", "--executor", "reference"}, 1},
		{"token outside the vocabulary", []string{"logits", storiesF32, "--tokens", "512", "--executor", "reference"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := runPastel(t, "", tt.args...)
			if code != tt.want {
				t.Errorf("pastel %q exits with %d, want %d (%s)", tt.args, code, tt.want, stderr)
			}
			if tt.want == 0 && (stdout == "" || stderr != "") {
				t.Errorf("pastel %q prints %q and %q, want help", tt.args, stdout, stderr)
			}
			if tt.want != 0 && (stdout != "" || strings.Count(stderr, "\n") != 1) {
				t.Errorf("pastel %q prints %q and %q, want one line of error", tt.args, stdout, stderr)
			}
		})
	}
}

const story = ", there was a little girl named Lily. She loved to play outsid"

func TestRun(t *testing.T) {
	for _, executor := range executorsOf {
		// The model stands between the flags: their order is free.
		code, stdout, stderr := runPastel(t, "", "run", "--temp", "0", storiesF32, "-p", "Once upon a time", "-n", "20", "--executor", executor)
		if code != 0 || stdout != story+"\n" || !strings.Contains(stderr, "tok/s") {
			t.Errorf("%s: run exits with %d and prints %q, %q", executor, code, stdout, stderr)
		}
		code, stdout, _ = runPastel(t, "", "run", storiesF32, "-p", "Once upon a time", "-n", "20", "--temp", "0", "--json", "--executor", executor)
		var result runResult
		if err := json.Unmarshal([]byte(stdout), &result); err != nil || code != 0 {
			t.Fatalf("%s: run --json exits with %d and prints %q: %v", executor, code, stdout, err)
		}
		if result.Text != story || len(result.Tokens) != 20 || result.PromptTokens != 5 || result.FinishReason != "length" || result.Timings.DecodeTokPS <= 0 {
			t.Errorf("%s: run --json = %+v", executor, result)
		}
	}
}

// TestChoices: several answers are those of their seeds alone, likeliest first,
// and compute the prompt once.
func TestChoices(t *testing.T) {
	run := func(args ...string) (all []runResult) {
		args = append([]string{"run", storiesF32, "-p", "Once upon a time", "-n", "12", "--temp", "1.5", "--json", "--executor", "reference"}, args...)
		code, stdout, stderr := runPastel(t, "", args...)
		decoder := json.NewDecoder(strings.NewReader(stdout))
		for decoder.More() {
			var r runResult
			if err := decoder.Decode(&r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if code != 0 || len(all) == 0 {
			t.Fatalf("%q exits with %d: %s", args, code, stderr)
		}
		return all
	}
	all := run("--seed", "7", "--choices", "3")
	if len(all) != 3 {
		t.Fatalf("%d choices, want 3", len(all))
	}
	for i, r := range all {
		if i > 0 && r.Logprob > all[i-1].Logprob {
			t.Errorf("choice %d is likelier than the one before: %g > %g", i, r.Logprob, all[i-1].Logprob)
		}
		if want := run("--seed", strconv.FormatUint(r.Seed, 10))[0].Text; r.Text != want {
			t.Errorf("seed %d: %q, alone %q", r.Seed, r.Text, want)
		}
		if want := r.PromptTokens - 1; r.Seed != 7 && r.CachedTokens != want {
			t.Errorf("seed %d: %d prompt tokens from the cache, want %d", r.Seed, r.CachedTokens, want)
		}
	}
}

func TestSeed(t *testing.T) {
	run := func(seed string) string {
		_, stdout, _ := runPastel(t, "", "run", storiesF32, "-p", "Once", "-n", "30", "--temp", "1.5", "--seed", seed, "--executor", "reference")
		return stdout
	}
	if a, b := run("7"), run("7"); a != b {
		t.Errorf("seed 7 gives %q and %q", a, b)
	}
	if a, b := run("7"), run("8"); a == b {
		t.Errorf("seeds 7 and 8 both give %q", a)
	}
}

func TestLogits(t *testing.T) {
	for _, executor := range executorsOf {
		_, stdout, stderr := runPastel(t, "", "logits", storiesF32, "--tokens", "1,403", "--executor", executor)
		var last []float32
		if err := json.Unmarshal([]byte(stdout), &last); err != nil || len(last) != 512 {
			t.Fatalf("%s: logits: %d values, %v (%s)", executor, len(last), err, stderr)
		}
		_, stdout, _ = runPastel(t, "", "logits", "--all", "--tokens", "1,403", storiesF32, "--executor", executor)
		var all [][]float32
		if err := json.Unmarshal([]byte(stdout), &all); err != nil || len(all) != 2 {
			t.Fatalf("%s: logits --all: %d rows, %v", executor, len(all), err)
		}
		// One row of the pass and two of it: the same up to rounding.
		for i := range last {
			if d := last[i] - all[1][i]; d > 1e-4 || d < -1e-4 {
				t.Errorf("%s: logit %d: %v alone, %v with --all", executor, i, last[i], all[1][i])
			}
		}
	}
}

// TestInterruptedInput: who waits for a person at the terminal ends when that is asked.
func TestInterruptedInput(t *testing.T) {
	terminal, typing := io.Pipe()
	defer typing.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, command := range []string{"tokenize", "detokenize", "embed", "render"} {
		if code := dispatch(ctx, env{terminal, io.Discard, io.Discard}, []string{command, notAModel}); code != 1 {
			t.Errorf("%s exits with %d, want 1", command, code)
		}
	}
}

// TestTokenizeInverse: detokenize undoes tokenize, special tokens or not.
func TestTokenizeInverse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		flags      []string
		wantBOS    bool
	}{
		{"plain", "Once upon a time", nil, true},
		{"without BOS", "Once upon a time", []string{"--no-bos"}, false},
		{"not ASCII", "naïve 🙂\n\ttabs", nil, true},
		{"looks special", "<s> is text", []string{"--no-special"}, true},
		{"empty", "", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"tokenize", storiesF32, "--executor", "reference"}, tt.flags...)
			_, ids, stderr := runPastel(t, tt.text, args...)
			if hasBOS := strings.HasPrefix(ids, "[1,") || ids == "[1]\n"; hasBOS != tt.wantBOS {
				t.Errorf("ids %q (%s), want BOS: %v", ids, stderr, tt.wantBOS)
			}
			_, text, _ := runPastel(t, ids, "detokenize", storiesF32, "--executor", "reference")
			if text != tt.text {
				t.Errorf("detokenize(tokenize(%q)) = %q", tt.text, text)
			}
		})
	}
}

// TestVocabulary: a file that has a tokenizer and no tensors serves as the model does.
func TestVocabulary(t *testing.T) {
	header, err := readHeader(storiesF32)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vocab.gguf")
	var file bytes.Buffer
	if err := gguf.Write(&file, &gguf.File{Metadata: header.Metadata}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = "<s>Once upon a time 🙂"
	for _, flags := range [][]string{nil, {"--no-bos"}, {"--no-special"}} {
		_, want, _ := runPastel(t, text, append([]string{"tokenize", storiesF32, "--executor", "reference"}, flags...)...)
		code, got, stderr := runPastel(t, text, append([]string{"tokenize", path}, flags...)...)
		if code != 0 || got != want || want == "" {
			t.Errorf("tokenize %q = %s (%s), with the model %s", flags, got, stderr, want)
		}
	}
	_, ids, _ := runPastel(t, text, "tokenize", path)
	for _, flags := range [][]string{nil, {"--special"}} {
		_, want, _ := runPastel(t, ids, append([]string{"detokenize", storiesF32, "--executor", "reference"}, flags...)...)
		if code, got, stderr := runPastel(t, ids, append([]string{"detokenize", path}, flags...)...); code != 0 || got != want || want == "" {
			t.Errorf("detokenize %q = %q (%s), with the model %q", flags, got, stderr, want)
		}
	}
}

// inspected is the part of inspect's output that the tests look at.
type inspected struct {
	Version  uint32
	Metadata map[string]any
	Tensors  []struct{ Type string }
}

// TestInspectNaN: numbers that JSON has no form for are null.
func TestInspectNaN(t *testing.T) {
	f := gguf.File{}
	f.Metadata.Set("nan", float32(math.NaN()))
	f.Metadata.Set("inf", math.Inf(-1))
	f.Metadata.Set("some", []float32{1, float32(math.Inf(1))})
	path := filepath.Join(t.TempDir(), "nan.gguf")
	var file bytes.Buffer
	if err := gguf.Write(&file, &f, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runPastel(t, "", "inspect", path)
	var got inspected
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
		t.Fatalf("inspect exits with %d: %v (%s)", code, err, stderr)
	}
	want := map[string]any{"nan": nil, "inf": nil, "some": []any{1.0, nil}}
	for key, v := range want {
		if !reflect.DeepEqual(got.Metadata[key], v) {
			t.Errorf("%s = %v, want %v", key, got.Metadata[key], v)
		}
	}
}

func TestInspect(t *testing.T) {
	_, stdout, _ := runPastel(t, "", "inspect", storiesF32)
	var got inspected
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 3 || got.Metadata["general.architecture"] != "llama" || len(got.Tensors) == 0 || got.Tensors[0].Type != "F32" {
		t.Errorf("inspect = version %d, architecture %v, %d tensors", got.Version, got.Metadata["general.architecture"], len(got.Tensors))
	}
}

func TestAdapterFlag(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     adapterFlag
	}{
		{"no scale", "a.gguf", adapterFlag{"a.gguf", 1}},
		{"scale", "a.gguf=0.5", adapterFlag{"a.gguf", 0.5}},
		{"negative scale", "a.gguf=-1", adapterFlag{"a.gguf", -1}},
		{"equals in the name", "x=y/a.gguf", adapterFlag{"x=y/a.gguf", 1}},
		{"equals in the name and a scale", "x=y/a.gguf=2", adapterFlag{"x=y/a.gguf", 2}},
	} {
		var got adapterFlags
		if err := got.Set(tt.in); err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: Set(%q) = %v, %v, want %v", tt.name, tt.in, got, err, tt.want)
		}
	}
}
