package browser

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// slowModel is large enough that a long prompt takes seconds: 27 million weights.
var slowModel = sync.OnceValues(func() ([]byte, error) {
	return testmodel.Config{
		Dim: 512, HiddenDim: 1536, NLayers: 8, NHeads: 8, NKVHeads: 4,
		VocabSize: 2000, SeqLen: 4096, Type: tensor.Q4_0, Seed: 3,
	}.Bytes()
})

// slowSite is engineSite with the slow model at /slow.gguf.
func slowSite(t *testing.T) *site {
	t.Helper()
	content, err := slowModel()
	if err != nil {
		t.Fatal(err)
	}
	s := engineSite(t)
	s.mux.Handle("/slow.gguf", &modelFile{content: content, etag: `"slow"`})
	return s
}

const makeSlowEngine = `
	window.engine = await pastel.Engine.create({ model: "/slow.gguf" });
	window.endless = { 2: -100 }; // random weights may end an answer early otherwise
	window.longPrompt = Array.from({ length: 3000 }, (_, i) => 300 + (i * 37) % 1500);
`

// Go's collector works beside the program, which an export never lets it: cycles began
// and did not end. It takes a heap of some megabytes, such as a large vocabulary's, to show.
func TestWebGarbageIsCollected(t *testing.T) {
	model, err := testmodel.Config{
		Dim: 32, HiddenDim: 32, NLayers: 1, NHeads: 1, NKVHeads: 1, VocabSize: 50000, SeqLen: 64, Vocab: testmodel.BPE, Type: tensor.Q4_0, Seed: 1,
	}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s := engineSite(t)
	s.mux.Handle("/words.gguf", &modelFile{content: model, etag: `"words"`})
	got := must[[]float64](openTab(t, s.URL), `
		const engine = await pastel.Engine.create({ model: "/words.gguf" });
		const text = "Hello big world, how are you today? ".repeat(3000);
		const MB = [];
		for (let i = 0; i <= 100; i++) {
			await engine.tokenize(text);
			if (i % 50 === 0) MB.push((await engine.stats()).memoryBytes / 2 ** 20);
		}
		return MB;`)
	t.Logf("memory after 1, 51 and 101 texts: %.0f MB", got)
	if got[2]-got[1] > 16 {
		t.Errorf("memory after 1, 51 and 101 texts is %.0f MB, and grows", got)
	}
}

func TestWebAbortInPrefill(t *testing.T) {
	tb := openTab(t, slowSite(t).URL)
	must[any](tb, makeSlowEngine)
	got := must[struct {
		Name            string
		AbortMs, NextMs float64
		NTokens         int
	}](tb, `
		const abort = new AbortController();
		const answer = engine.completions.create({ prompt: longPrompt, max_tokens: 1 }, { signal: abort.signal });
		await new Promise((r) => setTimeout(r, 150));
		const t0 = performance.now();
		abort.abort();
		const name = await answer.then(() => "finished", (err) => err.name);
		const abortMs = performance.now() - t0;
		const next = await engine.completions.create({ prompt: [301, 302], max_tokens: 2, temperature: 0 });
		return { name, abortMs, nextMs: performance.now() - t0 - abortMs, nTokens: next.usage.completion_tokens };`)
	t.Logf("abort in prefill took %.0f ms, the next answer %.0f ms", got.AbortMs, got.NextMs)
	if got.Name != "AbortError" || got.AbortMs > 2000 || got.NTokens != 2 {
		t.Errorf("abort in prefill: %+v", got)
	}
}

