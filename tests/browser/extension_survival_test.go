package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// long is how many tokens an answer has that something is done to meanwhile.
const long = 700

// wholeAnswer is what the model answers when nothing disturbs it.
func wholeAnswer(t *testing.T, tb *tab, prompt string) string {
	t.Helper()
	got := askPanel(tb, prompt)
	if got.State != "done" || len(got.Text) < 500 {
		t.Fatalf("undisturbed answer = %s, %d characters", got.State, len(got.Text))
	}
	return got.Text
}

// isGrowing says, in the panel, whether the last answer has begun and goes on.
const isGrowing = `(() => { const last = document.querySelector("#log > li:last-child"); return last?.dataset.state === "running" && last.querySelector(".text")?.textContent.length > 40; })()`

// growing waits until the last answer has begun.
func growing(tb *tab) {
	tb.t.Helper()
	tb.waitFor(isGrowing)
}

// whileGrowing lets the panel itself run js as soon as the last answer has begun: an answer of a few tenths of a
// second may be over before a test that waits from outside gets its turn.
func whileGrowing(tb *tab, js string) {
	tb.t.Helper()
	tb.eval(fmt.Sprintf(`new MutationObserver((_, o) => { if (%s) { o.disconnect(); %s; } })
		.observe(document.getElementById("log"), { childList: true, subtree: true, characterData: true, attributes: true })`, isGrowing, js), nil)
}

// TestExtensionSurvives ends each part of the extension in the middle of an answer. The answer must come out as if
// nothing had happened: nothing missing, nothing twice.
func TestExtensionSurvives(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	cold(tb, long)
	want := wholeAnswer(t, tb, "Once upon a time")
	check := func(t *testing.T, tb *tab) {
		t.Helper()
		if got := endOfLast(tb); got.State != "done" || got.Text != want {
			t.Errorf("%s, answer differs: %d characters, want %d\n%s", got.State, len(got.Text), len(want), got.Foot)
		}
	}
	t.Run("service worker killed", func(t *testing.T) {
		submitPanel(tb, "Once upon a time")
		growing(tb)
		x.kill("sw.js")
		check(t, tb)
	})
	t.Run("panel closed and opened again", func(t *testing.T) {
		submitPanel(tb, "Once upon a time")
		growing(tb)
		tb.reload()
		tb.waitFor(`document.querySelector("#log > li:last-child") !== null`)
		check(t, tb)
	})
	t.Run("offscreen document killed", func(t *testing.T) {
		submitPanel(tb, "Once upon a time")
		growing(tb)
		x.kill("offscreen.html")
		check(t, tb)
		var attempts int
		tb.eval(lastJob+`.then((j) => j.attempts)`, &attempts)
		if attempts != 2 {
			t.Errorf("%d hosts worked on it, want 2", attempts)
		}
	})
	t.Run("both killed", func(t *testing.T) {
		submitPanel(tb, "Once upon a time")
		growing(tb)
		x.kill("sw.js")
		x.kill("offscreen.html")
		check(t, tb)
	})
	t.Run("stop", func(t *testing.T) {
		submitPanel(tb, "Once upon a time")
		growing(tb)
		tb.eval(`document.getElementById("stop").click()`, nil)
		if got := endOfLast(tb); got.State != "stopped" || len(got.Text) >= len(want) {
			t.Errorf("%s with %d characters", got.State, len(got.Text))
		}
	})
	tb.forgetErrors("Receiving end does not exist", "message port closed")
}

// lastJob reads the newest job from the extension's database.
const lastJob = `new Promise((resolve) => {
	const open = indexedDB.open("pastel-extension");
	open.onsuccess = () => {
		const all = open.result.transaction("jobs").objectStore("jobs").getAll();
		all.onsuccess = () => resolve(all.result.sort((a, b) => a.created - b.created).pop());
	};
})`

