package offload

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"

	"pastel/tests/browser/chrome"
)

// bundleEntry builds a TypeScript entry point with what it imports.
func bundleEntry(t testing.TB, entry string) []byte {
	t.Helper()
	path, err := filepath.Abs(entry)
	if err != nil {
		t.Fatal(err)
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{path}, Bundle: true, Format: api.FormatESModule, Target: api.ES2022, Write: false,
	})
	if len(result.Errors) > 0 {
		t.Fatalf("esbuild: %v", result.Errors)
	}
	return result.OutputFiles[0].Contents
}

// A page is a browser tab with the routing client, on its own origin.
type page struct {
	t      testing.TB
	ctx    context.Context
	origin string
}

// openPage starts Chromium on the page of page.ts.
func openPage(t testing.TB) *page { return openPageOf(t, bundleEntry(t, "page.ts"), nil) }

// openPageOf starts Chromium on a page served on loopback: a script, and files by
// path.
func openPageOf(t testing.TB, script []byte, files map[string][]byte) *page {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`)
			return
		}
		data, ok := files[r.URL.Path]
		if r.URL.Path == "/page.js" {
			data, ok = script, true
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, r.URL.Path, time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	p := &page{t, chrome.Start(t), server.URL}
	if err := chromedp.Do(p.ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatalf("opening the page: %v", err)
	}
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[bool]("globalThis.ready === true")); err != nil {
		t.Fatalf("loading the page: %v", err)
	}
	return p
}

// call runs a function of page.ts with a JSON argument and decodes its result.
func (p *page) call(name string, arg, result any) {
	p.t.Helper()
	raw, err := json.Marshal(arg)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](
		"globalThis.api."+name+"("+string(raw)+").then(r => JSON.stringify(r ?? null))", awaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	if result != nil {
		if err := json.Unmarshal([]byte(text), result); err != nil {
			p.t.Fatalf("%s: %v in %s", name, err, text)
		}
	}
}

func awaitPromise(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }

// table reads a table of testdata/offload.
func table(t testing.TB, name string) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "offload", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The TypeScript twin passes the tables of package offload.
func TestTwinPassesTheTables(t *testing.T) {
	p := openPage(t)
	for _, name := range []string{"route", "host", "breaker", "tiebreak", "minimise", "region", "calibrate", "options"} {
		var wrong []string
		p.call("table", map[string]any{"name": name, "rows": table(t, name+".json")}, &wrong)
		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
	}
}

func TestEventParser(t *testing.T) {
	p := openPage(t)
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"plain", "data: a\n\ndata:b\n\n", []string{"a", "b"}},
		{"CR LF, CR and comments", ": ping\r\n\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n", []string{"a", "b", "c"}},
		{"several lines", "event: x\ndata: a\ndata: b\n\n", []string{"a\nb"}},
		{"UTF-8 and a byte order mark", "\ufeffdata: grüße 東京🎨\n\n", []string{"grüße 東京🎨"}},
		{"unfinished", "data: a\n\ndata: b\n", []string{"a"}},
		{"empty data", "data\n\ndata:\n\n", []string{"", ""}},
	} {
		// Cut into pieces of 1, 2, 3 and 1000 bytes.
		for _, size := range []int{1, 2, 3, 1000} {
			var got []string
			p.call("parse", map[string]any{"bytes": []byte(tt.in), "size": size}, &got)
			if g, w := toJSON(got), toJSON(tt.want); g != w {
				t.Errorf("%s in pieces of %d: %s, want %s", tt.name, size, g, w)
			}
		}
	}
}

func toJSON(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}
