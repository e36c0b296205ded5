package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pastel/web/build"
)

// TestWebPackage holds the npm package to its size, its exports to files, and runs
// it as a page without a bundler does, from a folder of its own.
func TestWebPackage(t *testing.T) {
	files, err := build.Package("../../web")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes unpacked, without declarations", files.Size())
	if files.Size() > 2_800_000 {
		t.Errorf("the package has %d bytes, want less than 3 MB with declarations", files.Size())
	}
	var manifest struct {
		Name         string
		Type         string
		Exports      map[string]json.RawMessage
		Dependencies map[string]string
	}
	if err := json.Unmarshal(files["package.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Type != "module" || len(manifest.Dependencies) > 0 {
		t.Errorf("type %s with dependencies %v, want module with none", manifest.Type, manifest.Dependencies)
	}
	for name, target := range manifest.Exports {
		var path string
		if json.Unmarshal(target, &path) != nil {
			continue // conditions: checked by loading it below
		}
		if files[strings.TrimPrefix(path, "./")] == nil {
			t.Errorf("export %s is %s, which is not in the package", name, path)
		}
	}
	s := engineSite(t)
	for name, content := range files {
		s.serve("/vendor/pastel-llm/"+name, content)
	}
	s.serve("/plain.js", []byte(`import { Engine } from "/vendor/pastel-llm/index.js";
		window.answer = (async () => {
			const engine = await Engine.create({ model: "/stories.gguf" });
			const r = await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 });
			return r.choices[0].text;
		})();`))
	s.mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", strictCSP)
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>plain</title><script type="module" src="/plain.js"></script>`))
	})
	tb := openTab(t, s.URL+"/plain")
	var got string
	tb.eval("answer", &got)
	if got != story {
		t.Errorf("answer = %q, want %q", got, story)
	}
}

// TestWebFromAnotherOrigin runs the package from another origin, as from a CDN: all the
// page adds is a worker of one line on its own origin.
func TestWebFromAnotherOrigin(t *testing.T) {
	files, err := build.Package("../../web")
	if err != nil {
		t.Fatal(err)
	}
	cdn := serveSite(t, "", nil)
	for name, content := range files {
		cdn.mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
		})
	}
	s := engineSite(t)
	s.csp = fmt.Sprintf("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' %[1]s; worker-src 'self' %[1]s; connect-src 'self' %[1]s", cdn.URL)
	s.serve("/pastel-worker.js", []byte(fmt.Sprintf("import %q;", cdn.URL+"/worker.js")))
	tb := openTab(t, s.URL)
	got := must[string](tb, fmt.Sprintf(`
		const { Engine } = await import(%q);
		const engine = await Engine.create({ model: "/stories.gguf", workerUrl: "/pastel-worker.js" });
		return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text;`, cdn.URL+"/index.js"))
	if got != story {
		t.Errorf("answer = %q, want %q", got, story)
	}
}
