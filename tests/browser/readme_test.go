package browser

import (
	"os"
	"strings"
	"testing"

	"pastel/web/build"
)

// TestReadmeExample runs the lines of README.md's first screen against the npm package.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), `<script type="module">`)
	script, _, found := strings.Cut(rest, "</script>")
	if !found {
		t.Fatal("README.md has no script")
	}
	files, err := build.Package("../../web")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string][]byte{
		"/readme.js":               []byte(script + "\nwindow.ended = true;"),
		"/models/stories260K.gguf": readTestdata(t, "models/stories260K.gguf"),
	}
	for name, content := range files {
		served["/"+name] = content
	}
	tb := openTab(t, serveSite(t, "/readme.js", served).URL)
	tb.waitFor(`window.ended`)
	var text string
	if tb.eval(`document.body.innerText`, &text); len(strings.Fields(text)) < 3 {
		t.Errorf("the page says %q, want a story", text)
	}
}
