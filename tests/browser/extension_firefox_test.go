package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pastel/web/build"
)

// firefoxUUID is where Firefox puts the extension's pages: a preference in web_bidi_test.go says so.
const firefoxUUID = "5a5e1000-0000-4000-8000-000000000001"

// installInFirefox starts Firefox with the extension in it.
func installInFirefox(t *testing.T) *firefox {
	t.Helper()
	files, err := build.Extension("../../web", "firefox")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/pastel"
	if err := files.Write(dir); err != nil {
		t.Fatal(err)
	}
	ff := startFirefox(t, "--remote-allow-system-access") // else no tab may open the panel, nor a test the menu
	ff.call("webExtension.install", map[string]any{"extensionData": map[string]any{"type": "path", "path": dir}}, nil)
	return ff
}

// waitFor waits until a condition holds in the current tab.
func (f *firefox) waitFor(condition string) {
	f.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var holds bool
		if f.eval(condition, &holds); holds {
			return
		}
		if time.Now().After(deadline) {
			var text string
			f.eval("document.body.innerText", &text)
			f.t.Fatalf("never came true: %s\nthe page says: %s", condition, text)
		}
	}
}

// openPanel opens the panel's page in the current tab, for answers that repeat.
func (f *firefox) openPanel(maxTokens int) {
	f.t.Helper()
	f.goTo("moz-extension://" + firefoxUUID + "/panel.html?window=7")
	f.waitFor(`document.getElementById("facts").textContent.includes("thread")`)
	f.eval(fmt.Sprintf(`(() => { for (const [id, v] of [["temperature", 0], ["max-tokens", %d]]) {
		const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("change")); } })()`, maxTokens), nil)
}

// inBrowser evaluates an expression in the browser's own window.
func (f *firefox) inBrowser(expression string, dst any) {
	f.t.Helper()
	var tree struct{ Contexts []struct{ Context string } }
	f.call("browsingContext.getTree", map[string]any{"moz:scope": "chrome"}, &tree)
	tab := f.context
	defer func() { f.context = tab }()
	f.context = tree.Contexts[0].Context
	f.eval(expression, dst)
}

// chooseFromMenu opens the page's menu with the mouse and chooses an entry.
func (f *firefox) chooseFromMenu(entry string) {
	f.t.Helper()
	f.call("input.performActions", map[string]any{"context": f.context, "actions": []any{map[string]any{
		"type": "pointer", "id": "mouse", "actions": []any{
			map[string]any{"type": "pointerMove", "x": 50, "y": 50},
			map[string]any{"type": "pointerDown", "button": 2},
			map[string]any{"type": "pointerUp", "button": 2},
		}}}}, nil)
	f.inBrowser(fmt.Sprintf(`(async () => {
		const menu = document.getElementById("contentAreaContextMenu");
		for (;;) {
			const item = menu.state === "open" && [...menu.querySelectorAll("menuitem")].find((e) => e.label === %q);
			if (item) return menu.activateItem(item), null;
			await new Promise((r) => setTimeout(r, 50));
		}
	})()`, entry), nil)
}

// TestExtensionFirefox asks in the panel of the Firefox build.
func TestExtensionFirefox(t *testing.T) {
	ff := installInFirefox(t)
	ask := func(n int) (got lastAnswer) {
		t.Helper()
		ff.eval(`(() => { document.getElementById("ask").value = "Once upon a time"; document.getElementById("composer").requestSubmit(); })()`, nil)
		ff.waitFor(fmt.Sprintf(`document.querySelectorAll("#log > li:not([aria-busy])").length === %d`, n))
		ff.eval(readLast, &got)
		return got
	}
	ff.openPanel(40)
	first := ask(1)
	if first.State != "done" || !strings.HasPrefix(first.Text, story) {
		t.Fatalf("answer = %+v", first)
	}
	ff.eval(`(() => { document.getElementById("samples").value = "what is my bank balance"; document.getElementById("teach").click(); })()`, nil)
	ff.waitFor(`document.getElementById("style-state").textContent.startsWith("Learned from 1 samples")`)
	if styled := ask(2); styled.State != "done" || styled.Text == first.Text {
		t.Errorf("in my style = %+v", styled)
	}
	ff.goTo("moz-extension://" + firefoxUUID + "/panel.html?window=7")
	ff.waitFor(`document.querySelectorAll("#log > li:not([aria-busy])").length === 2`)
}

// TestExtensionFirefoxPage lets a page use the model: the user lets it in from the page's menu, then allows its origin.
// The background page, which is the host here, is ended in the middle of an answer as Firefox ends idle ones; the
// answer must come out as if nothing had happened.
func TestExtensionFirefoxPage(t *testing.T) {
	ff := installInFirefox(t)
	panel := ff.context
	ff.openPanel(40)
	var page struct{ Context string }
	ff.call("browsingContext.create", map[string]any{"type": "tab"}, &page)
	ff.context = page.Context
	site := askingSite(t)
	ff.goTo(site.URL)
	begin := func(n int) {
		t.Helper()
		ff.waitFor(`typeof begin === "function"`)
		ff.eval(fmt.Sprintf(`begin("", "Once upon a time", %d)`, n), nil)
	}
	end := func() (got pageRun) {
		t.Helper()
		ff.waitFor(`run.over`)
		ff.eval(`run`, &got)
		return got
	}
	begin(long)
	time.Sleep(300 * time.Millisecond)
	var got pageRun
	if ff.eval(`run`, &got); len(got.States) != 0 {
		t.Errorf("a page that was not let in heard %v", got.States)
	}
	ff.goTo(site.URL)
	ff.chooseFromMenu("Let this page use Pastel")
	begin(long)
	ff.waitFor(`run.states.includes("approval")`)
	ff.context = panel
	ff.waitFor(fmt.Sprintf(`document.getElementById("approvals").innerText.includes(%q)`, site.URL))
	ff.eval(`document.querySelector("#approvals button").click()`, nil)
	ff.context = page.Context
	whole := end()
	if whole.Code != "" || !strings.HasPrefix(whole.Text, story) {
		t.Fatalf("answer = %+v", whole)
	}
	t.Run("background page ended in the middle", func(t *testing.T) {
		begin(long)
		ff.waitFor(`run.text.length > 40`)
		ff.inBrowser(`WebExtensionPolicy.getByID("pastel@pastel.example").extension.terminateBackground()`, nil)
		if got := end(); got.Text != whole.Text || got.Code != "" {
			t.Errorf("%d characters, want %d, code %q", len(got.Text), len(whole.Text), got.Code)
		}
	})
}
