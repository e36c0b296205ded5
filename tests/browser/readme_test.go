package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/web/build"
	"pastel/worker"
	"pastel/worker/native"
	"pastel/worker/suite"
)

// packageFiles are the npm package and a model, as a site serves them.
func packageFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := build.Package("../../web")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string][]byte{"/models/stories260K.gguf": readTestdata(t, "models/stories260K.gguf")}
	for name, content := range files {
		served["/"+name] = content
	}
	return served
}

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
	served := packageFiles(t)
	served["/readme.js"] = []byte(script + "\nwindow.ended = true;")
	tb := openTab(t, serveSite(t, "/readme.js", served).URL)
	tb.waitFor(`window.ended`)
	var text string
	if tb.eval(`document.body.innerText`, &text); len(strings.Fields(text)) < 3 {
		t.Errorf("the page says %q, want a story", text)
	}
}

// TestPackageReadmeHybrid runs the lines of web/README.md that ask a server, on the
// adapter that the section before it makes.
func TestPackageReadmeHybrid(t *testing.T) {
	readme, err := os.ReadFile("../../web/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Harder questions to a server")
	_, rest, _ := strings.Cut(section, "```js\n")
	script, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("web/README.md has no script")
	}
	served := packageFiles(t)
	pool, err := filepath.Glob("../../testdata/pool/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pool {
		served["/pool/"+filepath.Base(path)] = readTestdata(t, "pool/"+filepath.Base(path))
	}
	site := serveSite(t, "/readme.js", served)

	upstream := suite.NewUpstream(t)
	settings := suite.DefaultSettings(upstream.Serving("edge", "echo"))
	settings.Origins = []string{site.URL}
	edge, err := worker.New(settings.Config(&worker.Memory{}, native.Client()))
	if err != nil {
		t.Fatal(err)
	}
	server := newOrigin(edge)
	t.Cleanup(server.Close)
	site.csp = strings.Replace(strictCSP, "connect-src 'self'", "connect-src 'self' "+server.URL, 1)
	site.serve("/readme.js", []byte(strings.NewReplacer(
		`"pastel-llm"`, `"./index.js"`, "https://edge.example", server.URL, `"big"`, `"echo"`, `"…"`, `"derivative ( of 17 enzymes ;"`, `0.2`, `1`,
	).Replace(`import { Engine } from "pastel-llm";
		const engine = await Engine.create({ model: "models/stories260K.gguf" });
		const mine = await engine.customize(["please freeze my account", "when is my bill due"], { pool: "/pool/pool.json" });
		const someOfTheUsersQuestions = ["freeze my savings", "Once upon a time"];
		const shortLivedToken = () => "`+suite.Token+`";
		const shown = [];
		const show = (event) => shown.push(event);
	`+script+`window.ended = JSON.stringify(shown.at(-1));`)))

	tb := openTab(t, site.URL)
	tb.waitFor(`window.ended !== undefined`)
	var last string
	if tb.eval(`window.ended`, &last); !strings.Contains(last, `"where":"server:`) || !strings.Contains(last, `"text":"derivative ( of 17 enzymes ;"`) {
		t.Errorf("the last event is %s", last)
	}
}
