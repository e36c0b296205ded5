package browser

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/wasm/bundle"
	"pastel/web/build"
)

// boundarySite serves the boundary's test page with what it fetches.
func boundarySite(t *testing.T, isolated bool) *site {
	t.Helper()
	const web = "../../web/"
	files, err := build.Scripts(api.FormatESModule, nil, web+"test/boundary.page.ts", web+"src/worker.ts")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string][]byte{
		"/golden.bin": readTestdata(t, "protocol/golden.bin"), "/golden.json": readTestdata(t, "protocol/golden.json"),
		"/model.gguf": readTestdata(t, "models/stories260K.gguf"), "/garbage.gguf": []byte("GGUFno"),
		"/model-f16.gguf": readTestdata(t, "models/stories260K-F16.gguf"),
	}
	for name, content := range files {
		served["/"+name] = content
	}
	for _, name := range []string{bundle.Engine, bundle.KernelsSIMD128, bundle.KernelsRelaxed} {
		if served["/"+name], err = bundle.Read(name); err != nil {
			t.Fatal(err)
		}
	}
	s := serveSite(t, "/boundary.page.js", served)
	if isolated {
		s.Config.Handler = isolate(s.Config.Handler)
	}
	return s
}

// isolate sends the headers that give a page threads.
func isolate(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.ServeHTTP(w, r)
	})
}

// TestProtocolGolden: protocol.ts reads and writes the bytes that package protocol does.
func TestProtocolGolden(t *testing.T) {
	tb := openTab(t, boundarySite(t, false).URL)
	var wrong []string
	tb.eval("golden().then((wrong) => [...wrong, ...lengths()])", &wrong)
	for _, w := range wrong {
		t.Error(w)
	}
}

// gold is a line of testdata/gold-llamacpp: what llama.cpp computed.
type gold struct {
	Prompt    string   `json:"prompt"`
	PromptIDs []uint32 `json:"prompt_ids"`
	NVocab    int      `json:"n_vocab"`
	GreedyIDs []uint32 `json:"greedy_ids"`
}

func readGold(t *testing.T, name string) (g gold, logits []float32) {
	t.Helper()
	lines := bytes.SplitN(readTestdata(t, "gold-llamacpp/"+name+".jsonl"), []byte("\n"), 2)
	if err := json.Unmarshal(lines[0], &g); err != nil {
		t.Fatal(err)
	}
	raw := readTestdata(t, "gold-llamacpp/"+name+".p1.logits.f32")
	logits = make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, logits); err != nil {
		t.Fatal(err)
	}
	return g, logits
}

// A reply is what the worker posts last for a request.
type reply struct {
	Reply struct {
		Type         string    `json:"type"`
		Code         string    `json:"code"`
		Message      string    `json:"message"`
		Session      uint32    `json:"session"`
		Values       []float32 `json:"values"`
		Tokens       []uint32  `json:"tokens"`
		Threads      int       `json:"threads"`
		FinishReason string    `json:"finishReason"`
	} `json:"reply"`
}

func (tb *tab) ask(t *testing.T, expression, wantType string) reply {
	t.Helper()
	var r reply
	tb.eval(expression, &r)
	if r.Reply.Type != wantType {
		t.Fatalf("%.80s: reply %q (%s %s), want %q", expression, r.Reply.Type, r.Reply.Code, r.Reply.Message, wantType)
	}
	return r
}

// TestEngineEqualsLlamaCpp: in Chromium, with one thread and with two, the logits of a
// float32 model are llama.cpp's to 1e-3, of a float16 one to 5e-2, and the greedy tokens
// are the same.
func TestEngineEqualsLlamaCpp(t *testing.T) {
	for _, tt := range []struct {
		path, gold string
		bound      float64
	}{{"/model.gguf", "stories260K-f32", 1e-3}, {"/model-f16.gguf", "stories260K-F16", 5e-2}} {
		for _, threads := range []int{1, 2} {
			t.Run(tt.gold+"/threads="+strconv.Itoa(threads), func(t *testing.T) { equalsLlamaCpp(t, tt.path, tt.gold, tt.bound, threads) })
		}
	}
}

