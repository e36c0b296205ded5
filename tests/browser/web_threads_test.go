package browser

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/web/build"
)

// threadedSite is slowSite cross-origin isolated, with the worker whose helpers can be killed.
func threadedSite(t *testing.T) *site {
	t.Helper()
	s := slowSite(t)
	files, err := build.Scripts(api.FormatESModule, nil, "../../web/test/fragile.worker.ts")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		s.serve("/fragile/"+name, content)
	}
	s.Config.Handler = isolate(s.Config.Handler)
	return s
}

// TestWebHelperDies: a helper that the browser ends without a word costs the generation
// it was in, not the engine.
func TestWebHelperDies(t *testing.T) {
	tb := openTab(t, threadedSite(t).URL)
	got := must[struct {
		Before, After, Tokens int
		Code, Reason          string
		Ms                    float64
	}](tb, `
		const engine = await pastel.Engine.create({ model: "/slow.gguf", threads: 2, workerUrl: "/fragile/fragile.worker.js" });
		let reason = "";
		engine.onRestart = (why) => (reason = why);
		const params = { prompt: [301, 302], max_tokens: 3000, stream: true, logit_bias: { 2: -100 } }; // without its end
		const before = (await engine.stats()).threads;
		const kill = new BroadcastChannel("kill-helpers");
		let code = "", n = 0, begun = 0;
		try {
			for await (const c of await engine.completions.create(params)) {
				if (++n === 5) { begun = performance.now(); kill.postMessage(0); }
			}
		} catch (err) { code = err.code; }
		const ms = performance.now() - begun;
		const next = await engine.completions.create({ prompt: [301, 302], max_tokens: 3, temperature: 0 });
		const after = (await engine.stats()).threads;
		return { before, after, tokens: next.usage.completion_tokens, code, reason, ms };`)
	t.Logf("noticed after %.0f ms: %s", got.Ms, got.Reason)
	if got.Before != 2 || got.Code != "ERR_CRASH" || got.Ms > 30e3 {
		t.Errorf("with a dead helper: %+v", got)
	}
	if got.After != 1 || got.Tokens != 3 || !strings.Contains(got.Reason, "a helper thread died, going on with 1") {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestWebHelperStops: closing an engine ends its helpers, and engines come and go.
func TestWebHelperStops(t *testing.T) {
	tb := openTab(t, threadedSite(t).URL)
	got := must[[]string](tb, `
		const texts = [];
		for (let i = 0; i < 4; i++) {
			const engine = await pastel.Engine.create({ model: "/slow.gguf", threads: 2 });
			const r = await engine.completions.create({ prompt: longPrompt(i), max_tokens: 8, temperature: 0 });
			texts.push((await engine.stats()).threads + r.choices[0].text);
			engine.close();
		}
		return texts;
		function longPrompt() { return Array.from({ length: 200 }, (_, k) => 300 + (k * 37) % 1500); }`)
	for _, text := range got {
		if text != got[0] || text[0] != '2' {
			t.Errorf("four engines with two threads each wrote %q", got)
			break
		}
	}
}

// lateSite is threadedSite with a worker at /late whose script comes at once to the
// engine, and to its helper only when the page fetches /late/release, with that status.
func lateSite(t *testing.T, status int) *site {
	t.Helper()
	s := slowSite(t)
	files, err := engineFiles()
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	released := make(chan struct{})
	s.mux.HandleFunc("/late/worker.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", s.csp)
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Cache-Control", "no-store")
		if requests.Add(1) > 1 {
			select {
			case <-released:
				w.WriteHeader(status)
			case <-r.Context().Done():
				return
			}
		}
		w.Write(files["/worker.js"])
	})
	s.mux.HandleFunc("/late/release", func(http.ResponseWriter, *http.Request) { close(released) })
	s.Config.Handler = isolate(s.Config.Handler)
	return s
}

// TestWebHelperComesLate: nothing waits for a helper whose script is slow, it joins in the
// middle of an answer without changing it, and one that never comes costs nothing.
func TestWebHelperComesLate(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		threads int // in the end
	}{
		{"script comes", http.StatusOK, 2},
		{"script is not found", http.StatusNotFound, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := must[struct {
				Want, First, During, After string
				Threads                    []int // before, when the first answer is there, in the end
				CreateMs                   float64
				JoinedAt                   int
			}](openTab(t, lateSite(t, test.status).URL), `
				const params = { prompt: Array.from({ length: 200 }, (_, k) => 300 + (k * 37) % 1500), max_tokens: 400, temperature: 0 };
				const one = await pastel.Engine.create({ model: "/slow.gguf", threads: 1 });
				const want = (await one.completions.create(params)).choices[0].text;
				one.close();
				const begun = performance.now();
				const engine = await pastel.Engine.create({ model: "/slow.gguf", threads: 2, workerUrl: "/late/worker.js" });
				const createMs = performance.now() - begun;
				const count = async () => (await engine.stats()).threads;
				const text = async () => (await engine.completions.create(params)).choices[0].text;
				const threads = [await count()];
				const first = await text();
				threads.push(await count());
				let during = "", n = 0, joinedAt = 0;
				for await (const c of await engine.completions.create({ ...params, stream: true })) {
					during += c.choices[0]?.text ?? "";
					if (++n === 5) await fetch("/late/release");
					if (!joinedAt && await count() === 2) joinedAt = n;
				}
				for (let i = 0; i < 20 && await count() < 2; i++) await new Promise((r) => setTimeout(r, 100));
				const after = await text();
				threads.push(await count());
				engine.close();
				return { want, first, during, after, threads, createMs, joinedAt };`)
			t.Logf("created in %.0f ms, joined at token %d", got.CreateMs, got.JoinedAt)
			if len(got.Want) < 100 || got.First != got.Want || got.During != got.Want || got.After != got.Want {
				t.Errorf("one thread wrote %q; before, while and after the helper joined: %q, %q, %q", got.Want, got.First, got.During, got.After)
			}
			if want := [3]int{1, 1, test.threads}; len(got.Threads) != 3 || [3]int(got.Threads) != want {
				t.Errorf("threads before, after the first answer and in the end: %v, want %v", got.Threads, want)
			}
		})
	}
}
