package browser

import (
	"testing"
)

// TestWebFirefoxStorage downloads, heals and reads back a file in Firefox.
func TestWebFirefoxStorage(t *testing.T) {
	f := newModelFile(10*chunkBytes + 5)
	s, src := storageSite(t, f)
	ff := startFirefox(t)
	ff.goTo(s.URL)
	run := func(name string, args ...any) fetched {
		t.Helper()
		var reply struct {
			Value fetched
			Error *wireError
		}
		ff.eval("run("+jsArgs(append([]any{name}, args...))+")", &reply)
		if reply.Error != nil {
			t.Fatalf("%s: %v", name, reply.Error)
		}
		return reply.Value
	}
	got := run("fetch", src)
	if got.Digest != f.digest() || got.Backend != "opfs" {
		t.Errorf("digest right = %v, backend = %s", got.Digest == f.digest(), got.Backend)
	}
	checkProgress(t, got.Events, float64(len(f.content)))
	run("evict", got.ID, 3)
	if again := run("readAll", got.ID); again.Digest != f.digest() || again.Healed != 1 {
		t.Errorf("after an eviction: digest right = %v, healed %d", again.Digest == f.digest(), again.Healed)
	}
}

// TestWebFirefoxEngine loads, answers, cancels, and after a reload answers from what is stored.
func TestWebFirefoxEngine(t *testing.T) {
	s := engineSite(t)
	f := &modelFile{content: readTestdata(t, "models/stories260K-F16.gguf"), etag: `"s"`}
	s.mux.Handle("/counted.gguf", f)
	ff := startFirefox(t)
	const load = `window.engine = await pastel.Engine.create({ model: "/counted.gguf" });`
	const ask = `return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text`
	run := func(body string) string {
		t.Helper()
		var o outcome[string]
		ff.eval("outcome(async () => { "+body+" })", &o)
		if o.Name != "" {
			t.Fatalf("%s: %s %s: %s", body, o.Name, o.Code, o.Message)
		}
		return o.Value
	}
	ff.goTo(s.URL)
	if got := run(load + ask); got != story {
		t.Errorf("answer = %q, want %q", got, story)
	}
	t.Logf("state: %s", run(`return JSON.stringify(engine.state)`))
	got := run(`
		const abort = new AbortController();
		let name = "finished";
		try {
			for await (const c of await engine.completions.create({ prompt: "The dog", max_tokens: 1000, stream: true }, { signal: abort.signal })) abort.abort();
		} catch (err) { name = err.name; }
		return name;`)
	if got != "AbortError" {
		t.Errorf("cancel: %s", got)
	}
	f.served()
	ff.goTo(s.URL)
	if got := run(load + ask); got != story {
		t.Errorf("after a reload: %q, want %q", got, story)
	}
	if n, _ := f.served(); n != 0 {
		t.Errorf("the second load made %d requests, want 0", n)
	}
}
