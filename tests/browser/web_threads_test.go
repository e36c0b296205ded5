package browser

import (
	"strings"
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
		const params = { prompt: [301, 302], max_tokens: 3000, stream: true };
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
