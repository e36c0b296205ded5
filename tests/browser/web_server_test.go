package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// strictCSP is what the README promises to work under.
const strictCSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; " +
	"style-src 'self'; img-src 'self'; connect-src 'self'"

// scripts builds TypeScript entry points of ../../web with esbuild, by output name.
func scripts(t *testing.T, entries ...string) map[string][]byte {
	t.Helper()
	r := api.Build(api.BuildOptions{
		EntryPoints: entries,
		Bundle:      true,
		Format:      api.FormatESModule,
		Target:      api.ES2022,
		Outdir:      "/out",
		Sourcemap:   api.SourceMapInline,
	})
	for _, m := range r.Errors {
		t.Fatalf("bundle: %s", m.Text)
	}
	files := map[string][]byte{}
	for _, f := range r.OutputFiles {
		files[f.Path[strings.LastIndexByte(f.Path, '/'):]] = f.Contents
	}
	return files
}

// A site serves a page, its scripts and model files, on an origin of its own.
type site struct {
	*httptest.Server
	mux *http.ServeMux
	csp string // sent with everything; strictCSP unless changed before use
}

// serveSite serves files by path, and a page at / that runs script.
func serveSite(t *testing.T, script string, files map[string][]byte) *site {
	s := &site{mux: http.NewServeMux(), csp: strictCSP}
	s.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", s.csp)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>test</title><script type="module" src="%s"></script>`, script)
	})
	s.mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for path, content := range files {
		s.serve(path, content)
	}
	s.Server = newOrigin(s.mux)
	t.Cleanup(s.Close)
	return s
}

// serve serves one file.
func (s *site) serve(path string, content []byte) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", s.csp)
		http.ServeContent(w, r, path, time.Time{}, bytes.NewReader(content))
	})
}

// A modelFile is a file on a server that can misbehave. Fields may be changed
// between requests, under mu.
type modelFile struct {
	mu sync.Mutex

	content []byte
	etag    string // with quotes; "" sends none

	cutAfter  int  // bytes of a body after which the connection is cut; 0: never
	cuts      int  // how many answers to cut; -1: all
	noRanges  bool // ignore Range
	hideSize  bool // cross-origin servers that do not expose Content-Range
	corrupt   int  // how many answers to send with a wrong byte
	statuses  []int
	delay     time.Duration // before every answer
	perKB     time.Duration // pause after every 16 KB
	nRequests int
	nBytes    int64    // body bytes sent
	methods   []string // of every request ever
}

// newModelFile makes n seeded random bytes.
func newModelFile(n int) *modelFile {
	content := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(content)
	return &modelFile{content: content, etag: `"v1"`, cuts: -1}
}

func (f *modelFile) digest() string { return digestOf(f.content) }

func digestOf(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

// chunkDigests is what a published manifest lists.
func (f *modelFile) chunkDigests(chunkBytes int) []string {
	var all []string
	for at := 0; at < len(f.content); at += chunkBytes {
		all = append(all, digestOf(f.content[at:min(at+chunkBytes, len(f.content))]))
	}
	return all
}

// served returns and resets the request and byte counts.
func (f *modelFile) served() (nRequests int, nBytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nRequests, nBytes = f.nRequests, f.nBytes
	f.nRequests, f.nBytes = 0, 0
	return
}

func (f *modelFile) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
}

// waitBytes waits until n body bytes were sent.
func (f *modelFile) waitBytes(t *testing.T, n int64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		sent := int64(0)
		f.change(func() { sent = f.nBytes })
		if sent >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("server sent %d bytes, waited for %d", sent, n)
		}
	}
}

// ServeHTTP answers one request with whatever fault is set.
func (f *modelFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.nRequests++
	f.methods = append(f.methods, r.Method)
	rangeHeader := r.Header.Get("Range")
	if f.etag != "" && r.Header.Get("If-Range") != "" && r.Header.Get("If-Range") != f.etag {
		rangeHeader = ""
	}
	if f.noRanges {
		rangeHeader = ""
	}
	status := 0
	if len(f.statuses) > 0 {
		status, f.statuses = f.statuses[0], f.statuses[1:]
	}
	body, start := f.content, 0
	if rangeHeader != "" {
		var end int
		fmt.Sscanf(rangeHeader, "bytes=%d-%d", &start, &end)
		body = body[start:min(end+1, len(body))]
	}
	if f.corrupt > 0 && len(body) > 1 {
		f.corrupt--
		body = bytes.Clone(body)
		body[len(body)/2] ^= 1
	}
	cut := len(body)
	if f.cutAfter > 0 && f.cutAfter < len(body) && f.cuts != 0 {
		cut = f.cutAfter
		f.cuts--
	}
	size, etag, hide, delay, perKB := len(f.content), f.etag, f.hideSize, f.delay, f.perKB
	f.mu.Unlock()

	time.Sleep(delay)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	if !hide {
		h.Set("Access-Control-Expose-Headers", "ETag, Content-Range, X-Linked-Etag")
	}
	if etag != "" {
		h.Set("ETag", etag)
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if rangeHeader != "" {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, start+len(body)-1, size))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return
	}
	f.send(w, body[:cut], perKB)
	if cut < len(body) {
		time.Sleep(100 * time.Millisecond) // an error drops what the reader has not seen yet
		panic(http.ErrAbortHandler)
	}
}

func (f *modelFile) send(w http.ResponseWriter, body []byte, perKB time.Duration) {
	for len(body) > 0 {
		n, err := w.Write(body[:min(16<<10, len(body))])
		f.change(func() { f.nBytes += int64(n) })
		if err != nil {
			return
		}
		body = body[n:]
		if perKB > 0 {
			w.(http.Flusher).Flush()
			time.Sleep(perKB)
		}
	}
	w.(http.Flusher).Flush()
}
