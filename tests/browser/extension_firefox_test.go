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

// TestExtensionFirefox installs the Firefox build and asks in its panel.
func TestExtensionFirefox(t *testing.T) {
	files, err := build.Extension("../../web", "firefox")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/pastel"
	if err := files.Write(dir); err != nil {
		t.Fatal(err)
	}
	ff := startFirefox(t, "--remote-allow-system-access") // else no tab may open the panel
	ff.call("webExtension.install", map[string]any{"extensionData": map[string]any{"type": "path", "path": dir}}, nil)
	waitFor := func(condition string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			var holds bool
			if ff.eval(condition, &holds); holds {
				return
			}
			if time.Now().After(deadline) {
				var text string
				ff.eval("document.body.innerText", &text)
				t.Fatalf("never came true: %s\nthe page says: %s", condition, text)
			}
		}
	}
	ask := func(n int) (got lastAnswer) {
		t.Helper()
		ff.eval(`(() => { document.getElementById("ask").value = "Once upon a time"; document.getElementById("composer").requestSubmit(); })()`, nil)
		waitFor(fmt.Sprintf(`document.querySelectorAll("#log > li:not([aria-busy])").length === %d`, n))
		ff.eval(readLast, &got)
		return got
	}
	ff.goTo("moz-extension://" + firefoxUUID + "/panel.html?window=7")
	waitFor(`document.getElementById("facts").textContent.includes("thread")`)
	ff.eval(`(() => { for (const [id, v] of [["temperature", 0], ["max-tokens", 40]]) {
		const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("change")); } })()`, nil)
	first := ask(1)
	if first.State != "done" || !strings.HasPrefix(first.Text, story) {
		t.Fatalf("answer = %+v", first)
	}
	ff.eval(`(() => { document.getElementById("samples").value = "what is my bank balance"; document.getElementById("teach").click(); })()`, nil)
	waitFor(`document.getElementById("style-state").textContent.startsWith("Learned from 1 samples")`)
	if styled := ask(2); styled.State != "done" || styled.Text == first.Text {
		t.Errorf("in my style = %+v", styled)
	}
	ff.goTo("moz-extension://" + firefoxUUID + "/panel.html?window=7")
	waitFor(`document.querySelectorAll("#log > li:not([aria-busy])").length === 2`)
}