// TestExtensionTwoWindows asks in two windows at once: the second waits its turn, and each shows only its own.
func TestExtensionTwoWindows(t *testing.T) {
	x := installExtension(t)
	a, b := x.panel(1), x.panel(2)
	cold(a, long)
	want := wholeAnswer(t, a, "Once upon a time")
	submitPanel(a, "Once upon a time")
	submitPanel(b, "Once upon a time")
	var foot string
	b.eval(`document.querySelector("#log > li:last-child").lastChild.innerText`, &foot)
	if !strings.Contains(foot, "Waiting for 1 other question") {
		t.Errorf("the second window says %q", foot)
	}
	for name, tb := range map[string]*tab{"first": a, "second": b} {
		if got := endOfLast(tb); got.State != "done" || got.Text != want {
			t.Errorf("%s window: %s, %d characters, want %d", name, got.State, len(got.Text), len(want))
		}
	}
	var n int
	b.eval(`document.querySelectorAll("#log > li").length`, &n)
	if n != 1 {
		t.Errorf("the second window shows %d questions, want its own", n)
	}
}

// modelServer serves the small model as a hub does.
func modelServer(t *testing.T) (*httptest.Server, *modelFile) {
	t.Helper()
	f := &modelFile{content: readTestdata(t, "models/stories260K-F16.gguf"), etag: `"s"`}
	mux := http.NewServeMux()
	mux.Handle("/small.gguf", f)
	s := newOrigin(mux)
	t.Cleanup(s.Close)
	return s, f
}

// use chooses a model and waits until it answers.
func use(tb *tab, url string) {
	tb.t.Helper()
	js, _ := json.Marshal(url)
	tb.eval(fmt.Sprintf(`document.getElementById("model").value = %s, document.getElementById("model-form").requestSubmit()`, js), nil)
	time.Sleep(200 * time.Millisecond)
	tb.waitFor(`document.getElementById("facts").textContent.includes("thread")`)
}

// TestExtensionModelDeleted deletes the model while it answers: the question fails and says why, and the next one works.
func TestExtensionModelDeleted(t *testing.T) {
	x := installExtension(t)
	server, f := modelServer(t)
	tb := x.panel(7)
	cold(tb, long)
	use(tb, server.URL+"/small.gguf")
	if got := askPanel(tb, "Once upon a time"); !strings.HasPrefix(got.Text, story) {
		t.Fatalf("answer = %+v", got)
	}
	if n, _ := f.served(); n == 0 {
		t.Fatal("the model was never fetched")
	}
	whileGrowing(tb, `document.querySelector("#stored button").click()`)
	submitPanel(tb, "Once upon a time")
	if got := endOfLast(tb); got.State != "failed" || !strings.Contains(got.Foot, "small.gguf was deleted while it was in use") {
		t.Errorf("after the deletion: %s %q", got.State, got.Foot)
	}
	tb.waitFor(`document.getElementById("stored").textContent.includes("Only the bundled model")`)
	change(tb, "max-tokens", 40)
	if got := askPanel(tb, "Once upon a time"); got.State != "done" {
		t.Errorf("the next question: %+v", got)
	}
}

// TestExtensionRestart restarts the browser: the model, the settings, the style and the answers are there, offline.
func TestExtensionRestart(t *testing.T) {
	x := installExtension(t)
	server, f := modelServer(t)
	tb := x.panel(7)
	cold(tb, 40)
	teachPanel(tb)
	use(tb, server.URL+"/small.gguf")
	want := askPanel(tb, "Once upon a time")
	if want.State != "done" || !strings.HasPrefix(want.Text, story) {
		t.Fatalf("answer = %+v", want)
	}
	f.served()
	x.close()
	server.Close()
	x.start()
	tb = x.panel(7)
	t.Run("the answers are there", func(t *testing.T) {
		if got := endOfLast(tb); got.Text != want.Text {
			t.Errorf("last answer = %+v, want %+v", got, want)
		}
	})
	t.Run("the weights are there, without a network", func(t *testing.T) {
		if got := askPanel(tb, "Once upon a time"); got.State != "done" || got.Text != want.Text {
			t.Errorf("answer = %+v, want %+v", got, want)
		}
	})
	t.Run("the style is there", func(t *testing.T) {
		tb.waitFor(`document.getElementById("style-state").textContent.startsWith("Learned from 3 samples")`)
	})
}

