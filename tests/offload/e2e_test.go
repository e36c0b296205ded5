package offload

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pastel/wasm/bundle"
	"pastel/worker"
	"pastel/worker/suite"
	"pastel/worker/workerd"
)

const (
	smallModel = "../../testdata/models/stories260K.gguf"
	bigModel   = "../../testdata/models/TinyStories-656K-f32.gguf"
	bigName    = "TinyStories-656K-f32"
)

// A cable is the wire to the big model: it counts chats and can be cut.
type cable struct {
	*httptest.Server
	chats atomic.Int64
	cut   atomic.Int64 // bytes to let through; 0: all
}

func newCable(t *testing.T, to string) *cable {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without it net/http closes the request's body when the answer begins, while
		// the proxy may still be looking for its end: then the proxy cuts the answer
		// (21 of 20 000 short streams on two busy cores).
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		c.chats.Add(1)
		proxy.ServeHTTP(&scissors{w, c.cut.Load()}, r)
	}))
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

// scissors end a connection after some bytes of a body.
type scissors struct {
	http.ResponseWriter
	left int64
}

func (s *scissors) Write(p []byte) (int, error) {
	if s.left > 0 {
		if s.left -= int64(len(p)); s.left <= 0 {
			panic(http.ErrAbortHandler)
		}
	}
	return s.ResponseWriter.Write(p)
}

func (s *scissors) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// startBig runs `pastel serve --model` as a process and returns its URL.
func startBig(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pastel")
	if out, err := exec.Command("go", "build", "-o", binary, "pastel/cmd/pastel").CombinedOutput(); err != nil {
		t.Fatalf("building pastel: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "serve", "--model", bigModel, "--addr", "127.0.0.1:0", "--threads", "1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "serving "); ok {
			var log strings.Builder
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for lines.Scan() {
					log.WriteString(lines.Text() + "\n")
				}
			}()
			t.Cleanup(func() {
				cmd.Process.Kill()
				<-ended
				if t.Failed() {
					t.Logf("the big model's log:\n%s", &log)
				}
			})
			return strings.TrimSuffix(at, "/v1")
		}
	}
	t.Fatal("pastel serve did not start: its modules are built by `make build`")
	return ""
}

// engineFiles are what a page with the engine serves beside its script.
func engineFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{bundle.Engine, bundle.KernelsSIMD128, bundle.KernelsRelaxed} {
		data, err := bundle.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		files["/"+name] = data
	}
	model, err := os.ReadFile(smallModel)
	if err != nil {
		t.Fatal(err)
	}
	files["/small.gguf"] = model
	for _, entry := range []string{"worker", "helper"} {
		files["/"+entry+".js"] = bundleEntry(t, filepath.Join("..", "..", "web", "src", entry+".ts"))
	}
	return files
}

// e2e is the answer of a question in the page.
type e2e struct {
	Text     string
	Label    label
	Replaced []string
	Pieces   int
}

// The whole product: a page with the real engine, the edge server in the real
// workerd, and a second engine of ours behind it as the larger model.
func TestEndToEnd(t *testing.T) {
	wire := newCable(t, startBig(t))
	p := openPageOf(t, bundleEntry(t, "e2e.ts"), engineFiles(t))
	settings := suite.DefaultSettings(&worker.Upstream{ID: "big", URL: wire.URL + "/v1", Serves: map[string]string{"big": bigName}})
	settings.Origins, settings.Limits.Attempts = []string{p.origin}, 1
	edge := workerd.Start(t, settings, "")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(edge.Logs())
		}
	})
	p.call("load", map[string]any{"model": "/small.gguf"}, nil)

	const easy, hard = "Once upon a time, there was a little girl named", "quarterly revenue of 17 enzymes; derivative ("
	ask := func(text string, policy any) (got e2e) {
		t.Helper()
		p.call("ask", map[string]any{"url": edge.URL + "/v1", "model": "big", "policy": policy, "text": text}, &got)
		return got
	}
	consent := func(agreed bool) {
		p.call("consent", map[string]any{"url": edge.URL + "/v1", "agreed": agreed}, nil)
	}
	// What the device thinks of both, and a threshold in the middle.
	local := map[string]any{"mode": "local"}
	draft, sure := ask(hard, local), ask(easy, local).Label.Signals["geo_mean"]
	unsure := draft.Label.Signals["geo_mean"]
	if !(sure > unsure && unsure > 0 && sure <= 1) {
		t.Fatalf("confidence of the easy query %v, of the hard one %v", sure, unsure)
	}
	hybrid := map[string]any{"mode": "hybrid", "confidence": map[string]any{"on": true, "score": (sure + unsure) / 2, "tie": 0}}
	if wire.chats.Load() != 0 {
		t.Fatal("the server was asked in mode local")
	}

	consent(true)
	if got := ask(easy, hybrid); got.Label.Where != "device" || got.Label.Reason != "confident" || wire.chats.Load() != 0 {
		t.Errorf("easy: %+v, %d requests reached the server", got, wire.chats.Load())
	}
	got := ask(hard, hybrid)
	if want := "server:" + strings.TrimPrefix(edge.URL, "http://"); got.Label.Where != want || got.Label.Reason != "unsure" || got.Text == "" || got.Pieces < 2 {
		t.Errorf("hard: %+v, want a stream from %s", got, want)
	}
	if len(got.Replaced) != 1 || got.Replaced[0] != draft.Text || wire.chats.Load() != 1 {
		t.Errorf("hard: replaced %q, want %q; %d requests", got.Replaced, draft.Text, wire.chats.Load())
	}
	// Out of scope goes before any decode: there is no draft to replace. What is near
	// the samples stays.
	scoped := func(text string) (got e2e) {
		t.Helper()
		p.call("ask", map[string]any{"url": edge.URL + "/v1", "model": "big", "text": text,
			"samples": []string{"Once upon a time, there was a little boy named Tim.", "Lily went to the park with her mom."},
			"others":  []string{"what is the routing number for my bank", "Annual turnover rose by 4.5 per cent (unaudited)."},
			"policy":  map[string]any{"mode": "hybrid", "scope": map[string]any{"on": true, "score": 0, "tie": 0}}}, &got)
		return got
	}
	if near := scoped(easy); near.Label.Where != "device" || !(near.Label.Signals["scope"] > 0) || wire.chats.Load() != 1 {
		t.Errorf("in scope: %+v", near)
	}
	if far := scoped(hard); far.Label.Reason != "out-of-scope" || len(far.Replaced) != 0 || far.Pieces < 2 || !(far.Label.Signals["scope"] < 0) {
		t.Errorf("out of scope: %+v", far)
	}
	// The network is cut in the middle of an answer.
	wire.cut.Store(600)
	if got := ask(hard, hybrid); got.Label.Where != "device" || !got.Label.Fallback || got.Text != draft.Text {
		t.Errorf("cut: %+v, want the device's %q", got, draft.Text)
	}
	// The server is gone altogether.
	wire.CloseClientConnections()
	wire.Listener.Close()
	if got := ask(hard, hybrid); got.Label.Where != "device" || !got.Label.Fallback || got.Text != draft.Text {
		t.Errorf("gone: %+v, want the device's %q", got, draft.Text)
	}
	chats := wire.chats.Load()
	consent(false)
	if got := ask(hard, hybrid); got.Label.Blocked != "ERR_CONSENT" || got.Label.Reason != "no-consent" || wire.chats.Load() != chats {
		t.Errorf("revoked: %+v", got)
	}
	t.Logf("confidence: easy %.3f, hard %.3f; %d requests reached the big model", sure, unsure, chats)
}
