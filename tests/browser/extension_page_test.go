package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// askingSite is a web page that has the client for pages.
func askingSite(t *testing.T) *httptest.Server {
	t.Helper()
	script := scripts(t, "../../web/extension/page/client.ts")["/client.js"]
	mux := http.NewServeMux()
	mux.HandleFunc("/client.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Write(script)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>asks</title><link rel="icon" href="data:,"><script type="module">
			import { ask } from "./client.js";
			window.begin = (id, text, n) => {
				const o = window.run = { text: "", states: [], code: "", over: false };
				(async () => {
					const messages = [{ role: "user", content: text }];
					for await (const piece of ask(id, messages, { max_tokens: n, temperature: 0, onState: (s) => o.states.push(s) })) o.text += piece;
				})().catch((err) => (o.code = err.code ?? String(err))).finally(() => (o.over = true));
			};
		</script>`)
	})
	s := newOrigin(mux)
	t.Cleanup(s.Close)
	return s
}

// pageRun is what a page's question came to.
type pageRun struct {
	Text   string
	States []string
	Code   string
}

func begin(tb *tab, id, prompt string, n int) {
	tb.t.Helper()
	tb.waitFor(`typeof begin === "function"`)
	tb.eval(fmt.Sprintf(`begin(%q, %q, %d)`, id, prompt, n), nil)
}

func endOfRun(tb *tab) (got pageRun) {
	tb.t.Helper()
	patiently(tb, `run.over`)
	tb.eval(`run`, &got)
	return got
}

// TestExtensionPageClient plays the extension over the bridge's protocol, to say in which order things come: what the
// answer grows by while a new line is being attached comes before the rest, and the client must not take it twice or in
// the wrong place.
func TestExtensionPageClient(t *testing.T) {
	tb := openTab(t, askingSite(t).URL)
	tb.eval(`(() => {
		const asks = window.asks = [];
		addEventListener("message", (e) => e.data.pastel === "to" && asks.push(e.data.message));
		window.say = (...messages) => messages.forEach((m) => postMessage(m.closed ? { pastel: "from", ...m }
			: { pastel: "from", message: { id: asks[0].id, ...m } }));
		window.text = (draft, at, text) => ({ type: "text", draft, at, text });
	})()`, nil)
	begin(tb, "", "Once", 40)
	tb.waitFor(`asks.length === 1`)
	sent := func(n int) (got []struct {
		Type      string
		Draft, At int
	}) {
		tb.waitFor(fmt.Sprintf(`asks.length === %d`, n))
		tb.eval(`asks`, &got)
		return got[n-2:]
	}
	tb.eval(`say({ type: "state", state: "running", ahead: 0 }, text(0, 0, "abc"), { closed: true })`, nil)
	if got := sent(3); got[0].Type != "ask" || got[1].Type != "attach" || got[1].At != 3 || got[1].Draft != 0 {
		t.Errorf("after the line died the page sent %+v", got)
	}
	tb.eval(`say(text(0, 5, "fg"), text(0, 3, "defg"), text(0, 6, "gh"), { closed: true })`, nil)
	if got := sent(5); got[1].At != 8 {
		t.Errorf("the page has %d characters, want 8", got[1].At)
	}
	tb.eval(`say(text(1, 2, "C"), text(1, 0, "ABC"), text(1, 3, "D"), { type: "state", state: "done", ahead: 0 })`, nil)
	if got := endOfRun(tb); got.Text != "abcdefghABCD" || got.Code != "" { // the page of this test does not forget drafts
		t.Errorf("run = %+v", got)
	}
}

// TestExtensionPage lets two web pages share the extension's model, each after the user agreed.
func TestExtensionPage(t *testing.T) {
	x := installExtension(t)
	panel := x.panel(7)
	cold(panel, long)
	whole := wholeAnswer(t, panel, "Once upon a time")
	site, other := askingSite(t), askingSite(t)
	page, second := x.open(site.URL), x.open(other.URL)

	t.Run("nothing runs before the user agrees", func(t *testing.T) {
		begin(page, x.id, "Once upon a time", 40)
		page.waitFor(`run.states.includes("approval")`)
		time.Sleep(300 * time.Millisecond)
		var got pageRun
		page.eval(`run`, &got)
		if got.Text != "" {
			t.Errorf("unasked, the page got %q", got.Text)
		}
	})
	t.Run("allowed", func(t *testing.T) {
		panel.waitFor(fmt.Sprintf(`document.getElementById("approvals").innerText.includes(%q)`, site.URL))
		panel.eval(`document.querySelector("#approvals button").click()`, nil)
		if got := endOfRun(page); got.Code != "" || !strings.HasPrefix(got.Text, story) {
			t.Errorf("answer = %+v", got)
		}
	})
	t.Run("allowed from then on", func(t *testing.T) {
		begin(page, x.id, "Once upon a time", 40)
		if got := endOfRun(page); !strings.HasPrefix(got.Text, story) || strings.Contains(strings.Join(got.States, " "), "approval") {
			t.Errorf("answer = %+v", got)
		}
	})
	for _, part := range []string{"sw.js", "offscreen.html"} {
		t.Run(part+" killed in the middle", func(t *testing.T) {
			begin(page, x.id, "Once upon a time", long)
			page.waitFor(`run.text.length > 40`)
			x.kill(part)
			if got := endOfRun(page); got.Text != whole || got.Code != "" {
				at := 0
				for at < min(len(got.Text), len(whole)) && got.Text[at] == whole[at] {
					at++
				}
				t.Errorf("%d characters, want %d, code %q; they part at %d: %.40q, want %.40q", len(got.Text), len(whole), got.Code, at, got.Text[at:], whole[at:])
			}
		})
	}
	t.Run("the other page is asked for on its own, and refused", func(t *testing.T) {
		begin(second, x.id, "Once upon a time", 40)
		panel.waitFor(fmt.Sprintf(`document.getElementById("approvals").innerText.includes(%q)`, other.URL))
		panel.eval(`document.querySelectorAll("#approvals button")[1].click()`, nil)
		if got := endOfRun(second); got.Code != "ERR_CONSENT" || got.Text != "" {
			t.Errorf("refused page: %+v", got)
		}
	})
	t.Run("a page that is gone waits for nothing", func(t *testing.T) {
		third := askingSite(t)
		gone := x.open(third.URL)
		begin(gone, x.id, "Once upon a time", 40)
		panel.waitFor(fmt.Sprintf(`document.getElementById("approvals").innerText.includes(%q)`, third.URL))
		gone.cancel()
		patiently(panel, `document.getElementById("approvals").innerText === ""`)
	})
	t.Run("hostile messages", func(t *testing.T) {
		var codes []string
		page.eval(fmt.Sprintf(`Promise.all([
			{ type: "ask", id: "", messages: [{ role: "user", content: "x" }] },
			{ type: "ask", id: "a", messages: [] },
			{ type: "ask", id: "b", messages: [{ role: "tool", content: "x" }] },
			{ type: "ask", id: "c", messages: [{ role: "user", content: { a: 1 } }] },
			{ type: "ask", id: "d", messages: [{ role: "user", content: "x" }], max_tokens: 1e9 },
			{ type: "ask", id: "f", messages: [{ role: "user", content: "x" }], max_tokens: 1.5 },
			{ type: "ask", id: "e", messages: [{ role: "user", content: "x".repeat(200000) }] },
			{ type: "attach", id: "never", draft: 0, at: 0 },
			{ type: "deleteAll" }, { type: "teach", samples: ["x"] }, null, 7, "x",
		].map((m) => new Promise((resolve) => {
			const port = chrome.runtime.connect(%q);
			port.onMessage.addListener((r) => resolve(r.code ?? r.type));
			port.postMessage(m);
		})))`, x.id), &codes)
		for i, code := range codes {
			if code != "ERR_BAD_REQUEST" {
				t.Errorf("message %d was answered with %s", i, code)
			}
		}
	})
}
