package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pastel/fault"
	"pastel/wasm/protocol"
)

const testdata = "../../testdata"

// cache keeps compiled modules for all tests of one run.
var cache = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "pastel-host-")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(cache())
	os.Exit(code)
}

// executors are the ways an engine runs.
var executors = []struct {
	name    string
	options Options
}{
	{"reference", Options{Reference: true}},
	{"wasm, one thread", Options{Threads: 1}},
	{"wasm, two threads", Options{Threads: 2}},
	{"wasm, more threads than cores", Options{Threads: 5}},
}

// start makes an engine and loads a model of testdata into it.
func start(t testing.TB, o Options, model string) *Engine {
	t.Helper()
	o.CacheDir = cache()
	e, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	load(t, e, model)
	return e
}

func load(t testing.TB, e *Engine, model string) *protocol.ModelInfo {
	t.Helper()
	files, closeFiles, err := OpenFiles(filepath.Join(testdata, "models", model))
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	info, err := e.LoadModel(t.Context(), files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func open(t testing.TB, e *Engine, kvType string) uint32 {
	t.Helper()
	s, err := e.OpenSession(t.Context(), &protocol.OpenSession{ContextLength: 256, KVType: kvType, LogitRows: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s.Session
}

// gold is what llama.cpp computed. Shapes: logits [len(PromptIDs), vocab].
type gold struct {
	PromptIDs []uint32 `json:"prompt_ids"`
	GreedyIDs []uint32 `json:"greedy_ids"`
	Greedy    string   `json:"greedy_text"`
	logits    []float32
}

func readGold(t testing.TB, name string) (g gold) {
	t.Helper()
	read := func(suffix string) []byte {
		b, err := os.ReadFile(filepath.Join(testdata, "gold-llamacpp", name+suffix))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	line, _, _ := bytes.Cut(read(".jsonl"), []byte("\n"))
	if err := json.Unmarshal(line, &g); err != nil {
		t.Fatal(err)
	}
	raw := read(".p1.logits.f32")
	g.logits = make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, g.logits); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestEqualsLlamaCpp: every executor computes llama.cpp's logits and greedy tokens. The
// bounds are the project's: 1e-3 for float32; 5e-2 for F16, whose rounding both share.
func TestEqualsLlamaCpp(t *testing.T) {
	for _, x := range executors {
		for _, m := range []struct {
			model, gold string
			bound       float64
		}{
			{"stories260K.gguf", "stories260K-f32", 1e-3},
			{"stories260K-F16.gguf", "stories260K-F16", 5e-2},
			{"TinyStories-656K-f32.gguf", "TinyStories-656K-f32", 1e-3},
		} {
			t.Run(x.name+"/"+m.gold, func(t *testing.T) {
				want := readGold(t, m.gold)
				e := start(t, x.options, m.model)
				session := open(t, e, "F32")
				rows, err := e.Logits(t.Context(), &protocol.Logits{Session: session, Tokens: want.PromptIDs, All: true})
				if err != nil {
					t.Fatal(err)
				}
				compare(t, slices.Concat(rows...), want.logits, m.bound)
				tokens, text, done := generate(t, e, greedy(session, want.PromptIDs, len(want.GreedyIDs)))
				if !slices.Equal(tokens, want.GreedyIDs) || !strings.HasPrefix(want.Greedy, text) && text != want.Greedy {
					t.Errorf("greedy = %v %q, want %v %q", tokens, text, want.GreedyIDs, want.Greedy)
				}
				if done.PromptTokens != uint32(len(want.PromptIDs)) || done.CompletionTokens != uint32(len(tokens)) {
					t.Errorf("usage = %+v", done)
				}
			})
		}
	}
}

func compare(t *testing.T, got, want []float32, bound float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d logits, want %d", len(got), len(want))
	}
	worst, at := 0.0, 0
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= worst) {
			worst, at = d, i
		}
	}
	t.Logf("worst |Δlogit| %.2g", worst)
	if !(worst <= bound) {
		t.Errorf("logit %d = %v, want %v (|Δ| %g, bound %g)", at, got[at], want[at], worst, bound)
	}
}

func greedy(session uint32, prompt []uint32, n int) *protocol.Generate {
	return &protocol.Generate{Session: session, Tokens: prompt, MaxTokens: uint32(n)}
}

func generate(t *testing.T, e *Engine, request *protocol.Generate) (tokens []uint32, text string, done *protocol.Done) {
	t.Helper()
	done, err := e.Generate(t.Context(), request, func(m protocol.Message) error {
		if c, ok := m.(*protocol.Chunk); ok {
			tokens = append(tokens, c.Token)
			text += c.Text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens, text + done.Text, done
}

// TestHelpersJoin: wazero runs the kernels of several goroutines on one shared memory.
func TestHelpersJoin(t *testing.T) {
	e := start(t, Options{Threads: 3}, "stories260K.gguf")
	deadline := time.Now().Add(10 * time.Second)
	for {
		m, err := e.Call(t.Context(), &protocol.Stats{})
		if err != nil {
			t.Fatal(err)
		}
		if n := m.(*protocol.StatsReply).Threads; n == 3 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d threads joined after 10 s, want 3", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestMaxThreads: more threads than the control block has scratch for are refused.
func TestMaxThreads(t *testing.T) {
	if _, err := New(t.Context(), Options{Threads: MaxThreads + 1}); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
		t.Errorf("%d threads: %v", MaxThreads+1, err)
	}
}

// TestGenerateStops: the end of a context, and an error of the caller's, end a
// generation within a step and leave the session usable.
func TestGenerateStops(t *testing.T) {
	for _, x := range executors[:2] {
		t.Run(x.name, func(t *testing.T) {
			e := start(t, x.options, "stories260K.gguf")
			request := greedy(open(t, e, ""), []uint32{1, 403, 407}, 100)
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			done, err := e.Generate(ctx, request, func(protocol.Message) error {
				if n++; n == 3 {
					cancel()
				}
				return nil
			})
			if !errors.Is(err, fault.Sentinel(fault.Aborted)) || done == nil || done.FinishReason != "abort" || n != 3 {
				t.Errorf("after 3 of its tokens: %+v, %v, %d events", done, err, n)
			}
			enough := errors.New("enough")
			if _, err := e.Generate(t.Context(), request, func(protocol.Message) error { return enough }); err != enough {
				t.Errorf("Generate = %v, want the callback's error", err)
			}
			if tokens, _, _ := generate(t, e, request); len(tokens) != 100 {
				t.Errorf("%d tokens afterwards, want 100", len(tokens))
			}
		})
	}
}

// TestErrors: bad requests and files are errors with a code, and the engine goes on.
func TestErrors(t *testing.T) {
	e := start(t, Options{Threads: 2}, "stories260K.gguf")
	session := open(t, e, "")
	for _, tt := range []struct {
		name    string
		request protocol.Message
		want    fault.Code
	}{
		{"session that is not there", &protocol.Truncate{Session: 99}, fault.BadRequest},
		{"cache type that is not there", &protocol.OpenSession{KVType: "Q3"}, fault.BadRequest},
		{"token outside the vocabulary", greedy(session, []uint32{1, 512}, 1), fault.BadRequest},
		{"token past 2^31", &protocol.Logits{Session: session, Tokens: []uint32{1 << 31}}, fault.BadRequest},
		{"prompt longer than the context", greedy(session, make([]uint32, 257), 1), fault.Context},
		{"adapter that is not there", &protocol.Logits{Session: session, Tokens: []uint32{1}, Adapters: []protocol.Adapter{{ID: "x"}}}, fault.BadRequest},
		{"finish without a stream", &protocol.Finish{}, fault.BadRequest},
		{"a stream of no files", &protocol.Open{Kind: "model"}, fault.BadRequest},
		{"a stream of an unknown kind", &protocol.Open{Kind: "dream", Files: []protocol.File{{Size: 1}}}, fault.BadRequest},
		{"a reply", &protocol.Done{}, protocol.BadMessage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := e.Call(t.Context(), tt.request); fault.CodeOf(err) != tt.want {
				t.Errorf("Call(%T) = %v, %v, want %s", tt.request, m, err, tt.want)
			}
		})
	}
	if tokens, _, _ := generate(t, e, greedy(session, []uint32{1, 403}, 5)); len(tokens) != 5 {
		t.Errorf("%d tokens afterwards, want 5", len(tokens))
	}
}

// TestBadFiles: a broken file is refused with a code, and a good one loads after it.
func TestBadFiles(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(testdata, "models/stories260K.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, Options{Threads: 1}, "stories260K.gguf")
	for _, tt := range []struct {
		name    string
		content []byte
		size    int
	}{
		{"empty", nil, 0},
		{"garbage", []byte("garbage garbage garbage"), 23},
		{"header cut", good[:5000], 5000},
		{"data cut", good[:len(good)-100], len(good) - 100},
		{"shorter than it says", good[:len(good)-100], len(good)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := File{Name: tt.name, Size: uint64(tt.size), Reader: bytes.NewReader(tt.content)}
			if _, err := e.LoadModel(t.Context(), []File{file}, nil); fault.CodeOf(err) != fault.BadFile {
				t.Errorf("LoadModel = %v, want ERR_BAD_FILE", err)
			}
		})
	}
	if info := load(t, e, "stories260K.gguf"); info.NLayers != 5 || info.VocabSize != 512 || info.Format != "F32" {
		t.Errorf("model afterwards = %+v", info)
	}
}

// TestTrap: an instance that trapped is thrown away, and the next request gets a new one.
func TestTrap(t *testing.T) {
	for _, threads := range []int{1, 2} {
		e := start(t, Options{Threads: threads}, "stories260K.gguf")
		w := e.transport.(*wasmTransport)
		_, err := w.run(t.Context(), func(in *instance) ([]byte, error) {
			return in.request(t.Context(), in.call, 1<<29) // more than its buffer holds: a panic outside every recover
		})
		if fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "slice bounds out of range") {
			t.Errorf("trap = %v, want ERR_INTERNAL with what Go's runtime printed", err)
		}
		if _, err := e.Call(t.Context(), &protocol.Info{}); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("Info after a trap = %v, want that no model is loaded", err)
		}
		load(t, e, "stories260K.gguf")
		if tokens, _, _ := generate(t, e, greedy(open(t, e, ""), []uint32{1, 403}, 5)); len(tokens) != 5 {
			t.Errorf("%d tokens after a trap, want 5", len(tokens))
		}
	}
}

// TestConcurrentSessions: generations of two goroutines take turns and do not mix.
func TestConcurrentSessions(t *testing.T) {
	e := start(t, Options{Threads: 2}, "stories260K.gguf")
	prompts := [][]uint32{{1, 403, 407, 261, 378}, {1, 432, 383}, {1, 286}}
	var want [3][]uint32
	for i, p := range prompts {
		want[i], _, _ = generate(t, e, greedy(open(t, e, ""), p, 40))
	}
	var got [3][]uint32
	var done sync.WaitGroup
	for i, p := range prompts {
		session := open(t, e, "")
		done.Go(func() { got[i], _, _ = generate(t, e, greedy(session, p, 40)) })
	}
	done.Wait()
	for i := range prompts {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("session %d together = %v, alone %v", i, got[i], want[i])
		}
	}
}

func TestShardPaths(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"one file", "m.gguf", []string{"m.gguf"}},
		{"any shard names all", "d/m-00002-of-00003.gguf", []string{"d/m-00001-of-00003.gguf", "d/m-00002-of-00003.gguf", "d/m-00003-of-00003.gguf"}},
		{"not five digits", "m-1-of-3.gguf", []string{"m-1-of-3.gguf"}},
	} {
		if got := shardPaths(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%s: shardPaths(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

// BenchmarkInstantiate is what recovering from a trap costs.
func BenchmarkInstantiate(b *testing.B) {
	e := start(b, Options{Threads: 1}, "stories260K.gguf")
	l := e.transport.(*wasmTransport).linker
	for b.Loop() {
		in, err := l.instantiate(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		if err := in.close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTokenize is what one request and its reply cost.
func BenchmarkTokenize(b *testing.B) {
	for _, x := range executors[:2] {
		b.Run("impl="+x.name, func(b *testing.B) {
			e := start(b, x.options, "stories260K.gguf")
			for b.Loop() {
				if _, err := e.Tokenize(b.Context(), &protocol.Tokenize{Text: "a"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