func TestWebAbortInDecode(t *testing.T) {
	tb := openTab(t, slowSite(t).URL)
	must[any](tb, makeSlowEngine)
	t.Run("signal", func(t *testing.T) {
		got := must[struct {
			Name        string
			Seen, After int
			Ms          float64
		}](tb, `
			const abort = new AbortController();
			const params = { prompt: [301, 302], max_tokens: 500, logit_bias: endless, stream: true };
			let seen = 0, after = 0, name = "", t0 = 0;
			try {
				for await (const c of await engine.completions.create(params, { signal: abort.signal })) {
					if (abort.signal.aborted) after++;
					if (++seen === 5) { t0 = performance.now(); abort.abort(); }
				}
			} catch (err) { name = err.name; }
			return { name, seen, after, ms: performance.now() - t0 };`)
		t.Logf("abort in decode took %.0f ms", got.Ms)
		if got.Name != "AbortError" || got.After > 0 || got.Ms > 2000 {
			t.Errorf("abort in decode: %+v", got)
		}
	})
	t.Run("leaving the loop", func(t *testing.T) {
		got := must[struct {
			Ms     float64
			Tokens int
		}](tb, `
			for await (const c of await engine.completions.create({ prompt: [301, 302], max_tokens: 5000, logit_bias: endless, stream: true })) break;
			const t0 = performance.now();
			const next = await engine.completions.create({ prompt: [301], max_tokens: 2, ignore_eos: true });
			return { ms: performance.now() - t0, tokens: next.usage.completion_tokens };`)
		if got.Ms > 3000 {
			t.Errorf("after leaving the loop the next answer took %.0f ms", got.Ms)
		}
	})
	t.Run("reason", func(t *testing.T) {
		got := must[string](tb, `
			const abort = new AbortController();
			const answer = engine.completions.create({ prompt: [301], max_tokens: 5000, logit_bias: endless }, { signal: abort.signal });
			setTimeout(() => abort.abort(new Error("my own reason")), 50);
			return await answer.then(() => "finished", (err) => err.message);`)
		if got != "my own reason" {
			t.Errorf("rejected with %q", got)
		}
	})
	t.Run("close while answering", func(t *testing.T) {
		got := must[string](tb, `
			const answer = engine.completions.create({ prompt: [301], max_tokens: 5000, logit_bias: endless });
			const queued = engine.completions.create({ prompt: [301], max_tokens: 5000, logit_bias: endless });
			setTimeout(() => engine.close(), 50);
			return (await Promise.allSettled([answer, queued])).map((r) => r.reason?.code).join();`)
		if got != "ERR_CLOSED,ERR_CLOSED" {
			t.Errorf("pending requests ended with %s", got)
		}
	})
}

func TestWebQueue(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	got := must[struct {
		Order   []int
		Texts   []string
		Aborted string
	}](tb, `
		const order = [], texts = [];
		const abort = new AbortController();
		const one = (i, signal) => engine.completions
			.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 }, { signal })
			.then((r) => { order.push(i); texts.push(r.choices[0].text); });
		const all = Array.from({ length: 20 }, (_, i) => one(i, i === 10 ? abort.signal : undefined));
		abort.abort();
		const aborted = await all[10].then(() => "finished", (err) => err.name);
		await Promise.allSettled(all);
		return { order, texts, aborted };`)
	if got.Aborted != "AbortError" || len(got.Order) != 19 {
		t.Fatalf("queue: %+v", got)
	}
	for i, n := range got.Order {
		if want := i + i/10; n != want && i < 10 || i >= 10 && n != i+1 {
			t.Fatalf("answers came in order %v", got.Order)
		}
		if got.Texts[i] != story {
			t.Errorf("answer %d = %q", n, got.Texts[i])
		}
	}
}

// trapPatch runs before the product's worker and gives it kernels that can be told to trap: an
// exception in an imported function unwinds the engine's frames as a trap does.
const trapPatch = `
const instantiate = WebAssembly.instantiate;
let armed = false;
new BroadcastChannel("trap").onmessage = () => (armed = true);
WebAssembly.instantiate = (module, imports) => {
	if (!imports?.kernels) return instantiate(module, imports);
	const kernels = Object.fromEntries(Object.entries(imports.kernels).map(([name, f]) => [name, typeof f !== "function" ? f : (...args) => {
		if (armed) { armed = false; throw new WebAssembly.RuntimeError("unreachable"); }
		return f(...args);
	}]));
	return instantiate(module, { ...imports, kernels });
};
`