// everythingKept is what an extension's page finds of what was kept: values and jobs by key, files of models, pools and
// adapters, and the record of consent.
const everythingKept = `(async () => {
	const open = await new Promise((resolve) => { const r = indexedDB.open("pastel-extension"); r.onsuccess = () => resolve(r.result); });
	const keys = (store) => new Promise((resolve) => { const r = open.transaction(store).objectStore(store).getAllKeys(); r.onsuccess = () => resolve(r.result); });
	const files = [];
	const walk = async (dir) => { for await (const [name, entry] of dir.entries()) entry.kind === "file" ? files.push(name) : await walk(entry); };
	await walk(await navigator.storage.getDirectory());
	return { values: await keys("values"), jobs: (await keys("jobs")).length, files: files.length, consent: JSON.parse(localStorage["pastel-consent"] ?? "[]").length };
})()`

// TestExtensionDeleteAll deletes everything: nothing of models, pools, adapters, samples, answers, settings, pages and
// consent is left, nor does it come back with the next setting or the next start.
func TestExtensionDeleteAll(t *testing.T) {
	x := installExtension(t)
	server, f := modelServer(t)
	tb := x.panel(7)
	cold(tb, 40)
	pickSample(x, tb)
	teachPanel(tb)
	serverSettings(tb, "https://models.example/v1", "hybrid", 0)
	tb.eval(`document.querySelector("#consent button").click()`, nil)
	use(tb, server.URL+"/small.gguf")
	askPanel(tb, "Once upon a time")
	site := askingSite(t)
	page := x.open(site.URL)
	begin(page, x.id, "Once upon a time", 40)
	tb.waitFor(`document.querySelector("#approvals button") !== null`)
	tb.eval(`document.querySelector("#approvals button").click()`, nil)
	endOfRun(page)
	type kept struct {
		Values               []string
		Jobs, Files, Consent int
	}
	var before, after kept
	tb.eval(everythingKept, &before)
	if len(before.Values) < 4 || before.Jobs != 2 || before.Files == 0 || before.Consent != 1 {
		t.Fatalf("before: %+v", before)
	}

	tb.eval(`document.getElementById("delete-all").click()`, nil)
	tb.waitFor(`document.getElementById("status").textContent === "Deleted."`)
	tb.waitFor(`document.querySelectorAll("#log > li").length === 0 && document.getElementById("model").value === ""`)
	if tb.eval(everythingKept, &after); len(after.Values) != 0 || after.Jobs != 0 || after.Files != 0 || after.Consent != 0 {
		t.Errorf("after: %+v", after)
	}
	var shown []string
	tb.eval(`["samples", "server-url", "server-model", "pool"].map((id) => document.getElementById(id).value)`, &shown)
	if strings.Join(shown, "") != "" {
		t.Errorf("the panel still shows %q", shown)
	}
	tb.waitFor(`document.getElementById("style-state").textContent === "Nothing learned yet."`)

	f.served()
	cold(tb, 40) // saves settings
	x.close()
	x.start()
	tb = x.panel(7)
	if got := askPanel(tb, "Once upon a time"); !strings.HasPrefix(got.Text, story) || !strings.Contains(got.Foot, "on this device: ") {
		t.Errorf("answer = %+v", got)
	}
	if n, _ := f.served(); n != 0 {
		t.Errorf("the deleted model was fetched again, %d requests", n)
	}
	tb.eval(everythingKept, &after)
	if strings.Join(after.Values, " ") != "settings" || after.Jobs != 1 || after.Consent != 0 {
		t.Errorf("after the restart: %+v", after)
	}
}
