package browser

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"pastel/web/build"
)

// TestExtensionPanelStates takes the panel through its states and checks what each says. With
// PASTEL_SCREENSHOTS set to a folder it keeps pictures of them: those in docs/ were made so.
func TestExtensionPanelStates(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	cold(tb, 60)
	says := func(texts ...string) {
		t.Helper()
		var all string
		tb.eval(`document.body.innerText`, &all)
		for _, text := range texts {
			if !strings.Contains(all, text) {
				t.Errorf("the panel does not say %q", text)
			}
		}
	}
	says("Select text on a page")
	shoot(t, tb, "empty", false)
	x.click("summarise", "Once upon a time, there was a little girl named Lily.", 7)
	tb.waitFor(`document.querySelectorAll("#log > li").length === 1`)
	endOfLast(tb)
	says("Summarise", "Answered on this device")
	shoot(t, tb, "answer", false)
	shoot(t, tb, "answer-dark", true)
	x.click("ask", "The little dog was sad because it lost its ball.", 7)
	tb.waitFor(`!document.getElementById("quote").hidden`)
	says("The little dog was sad", "Remove the selected text")
	shoot(t, tb, "ask", false)
	teachPanel(tb)
	tb.eval(`document.getElementById("style-part").open = true`, nil)
	tb.eval(`document.getElementById("style-part").scrollIntoView()`, nil)
	shoot(t, tb, "style", false)
	tb.eval(`document.getElementById("style-part").open = false`, nil)
	serverSettings(tb, "https://models.example/v1", "hybrid", 0.5)
	tb.eval(`document.getElementById("server-part").open = true, document.getElementById("server-part").scrollIntoView()`, nil)
	says("If you agree, your question with its selected text may be sent to models.example.")
	shoot(t, tb, "server", false)
	tb.eval(`document.getElementById("server-part").open = false, scrollTo(0, 0)`, nil)
	site := askingSite(t)
	begin(x.open(site.URL), x.id, "Once", 20)
	tb.waitFor(`document.getElementById("approvals").innerText.includes("wants to use")`)
	shoot(t, tb, "approval", true)
}

// shoot keeps a picture of the panel as somebody with a light or dark system sees it.
func shoot(t *testing.T, tb *tab, name string, dark bool) {
	t.Helper()
	dir := os.Getenv("PASTEL_SCREENSHOTS")
	if dir == "" {
		return
	}
	theme := map[bool]string{false: "light", true: "dark"}[dark]
	png, err := chromedp.Run(tb.ctx, screenshot(theme, 400, 760))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "extension-"+name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExtensionZip packs twice and gets the same bytes; the manifest asks for no more than it should.
func TestExtensionZip(t *testing.T) {
	for browser, want := range map[string]string{
		"chrome":  `["contextMenus","offscreen","sidePanel","unlimitedStorage"]`,
		"firefox": `["contextMenus","activeTab","scripting","unlimitedStorage"]`,
	} {
		var packed [2]bytes.Buffer
		for i := range packed {
			files, err := build.Extension("../../web", browser)
			if err != nil {
				t.Fatal(err)
			}
			if err := files.Zip(&packed[i]); err != nil {
				t.Fatal(err)
			}
			var manifest map[string]json.RawMessage
			if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			json.Compact(&got, manifest["permissions"])
			if got.String() != want || manifest["host_permissions"] != nil || manifest["content_scripts"] != nil {
				t.Errorf("%s: permissions %s, want %s and no hosts", browser, got.String(), want)
			}
			for name, content := range files {
				if strings.HasSuffix(name, ".js") && (bytes.Contains(content, []byte("eval(")) || bytes.Contains(content, []byte("createObjectURL"))) {
					t.Errorf("%s: %s has eval or a blob", browser, name)
				}
			}
		}
		if !bytes.Equal(packed[0].Bytes(), packed[1].Bytes()) {
			t.Errorf("%s: two zips of the same source differ", browser)
		}
	}
}