func TestWebTrap(t *testing.T) {
	s := engineSite(t)
	s.serve("/patch.js", []byte(trapPatch))
	s.serve("/trapping.js", []byte(`import "./patch.js"; import "./worker.js";`))
	tb := openTab(t, s.URL)
	got := must[struct {
		Code, Message, Reason, Text string
		Again                       string
	}](tb, `
		const engine = await pastel.Engine.create({ model: "/stories.gguf", workerUrl: "/trapping.js" });
		let reason = "";
		engine.onRestart = (r) => (reason = r);
		const ask = () => engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 }).then((r) => r.choices[0].text);
		const text = await ask();
		new BroadcastChannel("trap").postMessage(null);
		await new Promise((r) => setTimeout(r, 50));
		const { code, message } = await ask().then(() => ({ code: "finished" }), (err) => err);
		const again = await ask();
		engine.close();
		return { text, code, message, reason, again };`)
	if got.Text != story || got.Again != story {
		t.Errorf("before and after the trap: %q, %q, want %q", got.Text, got.Again, story)
	}
	if !strings.HasPrefix(got.Code, "ERR_") || !strings.Contains(got.Message, "model") || got.Reason == "" {
		t.Errorf("the trap was reported as %s %q, restart as %q", got.Code, got.Message, got.Reason)
	}
}

func TestWebSharedEngine(t *testing.T) {
	s := engineSite(t)
	one, two := openTab(t, s.URL), openTab(t, s.URL)
	const makeShared = `
		window.engine = await pastel.Engine.create({ model: "/stories.gguf", shared: true });
		window.ask = () => engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 }).then((r) => r.choices[0].text);
	`
	must[any](one, makeShared)
	must[any](two, makeShared)
	for name, tb := range map[string]*tab{"first tab": one, "second tab": two} {
		if got := must[string](tb, `return await ask()`); got != story {
			t.Errorf("%s: %q, want %q", name, got, story)
		}
	}
	t.Run("both at once", func(t *testing.T) {
		one.eval("window.all = Promise.all([ask(), ask(), ask()]), null", nil)
		two.eval("window.all = Promise.all([ask(), ask(), ask()]), null", nil)
		for _, tb := range []*tab{one, two} {
			for _, got := range must[[]string](tb, `return await all`) {
				if got != story {
					t.Errorf("text = %q", got)
				}
			}
		}
	})
	t.Run("the tab that ran it goes", func(t *testing.T) {
		one.close()
		// What was asked while it went is lost, and says so; what is asked again is answered.
		if got := must[string](two, `return await ask().catch((err) => (err.code === "ERR_CRASH" ? ask() : Promise.reject(err)))`); got != story {
			t.Errorf("after the first tab closed: %q, want %q", got, story)
		}
	})
}

func TestWebBackForward(t *testing.T) {
	s := engineSite(t)
	s.serve("/elsewhere", []byte("<!doctype html>elsewhere"))
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	tb.goTo(s.URL + "/elsewhere")
	for _, step := range []struct{ do, path string }{{"back", "/"}, {"forward", "/elsewhere"}, {"back", "/"}} {
		// Not chromedp's own: a page that comes back alive from the cache fires no load event.
		tb.eval("history."+step.do+"(), null", nil)
		tb.waitFor("location.pathname === '" + step.path + "' && document.readyState === 'complete'")
	}
	tb.waitFor("window.pastel !== undefined")
	got := must[string](tb, `
		if (!window.engine) {`+makeEngine+`}
		return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text`)
	if got != story {
		t.Errorf("after back, forward, back: %q, want %q", got, story)
	}
}

