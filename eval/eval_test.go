package eval

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// Intervals from Wilson's formula worked out by hand for 0 and n of n, and from
// Brown, Cai & DasGupta 2001 for a middle case.
func TestWilson(t *testing.T) {
	for _, tt := range []struct {
		right, n  int
		low, high float64
	}{
		{0, 0, 0, 1},
		{0, 10, 0, 0.27754},
		{10, 10, 0.72246, 1},
		{5, 10, 0.23659, 0.76341},
		{81, 263, 0.25529, 0.36619},
	} {
		low, high := Wilson(tt.right, tt.n)
		if math.Abs(low-tt.low) > 1e-4 || math.Abs(high-tt.high) > 1e-4 {
			t.Errorf("Wilson(%d, %d) = %.5f, %.5f, want %.5f, %.5f", tt.right, tt.n, low, high, tt.low, tt.high)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, tt := range []struct{ a, b string }{{" False.", "false"}, {"( [ ] )", "( [ ] )"}, {"two  words\n", "Two words"}} {
		if plain(tt.a) != plain(tt.b) {
			t.Errorf("%q and %q are %q and %q", tt.a, tt.b, plain(tt.a), plain(tt.b))
		}
	}
	if plain("([)]") == plain("[()]") {
		t.Error("brackets do not count")
	}
}

func TestListed(t *testing.T) {
	task := Task{Prompt: "Why?", Choices: []string{"so", " because"}}
	if got, want := task.listed(), "Why?\nA. so\nB. because\nAnswer:"; got != want {
		t.Errorf("listed() = %q, want %q", got, want)
	}
}

// storyModel is the tiny story model in this process.
func storyModel(t *testing.T) *HostModel {
	t.Helper()
	return hostModel(t, host.Options{Reference: true}, "../testdata/models/stories260K.gguf")
}

// hostModel loads a model into an engine that lives as long as the test.
func hostModel(t *testing.T, options host.Options, path string) *HostModel {
	t.Helper()
	ctx := context.Background()
	e, err := host.New(ctx, options)
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

// TestLogProbs compares with the softmax, in float64, of logits asked for one by one.
func TestLogProbs(t *testing.T) {
	m, ctx := storyModel(t), context.Background()
	got, err := m.LogProbs(ctx, "Once upon a", " time, there was")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := m.tokenize(ctx, "Once upon a time, there was")
	if err != nil {
		t.Fatal(err)
	}
	var want []float64
	for i := len(ids) - len(got); i < len(ids); i++ {
		rows, err := m.engine.Logits(ctx, &protocol.Logits{Session: m.session, Tokens: ids[:i]})
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for _, v := range rows[0] {
			total += math.Exp(float64(v))
		}
		want = append(want, float64(rows[0][ids[i]])-math.Log(total))
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 1e-3 {
			t.Errorf("token %d: log p = %.5f, want %.5f", i, got[i], want[i])
		}
	}
	if len(got) == 0 || len(got) >= len(ids) {
		t.Errorf("%d log-probabilities of %d tokens", len(got), len(ids))
	}
}

// story are tasks a model of stories gets right.
var story = []Task{
	{ID: "1", Set: "choice", Prompt: "Once upon a", Choices: []string{"banana", "time"}, Gold: 1},
	{ID: "2", Set: "choice", Contexts: []string{"She was very big and", "Once upon a"}, Continuation: "time, there was a little girl", Gold: 1},
	{ID: "3", Set: "exact", Prompt: "Once upon a time, there was a little girl named", Target: "Lily"},
	{ID: "4", Set: "text", Prompt: "Once upon a time, there was a little girl named Lily."},
}

func TestGrade(t *testing.T) {
	m, ctx := storyModel(t), context.Background()
	for _, method := range []Method{LogLikelihood, Normalised} {
		for _, task := range story[:2] {
			a, err := Grade(ctx, m, &task, method)
			if err != nil || !a.Right || a.Confidence <= 0.5 || a.Confidence > 1 {
				t.Errorf("%s, task %s: %+v, %v", method, task.ID, a, err)
			}
		}
	}
	if a, err := Grade(ctx, m, &story[0], Letter); err != nil || a.Choice < 0 || a.Choice > 1 {
		t.Errorf("letter: %+v, %v", a, err)
	}
	if a, err := Grade(ctx, m, &story[2], Normalised); err != nil || !strings.HasPrefix(a.Text, " Lily.") {
		t.Errorf("exact: %+v, %v", a, err)
	}
	a, err := Grade(ctx, m, &story[3], Normalised)
	if perplexity := math.Exp(a.NLL / float64(a.Tokens)); err != nil || perplexity < 1 || perplexity > 3 {
		t.Errorf("perplexity of a story = %.2f, %v", perplexity, err)
	}
}

// A failing model answers n questions and then no more.
type failing struct {
	Model
	left int
}

var errSpent = errors.New("spent")

func (f *failing) LogProbs(ctx context.Context, prompt, continuation string) ([]float64, error) {
	if f.left--; f.left < 0 {
		return nil, errSpent
	}
	return f.Model.LogProbs(ctx, prompt, continuation)
}

// TestResume stops a run in the middle, cuts its last line, and goes on.
func TestResume(t *testing.T) {
	m, ctx := storyModel(t), context.Background()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	tasks := []Task{story[0], story[1], story[3]}
	first := Run{Device: On(&failing{m, 4}), Method: LogLikelihood, Results: path}
	if records, err := first.Do(ctx, tasks); !errors.Is(err, errSpent) || len(records) != 2 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	appendTo(t, path, `{"id":"4","set":"te`)
	calls := &failing{m, 1}
	var seen []int
	second := Run{Device: On(calls), Method: LogLikelihood, Results: path, Progress: func(done, _, _ int) { seen = append(seen, done) }}
	records, err := second.Do(ctx, tasks)
	if err != nil || len(records) != 3 || calls.left != 0 || !slices.Equal(seen, []int{1, 2, 3}) {
		t.Fatalf("%d records, %v, %d calls left, progress %v", len(records), err, calls.left, seen)
	}
	// Nothing is left to do; another method does all choices anew.
	if _, err := (&Run{Device: On(&failing{m, 0}), Method: LogLikelihood, Results: path}).Do(ctx, tasks); err != nil {
		t.Error(err)
	}
	if _, err := (&Run{Device: On(&failing{m, 0}), Method: Normalised, Results: path}).Do(ctx, tasks); !errors.Is(err, errSpent) {
		t.Errorf("records of another method were taken: %v", err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestHybrid: four questions, of which the device gets the confident two right.
func TestHybrid(t *testing.T) {
	var records []Record
	for i, right := range []bool{true, true, false, false} {
		records = append(records, Record{
			ID: string(rune('a' + i)), Set: "s", Kind: Choice, Seconds: 1,
			Device: Answer{Right: right, Confidence: 1 - float64(i)/10}, Server: &Answer{Right: true},
		})
	}
	got, err := Hybrid(records)
	for _, line := range []string{"| 0% | 50.0% | 50.0% | 50.0% |", "| 25% | 75.0% | 62.5% | 75.0% |", "| 50% | 100.0% | 75.0% | 100.0% |", "| 100% | 100.0% | 100.0% | 100.0% |"} {
		if err != nil || !strings.Contains(got, line) {
			t.Errorf("%v: no line %s in\n%s", err, line, got)
		}
	}
	checkSplits(t, records)
	rows := Rows(append(records, Record{ID: "t", Set: "text", Kind: Perplexity, Device: Answer{NLL: math.Log(4), Tokens: 2}}))
	if len(rows) != 3 || rows[0].N != 4 || rows[0].Right != 2 || rows[0].Seconds != 4 || math.Abs(rows[1].Perplexity-2) > 1e-12 || rows[2].Set != "all" {
		t.Errorf("rows = %+v", rows)
	}
}

// checkSplits: of four questions with confidences 1, 0.9, 0.8 and 0.7, the device has
// the first two right and the server all.
func checkSplits(t *testing.T, records []Record) {
	t.Helper()
	for _, tt := range []struct {
		name         string
		split        func() (Split, error)
		right        int
		usage, secs  float64
		lowest, most float64 // the threshold lies between
	}{
		{"nothing is below 0", func() (Split, error) { return SplitAt(records, 0) }, 2, 0, 4, 0, 0},
		{"one is below 0.75", func() (Split, error) { return SplitAt(records, 0.75) }, 3, 0.25, 4, 0.75, 0.75},
		{"half", func() (Split, error) { return SplitBudget(records, 0.5) }, 4, 0.5, 4, 0.7, 0.9},
		{"all", func() (Split, error) { return SplitBudget(records, 1) }, 4, 1, 4, 1, math.MaxFloat64},
	} {
		s, err := tt.split()
		if err != nil || s.Right != tt.right || s.Usage != tt.usage || s.Seconds != tt.secs || s.Threshold < tt.lowest || s.Threshold > tt.most || s.N != 4 {
			t.Errorf("%s: %+v, %v", tt.name, s, err)
		}
	}
	if _, err := SplitAt([]Record{{ID: "x", Kind: Choice}}, 0.5); err == nil {
		t.Error("a split without a server's answer")
	}
}