func equalsLlamaCpp(t *testing.T, path, name string, bound float64, threads int) {
	want, wantLogits := readGold(t, name)
	ids, _ := json.Marshal(want.PromptIDs)
	tb := openTab(t, boundarySite(t, threads > 1).URL)
	var started struct {
		State struct {
			Flavour string
			Threads int
			StartMs float64
		}
	}
	tb.eval("start("+strconv.Itoa(threads)+")", &started)
	t.Logf("%+v", started.State)
	if started.State.Threads != threads {
		t.Errorf("runs with %d threads, want %d", started.State.Threads, threads)
	}
	tb.ask(t, `load("`+path+`")`, "modelInfo")
	session := tb.ask(t, `ask({type: "call", request: {type: "openSession", contextLength: 256, kvType: "F32", logitRows: 3}})`, "sessionInfo").Reply.Session
	logits := tb.ask(t, `ask({type: "call", request: {type: "logits", session: `+strconv.Itoa(int(session))+`, tokens: `+string(ids)+`, all: true, adapters: []}})`, "logitsReply").Reply.Values
	compareLogits(t, logits, wantLogits, bound)
	n := min(80, len(want.GreedyIDs))
	if got := tb.greedy(t, session, string(ids), n); !slices.Equal(got, want.GreedyIDs[:n]) {
		t.Errorf("greedy tokens = %v, want %v", got, want.GreedyIDs[:n])
	}
	stats := tb.ask(t, `ask({type: "call", request: {type: "stats"}})`, "statsReply")
	if stats.Reply.Threads != threads {
		t.Errorf("%d threads joined, want %d", stats.Reply.Threads, threads)
	}
}

// compareLogits reports the worst difference above the bound.
func compareLogits(t *testing.T, got, want []float32, bound float64) {
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

// generateRequest is a greedy request of n tokens.
func generateRequest(session uint32, ids string, n int) string {
	return `{type: "generate", request: {type: "generate", session: ` + strconv.Itoa(int(session)) + `, prompt: "", tokens: ` + ids + `,
		addSpecial: false, parseSpecial: false, maxTokens: ` + strconv.Itoa(n) + `, temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, stop: [],
		ignoreEOS: false, adapters: [], logprobs: false, topLogprobs: 0, typicalP: 0, repeatPenalty: 0, presencePenalty: 0, frequencyPenalty: 0,
		repeatLastN: 0, logitBias: []}}`
}

func (tb *tab) greedy(t *testing.T, session uint32, ids string, n int) (tokens []uint32) {
	t.Helper()
	done := tb.ask(t, "ask("+generateRequest(session, ids, n)+")", "done")
	if done.Reply.FinishReason != "length" {
		t.Errorf("finish reason %q, want length", done.Reply.FinishReason)
	}
	tb.eval(`events.filter(e => e.type === "event" && e.event.type === "chunk").map(e => e.event.token)`, &tokens)
	return tokens
}

// TestEngineSurvives: errors leave the worker working.
func TestEngineSurvives(t *testing.T) {
	tb := openTab(t, boundarySite(t, false).URL)
	tb.eval("start(1)", nil)
	noModel := tb.ask(t, `ask({type: "call", request: {type: "info"}})`, "error")
	if noModel.Reply.Code != "ERR_BAD_REQUEST" {
		t.Errorf("info without a model: %s, want ERR_BAD_REQUEST", noModel.Reply.Code)
	}
	if bad := tb.ask(t, `load("/garbage.gguf")`, "error"); bad.Reply.Code != "ERR_BAD_FILE" {
		t.Errorf("garbage: %s, want ERR_BAD_FILE", bad.Reply.Code)
	}
	tb.ask(t, `load("/model.gguf")`, "modelInfo")
	tokens := tb.ask(t, `ask({type: "call", request: {type: "tokenize", text: "Once upon a time", addSpecial: true, parseSpecial: false}})`, "tokens")
	if want := []uint32{1, 403, 407, 261, 378}; !slices.Equal(tokens.Reply.Tokens, want) {
		t.Errorf("tokens = %v, want %v", tokens.Reply.Tokens, want)
	}
}
