package browser

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/engine/gguf"
	"pastel/engine/testmodel"
	"pastel/web/build"
)

// engineFiles are the scripts and modules of a page that runs the engine.
var engineFiles = sync.OnceValues(func() (map[string][]byte, error) {
	const web = "../../web/"
	scripts, err := build.Scripts(api.FormatESModule, nil, web+"test/api.page.ts", web+"src/worker.ts")
	if err != nil {
		return nil, err
	}
	if err := scripts.AddModules(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, content := range scripts {
		files["/"+name] = content
	}
	return files, nil
})

// engineSite serves the engine's test page and the tiny story model at /stories.gguf.
func engineSite(t *testing.T) *site {
	t.Helper()
	files, err := engineFiles()
	if err != nil {
		t.Fatal(err)
	}
	s := serveSite(t, "/api.page.js", files)
	s.mux.Handle("/stories.gguf", &modelFile{content: readTestdata(t, "models/stories260K-F16.gguf"), etag: `"stories"`})
	return s
}

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// outcome is the value, or the error, of a piece of JavaScript.
type outcome[T any] struct {
	Value         T
	Name, Message string
	Code          string
}

func try[T any](tb *tab, body string) (o outcome[T]) {
	tb.t.Helper()
	tb.eval("outcome(async () => { "+body+" })", &o)
	return o
}

// must is try for a body that has to succeed.
func must[T any](tb *tab, body string) T {
	tb.t.Helper()
	o := try[T](tb, body)
	if o.Name != "" {
		tb.t.Fatalf("%s: %s %s: %s", strings.TrimSpace(body), o.Name, o.Code, o.Message)
	}
	return o.Value
}

// makeEngine is JavaScript that makes window.engine with the story model.
const makeEngine = `
	window.events = [];
	window.engine = await pastel.Engine.create({ model: "/stories.gguf", onProgress: (p) => events.push(p) });
`

// story is what llama.cpp continues "Once upon a time" with, greedily (testdata/gold-llamacpp).
const story = ", there was a little girl named Lily. She loved to play outsid"

func TestWebEngineAnswers(t *testing.T) {
	s := engineSite(t)
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	t.Run("load progress", func(t *testing.T) {
		events := must[[]progress](tb, `return events`)
		first, last := map[string]float64{}, map[string]float64{}
		for _, e := range events {
			if _, seen := first[e.Phase]; !seen {
				first[e.Phase] = e.Ratio
			}
			last[e.Phase] = e.Ratio
		}
		for _, phase := range []string{"download", "load"} {
			if first[phase] != 0 || last[phase] != 1 {
				t.Errorf("%s goes from %v to %v, want 0 to 1", phase, first[phase], last[phase])
			}
		}
	})
	t.Run("state", func(t *testing.T) {
		state := must[struct {
			Flavour            string
			Threads            int
			SingleThreadReason string
		}](tb, `return engine.state`)
		if state.Flavour != "relaxed" || state.Threads != 1 || !strings.Contains(state.SingleThreadReason, "COOP") {
			t.Errorf("state = %+v, want relaxed, one thread, for want of COOP and COEP", state)
		}
	})
	t.Run("completion", func(t *testing.T) {
		r := must[completion](tb, `return await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })`)
		if r.Object != "text_completion" || len(r.Choices) != 1 || r.Choices[0].Text != story || r.Choices[0].FinishReason != "length" {
			t.Errorf("completion = %+v, want %q, length", r, story)
		}
		if r.Usage.CompletionTokens != 20 || r.Usage.TotalTokens != r.Usage.PromptTokens+20 || r.XRoute.Where != "local" {
			t.Errorf("usage, route = %+v, %+v", r.Usage, r.XRoute)
		}
	})
	t.Run("completion of token ids", func(t *testing.T) {
		got := must[string](tb, `
			const prompt = await engine.tokenize("Once upon a time", { addSpecial: true });
			return (await engine.completions.create({ prompt, max_tokens: 20, temperature: 0 })).choices[0].text`)
		if got != story {
			t.Errorf("text = %q, want %q", got, story)
		}
	})
	t.Run("streamed completion", func(t *testing.T) {
		got := must[struct {
			Text, Finish string
			Usage        usage
		}](tb, `
			let text = "", finish, usage;
			const params = { prompt: "Once upon a time", max_tokens: 20, temperature: 0, stream: true, stream_options: { include_usage: true } };
			for await (const c of await engine.completions.create(params)) {
				text += c.choices[0]?.text ?? "";
				finish ??= c.choices[0]?.finish_reason;
				usage = c.usage ?? usage;
			}
			return { text, finish, usage };`)
		if got.Text != story || got.Finish != "length" || got.Usage.CompletionTokens != 20 {
			t.Errorf("stream = %+v, want %q", got, story)
		}
	})
	t.Run("chat", func(t *testing.T) {
		got := must[struct {
			Object  string
			Choices []struct {
				Message      struct{ Role, Content string }
				FinishReason string `json:"finish_reason"`
				Logprobs     struct {
					Content []struct {
						Token       string
						Logprob     float64
						TopLogprobs []struct{ Token string } `json:"top_logprobs"`
					}
				}
			}
		}](tb, `return await engine.chat.completions.create({
			messages: [{ role: "user", content: "Once upon a time" }], max_tokens: 20, temperature: 0, logprobs: true, top_logprobs: 2 })`)
		c := got.Choices[0]
		if got.Object != "chat.completion" || c.Message.Role != "assistant" || c.Message.Content != story {
			t.Errorf("chat = %+v, want %q", got, story)
		}
		if n := len(c.Logprobs.Content); n != 20 || c.Logprobs.Content[0].Logprob > 0 || len(c.Logprobs.Content[0].TopLogprobs) != 2 {
			t.Errorf("logprobs of %d tokens: %+v", n, c.Logprobs)
		}
	})
	t.Run("streamed chat", func(t *testing.T) {
		got := must[string](tb, `return await textOf(await engine.chat.completions.create({
			messages: [{ role: "user", content: "Once upon a time" }], max_tokens: 20, temperature: 0, stream: true }))`)
		if got != story {
			t.Errorf("text = %q, want %q", got, story)
		}
	})
	t.Run("stop text", func(t *testing.T) {
		r := must[completion](tb, `return await engine.completions.create({ prompt: "Once upon a time", max_tokens: 50, temperature: 0, stop: [" Lily"] })`)
		if r.Choices[0].Text != ", there was a little girl named" || r.Choices[0].FinishReason != "stop" {
			t.Errorf("completion = %+v", r.Choices[0])
		}
	})
	t.Run("seed", func(t *testing.T) {
		got := must[[]string](tb, `
			const one = async (seed) => (await engine.completions.create({ prompt: "The dog", max_tokens: 30, temperature: 1, seed })).choices[0].text;
			return [await one(7), await one(7), await one(8)];`)
		if got[0] != got[1] || got[0] == got[2] {
			t.Errorf("seeds 7, 7, 8 gave %q", got)
		}
	})
	t.Run("logit bias", func(t *testing.T) {
		got := must[string](tb, `
			const [comma] = (await engine.tokenize("a,")).slice(-1);
			const params = { prompt: "Once upon a time", max_tokens: 20, temperature: 0, logit_bias: { [comma]: -100 } };
			return (await engine.completions.create(params)).choices[0].text`)
		if got == story || strings.Contains(got, ",") {
			t.Errorf("with commas forbidden: %q", got)
		}
	})
	t.Run("prefix reuse", func(t *testing.T) {
		n := must[int](tb, `
			await engine.completions.create({ prompt: "One day a cat saw a bird in a tree.", max_tokens: 1 });
			const r = await engine.completions.create({ prompt: "One day a cat saw a bird in a tree. It", max_tokens: 1 });
			return r.usage.prompt_tokens_details.cached_tokens;`)
		if n == 0 {
			t.Error("a prompt that begins like the last one was computed anew")
		}
	})
	t.Run("tokenize and back", func(t *testing.T) {
		got := must[string](tb, `return await engine.detokenize(await engine.tokenize("Once upon a time"))`)
		if strings.TrimSpace(got) != "Once upon a time" {
			t.Errorf("text = %q", got)
		}
	})
	t.Run("tokenize texts of any length", func(t *testing.T) {
		// 254 bytes fill the first buffer of a message up to its flags; longer ones fill larger buffers.
		got := must[[]int](tb, `
			const wrong = [];
			for (let n = 240; n < 270; n++) if ((await engine.detokenize(await engine.tokenize("a".repeat(n)))).trim().length !== n) wrong.push(n);
			if ((await engine.tokenize("a".repeat(100000))).length === 0) wrong.push(100000);
			return wrong`)
		if len(got) > 0 {
			t.Errorf("texts of %v bytes came back changed", got)
		}
	})
	t.Run("stats", func(t *testing.T) {
		if n := must[float64](tb, `return (await engine.stats()).memoryBytes`); n < 1<<20 {
			t.Errorf("memoryBytes = %v", n)
		}
	})
}

// withTemplate is a model's bytes with a chat template added to its metadata.
func withTemplate(t *testing.T, model []byte, template string) []byte {
	t.Helper()
	f, err := gguf.Read(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]gguf.TensorInfo{}
	for _, info := range f.Tensors {
		old[info.Name] = info
	}
	f.Metadata.Set("tokenizer.chat_template", template)
	var b bytes.Buffer
	err = gguf.Write(&b, f, func(w io.Writer, info gguf.TensorInfo) error {
		at := old[info.Name].Offset
		_, err := w.Write(model[at : at+info.NBytes])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWebChatTemplate(t *testing.T) {
	const template = `{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ opening }} {{ m.content }}{% endif %}{% endfor %}`
	s := engineSite(t)
	s.serve("/template.gguf", withTemplate(t, readTestdata(t, "models/stories260K-F16.gguf"), template))
	s.serve("/broken.gguf", withTemplate(t, readTestdata(t, "models/stories260K-F16.gguf"), `{% for %}`))
	tb := openTab(t, s.URL)
	got := must[struct {
		Text   string
		Tokens int
	}](tb, `
		window.engine = await pastel.Engine.create({ model: "/template.gguf" });
		const r = await engine.chat.completions.create({
			messages: [{ role: "system", content: "ignored" }, { role: "user", content: "a time" }],
			chat_template_kwargs: { opening: "Once upon" }, max_tokens: 20, temperature: 0 });
		return { text: r.choices[0].message.content, tokens: r.usage.prompt_tokens };`)
	plain := must[int](tb, `return (await engine.tokenize("Once upon a time", { addSpecial: true })).length`)
	if got.Text != story || got.Tokens != plain {
		t.Errorf("answer %q after %d tokens, want %q after %d (one begin-of-sequence)", got.Text, got.Tokens, story, plain)
	}
	o := try[any](tb, `await engine.load("/broken.gguf"); await engine.chat.completions.create({ messages: [{ role: "user", content: "a" }] })`)
	if o.Code != "ERR_TEMPLATE" {
		t.Errorf("a broken template: %s %s %q", o.Name, o.Code, o.Message)
	}
}

func TestWebResponseFormat(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	got := must[[]string](tb, `
		const schema = { type: "object", properties: { name: { enum: ["Lily", "Tom"] }, age: { type: "integer" } }, required: ["name", "age"], additionalProperties: false };
		const ask = async (response_format) => (await engine.chat.completions.create({
			messages: [{ role: "user", content: "Once upon a time" }], max_tokens: 1500, seed: 5, temperature: 1, response_format })).choices[0].message.content;
		return [await ask({ type: "json_schema", json_schema: { name: "child", schema } }), await ask({ type: "text" })];`)
	var child struct {
		Name string
		Age  *int
	}
	if err := json.Unmarshal([]byte(got[0]), &child); err != nil || child.Name != "Lily" && child.Name != "Tom" || child.Age == nil {
		t.Errorf("answer in a schema: %q, %v", got[0], err)
	}
	o := try[any](tb, `await engine.chat.completions.create({ messages: [{ role: "user", content: "a" }], response_format: { type: "json_schema", json_schema: { schema: { not: {} } } } })`)
	if o.Code != "ERR_BAD_REQUEST" {
		t.Errorf("a schema beyond the subset: %s %q", o.Code, o.Message)
	}
}

func TestWebEmbeddings(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	got := must[struct{ Same, Near, Far, Length, Raw, Last, Second float64 }](tb, `
		const { data } = await engine.embeddings.create({ input: ["The dog ran in the park.", "The dog ran in the park.", "A dog runs in a park.", "Mom said no!"] });
		const dot = (a, b) => a.embedding.reduce((s, v, i) => s + v * b.embedding[i], 0);
		const of = async (params) => (await engine.embeddings.create({ input: "The dog ran in the park.", ...params })).data[0];
		const [raw, last, second] = [await of({ normalize: false }), await of({ pooling: "last" }), await of({ layer: 1 })];
		return { same: dot(data[0], data[1]), near: dot(data[0], data[2]), far: dot(data[0], data[3]), length: Math.sqrt(dot(data[3], data[3])),
			raw: dot(raw, data[0]) / Math.sqrt(dot(raw, raw)), last: dot(last, data[0]), second: dot(second, data[0]) };`)
	if got.Same < 0.9999 || got.Near < got.Far || got.Length < 0.9999 || got.Length > 1.0001 {
		t.Errorf("embeddings: %+v, want the near text nearer than the far one, length 1", got)
	}
	if got.Raw < 0.9999 || got.Last > 0.9999 || got.Second > 0.9999 {
		t.Errorf("embeddings by other recipes: %+v", got)
	}
	for _, params := range []string{`input: ""`, `input: "a", layer: 5`} {
		if o := try[any](tb, `await engine.embeddings.create({ `+params+` })`); o.Code != "ERR_BAD_REQUEST" {
			t.Errorf("%s: %s %q", params, o.Code, o.Message)
		}
	}
}

func TestWebAdapters(t *testing.T) {
	zoo := testmodel.OpenZoo(t)
	s := engineSite(t)
	s.serve("/base.gguf", testmodel.ReadZoo(t, zoo, "models/llama-plain.F32.gguf"))
	s.serve("/one.gguf", testmodel.ReadZoo(t, zoo, "lora/llama-plain.B-r8.gguf"))
	tb := openTab(t, s.URL)
	got := must[struct {
		Base, Zero, One, Again, Gone string
		Rank                         int
	}](tb, `
		window.engine = await pastel.Engine.create({ model: "/base.gguf" });
		const { rank } = await engine.loadAdapter("one", "/one.gguf");
		const ask = async (lora) => (await engine.completions.create({ prompt: [5, 6, 7, 8], max_tokens: 24, temperature: 0, lora })).choices[0].text;
		const base = await ask(), zero = await ask([{ id: "one", scale: 0 }]), one = await ask([{ id: "one", scale: 1 }]), again = await ask();
		await engine.unloadAdapter("one");
		const gone = await ask([{ id: "one", scale: 1 }]).then(() => "answered", (err) => err.code);
		return { base, zero, one, again, gone, rank };`)
	if got.Base == got.One || got.Base != got.Zero || got.Base != got.Again {
		t.Errorf("base %q, scale 0 %q, scale 1 %q, base again %q", got.Base, got.Zero, got.One, got.Again)
	}
	if got.Rank == 0 || got.Gone != "ERR_BAD_REQUEST" {
		t.Errorf("rank %d; after unloading: %s", got.Rank, got.Gone)
	}
	o := try[any](tb, `await engine.load("/stories.gguf"); await engine.loadAdapter("one", "/one.gguf")`)
	if o.Code != "ERR_LORA_MISMATCH" || o.Name != "LoraMismatchError" {
		t.Errorf("an adapter of another model: %s %s %q", o.Name, o.Code, o.Message)
	}
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

type completion struct {
	Object  string
	Choices []struct {
		Text         string
		FinishReason string `json:"finish_reason"`
	}
	Usage  usage
	XRoute struct{ Where string } `json:"x_route"`
}

func TestWebEngineRefuses(t *testing.T) {
	s := engineSite(t)
	s.mux.Handle("/garbage.gguf", newModelFile(5000))
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	ask := func(params string) string { return `await engine.chat.completions.create(` + params + `)` }
	for _, tt := range []struct{ name, body, class, code string }{
		{"no messages", ask(`{ messages: [] }`), "BadRequestError", "ERR_BAD_REQUEST"},
		{"content is no text", ask(`{ messages: [{ role: "user", content: 7 }] }`), "BadRequestError", "ERR_BAD_REQUEST"},
		{"temperature", ask(`{ messages: [{ role: "user", content: "a" }], temperature: -1 }`), "BadRequestError", "ERR_BAD_REQUEST"},
		{"tools", ask(`{ messages: [{ role: "user", content: "a" }], tools: [{ type: "function" }] }`), "UnsupportedError", "ERR_UNSUPPORTED_TYPE"},
		{"unknown adapter", ask(`{ messages: [{ role: "user", content: "a" }], lora: [{ id: "none", scale: 1 }] }`), "BadRequestError", "ERR_BAD_REQUEST"},
		{"prompt longer than the context", ask(`{ messages: [{ role: "user", content: "dog ".repeat(3000) }] }`), "ContextError", "ERR_CONTEXT"},
		{"no model file", `await pastel.Engine.create({ model: "/garbage.gguf" })`, "BadFileError", "ERR_BAD_FILE"},
		{"nothing there", `await pastel.Engine.create({ model: "/none.gguf" })`, "NetError", "ERR_NET"},
		{"no model loaded", `const e = await pastel.Engine.create(); try { await e.completions.create({ prompt: "a" }) } finally { e.close() }`, "BadRequestError", "ERR_BAD_REQUEST"},
		{"aborted before", `await engine.completions.create({ prompt: "a" }, { signal: AbortSignal.abort() })`, "AbortError", ""},
		{"no module", `await pastel.Engine.create({ engineUrl: "/none.wasm" })`, "NetError", "ERR_NET"},
		{"no worker", `await pastel.Engine.create({ workerUrl: "/none.js" })`, "CrashError", "ERR_CRASH"},
		{"closed", `const e = await pastel.Engine.create(); e.close(); await e.tokenize("a")`, "ClosedError", "ERR_CLOSED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := try[any](tb, tt.body)
			if code := o.Code; o.Name != tt.class || (tt.code != "" && code != tt.code) {
				t.Errorf("%s %s %q, want %s %s", o.Name, o.Code, o.Message, tt.class, tt.code)
			}
		})
	}
	// The engine that refused all that still answers.
	got := must[string](tb, `return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text`)
	if got != story {
		t.Errorf("after the refusals: %q, want %q", got, story)
	}
	tb.forgetErrors("404")
}