func TestWebAvailability(t *testing.T) {
	f := newModelFile(8 * chunkBytes)
	f.perKB = 5 * time.Millisecond
	s := engineSite(t)
	s.mux.Handle("/model.gguf", f)
	tb := openTab(t, s.URL)
	type answer struct {
		Availability, Reason string
		NeedBytes, FreeBytes float64
		EstTokPerSec         float64
	}
	check := func(ref, want string) answer {
		t.Helper()
		a := must[answer](tb, `return await pastel.availability(`+ref+`)`)
		if a.Availability != want {
			t.Errorf("availability of %s = %+v, want %s", ref, a, want)
		}
		return a
	}
	if a := check(`"/model.gguf"`, "downloadable"); a.NeedBytes != float64(len(f.content)) || a.FreeBytes == 0 || a.EstTokPerSec == 0 {
		t.Errorf("before the download: %+v", a)
	}
	check(`"/none.gguf"`, "unavailable")
	check(`new Blob(["1234"])`, "available")
	tb.eval(`window.loading = pastel.Engine.create({ model: "/model.gguf" }).catch((err) => err.code), null`, nil)
	f.waitBytes(t, chunkBytes)
	check(`"/model.gguf"`, "downloading")
	f.change(func() { f.perKB = 0 })
	if code := must[string](tb, `return await loading`); code != "ERR_BAD_FILE" {
		t.Errorf("random bytes loaded: %s", code)
	}
	// What is refused is not fetched to its end: how much of it is there depends on who was faster.
	must[any](tb, `window.loaded = await pastel.Engine.create({ model: "/stories.gguf" })`)
	if a := check(`"/stories.gguf"`, "available"); a.NeedBytes != 0 {
		t.Errorf("after the download: %+v", a)
	}
	tb.forgetErrors("404")
}

func TestWebEngineQuota(t *testing.T) {
	s := slowSite(t)
	tb := openTab(t, s.URL)
	setQuota(tb, s.URL, new(2e6))
	if o := try[any](tb, `await pastel.Engine.create({ model: "/slow.gguf" })`); o.Code != "ERR_QUOTA" || o.Name != "QuotaError" {
		t.Fatalf("load over quota: %+v", o)
	}
	setQuota(tb, s.URL, nil)
	must[any](tb, `(await pastel.Engine.create({ model: "/slow.gguf" })).close()`)
}

func TestWebModels(t *testing.T) {
	s := engineSite(t)
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	list := func() []string {
		return must[[]string](tb, `return (await pastel.listModels()).map((m) => m.file + " " + m.complete)`)
	}
	if got := fmt.Sprint(list()); got != "[stories.gguf true]" {
		t.Errorf("stored: %s", got)
	}
	must[any](tb, `await pastel.deleteModel((await pastel.listModels())[0].id)`)
	if got := list(); len(got) != 0 {
		t.Errorf("after delete: %v", got)
	}
	must[any](tb, `await engine.load(new File([await (await fetch("/stories.gguf")).blob()], "mine.gguf")); await pastel.clearModels()`)
	if got := list(); len(got) != 0 {
		t.Errorf("a file of the page's was stored: %v", got)
	}
	got := must[string](tb, `return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text`)
	if got != story {
		t.Errorf("from a File: %q", got)
	}
}

func TestWebLanguageModel(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	got := must[struct {
		Before, After, Text, Streamed string
		Progress                      []float64
		Usage                         int
		Destroyed                     string
	}](tb, `
		const LanguageModel = pastel.languageModel("/stories.gguf");
		const before = await LanguageModel.availability();
		const progress = [];
		const session = await LanguageModel.create({
			temperature: 0, topK: 1,
			monitor: (m) => m.addEventListener("downloadprogress", (e) => progress.push(e.loaded)),
		});
		const abort = new AbortController();
		const clone = await session.clone();
		const read = async (stream, n) => { let text = ""; for await (const piece of stream) { text += piece; if (text.length >= n) break; } return text; };
		const text = (await read(session.promptStreaming("Once upon a time"), 60)).slice(0, 30);
		const streamed = (await read(clone.promptStreaming("Once upon a time"), 60)).slice(0, 30);
		const late = clone.prompt("Once upon a time");
		clone.destroy();
		const destroyed = await late.then(() => "finished", (err) => err.name);
		return { before, after: await LanguageModel.availability(), progress, text, streamed, usage: await session.measureInputUsage("Once upon a time"), destroyed };`)
	if got.Before != "downloadable" || got.After != "available" {
		t.Errorf("availability before, after = %s, %s", got.Before, got.After)
	}
	if got.Text != story[:30] || got.Streamed != story[:30] || got.Usage == 0 || got.Destroyed != "AbortError" {
		t.Errorf("%+v", got)
	}
	if n := len(got.Progress); n < 2 || got.Progress[0] != 0 || got.Progress[n-1] != 1 {
		t.Errorf("downloadprogress = %v, want 0 to 1", got.Progress)
	}
}
