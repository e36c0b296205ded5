package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// chunkBytes is small, so that a small file has many chunks.
const chunkBytes = 64 << 10

// source is the fields of the TypeScript Source that tests set.
type source struct {
	URL        string   `json:"url"`
	File       string   `json:"file"`
	Size       int      `json:"size,omitempty"`
	SHA256     string   `json:"sha256,omitempty"`
	Chunks     []string `json:"chunks,omitempty"`
	ChunkBytes int      `json:"chunkBytes,omitempty"`
}

// progress is one event.
type progress struct {
	Phase, File   string
	Loaded, Total float64
	Ratio         float64
}

// fetched is what the scenario "fetch" returns.
type fetched struct {
	Backend, ID    string
	Chunks, Healed int
	Digest         string
	Events         []progress
}

// listed is what the scenario "list" returns.
type listed struct {
	Models []struct {
		ID, File     string
		Size, Stored int
		Complete     bool
	}
	Blobs int
}

// storageSite serves the storage scenarios and one model file at /model.gguf.
func storageSite(t *testing.T, f *modelFile) (*site, source) {
	s := serveSite(t, "/storage.page.js", scripts(t, "../../web/test/storage.page.ts", "../../web/test/storage.worker.ts"))
	s.mux.Handle("/model.gguf", f)
	return s, source{URL: s.URL + "/model.gguf", File: "model.gguf", ChunkBytes: chunkBytes}
}

func TestWebDownload(t *testing.T) {
	const size = 20*chunkBytes + 12345 // 21 chunks, the last one short
	for _, tt := range []struct {
		name    string
		fault   func(f *modelFile)
		source  func(s *source, f *modelFile)
		backend string
		errors  []string // console errors the fault causes
	}{
		{name: "plain", fault: func(*modelFile) {}},
		{name: "indexeddb", fault: func(*modelFile) {}, backend: "idb"},
		{name: "no etag", fault: func(f *modelFile) { f.etag = "" }},
		{name: "server ignores ranges", fault: func(f *modelFile) { f.noRanges = true }},
		{name: "server ignores ranges and cuts twice", fault: func(f *modelFile) { f.noRanges, f.cutAfter, f.cuts = true, size/2, 2 }, errors: []string{"ERR_"}},
		{name: "connections cut", fault: func(f *modelFile) { f.cutAfter, f.cuts = chunkBytes/3, 20 }, errors: []string{"ERR_"}},
		{name: "busy server", fault: func(f *modelFile) { f.statuses = []int{503, 429, 500, 0, 503} }, errors: []string{"status of"}},
		{name: "published digest", fault: func(*modelFile) {}, source: func(s *source, f *modelFile) { s.SHA256, s.Size = f.digest(), size }},
		{name: "digest as etag", fault: func(f *modelFile) { f.etag = `"` + f.digest() + `"` }},
		{name: "chunk digests, three wrong answers", fault: func(f *modelFile) { f.corrupt = 3 }, source: func(s *source, f *modelFile) { s.Chunks = f.chunkDigests(chunkBytes) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newModelFile(size)
			tt.fault(f)
			s, src := storageSite(t, f)
			if tt.source != nil {
				tt.source(&src, f)
			}
			tb := openTab(t, s.URL)
			backend := tt.backend
			if backend == "" {
				backend = "best"
			}
			got := mustRun[fetched](tb, "fetch", src, backend)
			if got.Digest != f.digest() {
				t.Errorf("stored bytes have digest %s, want %s", got.Digest, f.digest())
			}
			if want := map[string]string{"best": "opfs", "idb": "idb"}[backend]; got.Backend != want {
				t.Errorf("backend = %s, want %s", got.Backend, want)
			}
			if got.Chunks != 21 || got.Healed != 0 {
				t.Errorf("chunks, healed = %d, %d, want 21, 0", got.Chunks, got.Healed)
			}
			checkProgress(t, got.Events, size)
			f.served()
			again := mustRun[fetched](tb, "fetch", src, backend)
			if n, _ := f.served(); n != 0 || again.Digest != f.digest() {
				t.Errorf("second load made %d requests, want 0", n)
			}
			tb.forgetErrors(tt.errors...)
		})
	}
}

// checkProgress: every phase begins at exactly 0 and ends at exactly 1.
func checkProgress(t *testing.T, events []progress, size float64) {
	t.Helper()
	first, last := map[string]progress{}, map[string]progress{}
	for _, e := range events {
		if _, seen := first[e.Phase]; !seen {
			first[e.Phase] = e
		}
		last[e.Phase] = e
		if e.Ratio < 0 || e.Ratio > 1 || e.File != "model.gguf" || e.Total != size {
			t.Errorf("bad event %+v", e)
		}
	}
	if len(first) == 0 {
		t.Error("no progress events")
	}
	for phase := range first {
		if first[phase].Ratio != 0 || last[phase].Ratio != 1 {
			t.Errorf("%s goes from %v to %v, want 0 to 1", phase, first[phase].Ratio, last[phase].Ratio)
		}
	}
}

func TestWebDownloadFromAnotherOrigin(t *testing.T) {
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprintf("hidden headers %v", hide), func(t *testing.T) {
			f := newModelFile(5*chunkBytes + 1)
			f.hideSize = hide
			s, src := storageSite(t, newModelFile(10))
			other := serveSite(t, "", nil)
			other.mux.Handle("/model.gguf", f)
			s.csp += " " + other.URL
			src.URL = other.URL + "/model.gguf"
			tb := openTab(t, s.URL)
			if got := mustRun[fetched](tb, "fetch", src); got.Digest != f.digest() {
				t.Error("wrong digest")
			}
			for _, m := range f.methods {
				if m == http.MethodOptions {
					t.Error("a range request cost a preflight")
				}
			}
		})
	}
}

func TestWebDownloadRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(f *modelFile)
		src   func(s *source)
		code  string
	}{
		{"not found", func(f *modelFile) { f.statuses = []int{404, 404} }, nil, "ERR_NET"},
		{"always cut", func(f *modelFile) { f.statuses = []int{500, 500, 500, 500, 500, 500} }, nil, "ERR_NET"},
		{"digest never right", func(f *modelFile) {}, func(s *source) { s.SHA256 = strings.Repeat("0", 64) }, "ERR_HASH"},
		{"size not as published", func(f *modelFile) {}, func(s *source) { s.Size = 7 }, "ERR_HASH"},
		{"chunk digest never right", func(f *modelFile) { f.corrupt = 1000 }, func(s *source) { s.Chunks = []string{strings.Repeat("1", 64), strings.Repeat("2", 64)} }, "ERR_HASH"},
		{"too few chunk digests", func(f *modelFile) {}, func(s *source) { s.Chunks = []string{"00"} }, "ERR_BAD_REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newModelFile(2 * chunkBytes)
			tt.fault(f)
			s, src := storageSite(t, f)
			if tt.src != nil {
				tt.src(&src)
			}
			tb := openTab(t, s.URL)
			_, err := scenario[fetched](tb, "fetch", src)
			if err == nil || err.Code != tt.code {
				t.Errorf("fetch: %v, want %s", err, tt.code)
			}
			for _, m := range mustRun[listed](tb, "list").Models {
				if m.Complete {
					t.Errorf("%s is listed as complete", m.ID)
				}
			}
			tb.forgetErrors("status of")
		})
	}
}

func TestWebDownloadResumesAfterReload(t *testing.T) {
	const nChunks = 24
	f := newModelFile(nChunks * chunkBytes)
	f.perKB = 4 * time.Millisecond
	s, src := storageSite(t, f)
	tb := openTab(t, s.URL)
	tb.eval("void run("+jsArgs([]any{"fetch", src})+")", nil)
	f.waitBytes(t, 10*chunkBytes)
	tb.reload() // the tab goes away in the middle
	half := mustRun[listed](tb, "list")
	if len(half.Models) != 1 || half.Models[0].Complete || half.Models[0].Stored == 0 {
		t.Fatalf("after the reload: %+v, want one incomplete file with something stored", half)
	}
	stored := half.Models[0].Stored
	f.change(func() { f.perKB = 0 })
	f.served()
	got := mustRun[fetched](tb, "fetch", src)
	if got.Digest != f.digest() {
		t.Error("resumed file has a wrong digest")
	}
	if _, nBytes := f.served(); int(nBytes) != len(f.content)-stored {
		t.Errorf("resume fetched %d bytes, want the missing %d", nBytes, len(f.content)-stored)
	}
}

func TestWebDownloadAbortAndResume(t *testing.T) {
	f := newModelFile(24 * chunkBytes)
	f.perKB = 2 * time.Millisecond
	s, src := storageSite(t, f)
	tb := openTab(t, s.URL)
	_, err := scenario[string](tb, "abortAfter", src, 6*chunkBytes)
	if err == nil || err.Code != "ERR_ABORTED" {
		t.Fatalf("abort: %v, want ERR_ABORTED", err)
	}
	f.change(func() { f.perKB = 0 })
	if got := mustRun[fetched](tb, "fetch", src); got.Digest != f.digest() {
		t.Error("resumed file has a wrong digest")
	}
}

func TestWebDownloadFileChanges(t *testing.T) {
	f := newModelFile(24 * chunkBytes)
	f.perKB = 2 * time.Millisecond
	s, src := storageSite(t, f)
	tb := openTab(t, s.URL)
	if _, err := scenario[string](tb, "abortAfter", src, 6*chunkBytes); err == nil {
		t.Fatal("abort did not abort")
	}
	f.change(func() {
		f.perKB, f.etag = 0, `"v2"`
		f.content[0] ^= 255
	})
	if got := mustRun[fetched](tb, "fetch", src); got.Digest != f.digest() {
		t.Error("stored a mixture of two versions")
	}
}

func TestWebStoreHealsOneChunk(t *testing.T) {
	for _, tt := range []struct{ name, how string }{
		{"wrong bytes", "corrupt"},
		{"evicted", "evict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newModelFile(10 * chunkBytes)
			s, src := storageSite(t, f)
			tb := openTab(t, s.URL)
			id := mustRun[fetched](tb, "fetch", src).ID
			mustRun[any](tb, tt.how, id, 4)
			f.served()
			got := mustRun[fetched](tb, "readAll", id)
			if got.Digest != f.digest() || got.Healed != 1 {
				t.Errorf("digest right = %v, healed = %d, want true, 1", got.Digest == f.digest(), got.Healed)
			}
			if n, nBytes := f.served(); n != 1 || nBytes != chunkBytes {
				t.Errorf("healing made %d requests for %d bytes, want 1 for %d", n, nBytes, chunkBytes)
			}
			if again := mustRun[fetched](tb, "readAll", id); again.Healed != 0 {
				t.Error("the healed chunk was not stored")
			}
		})
	}
}

func TestWebStoreCannotHeal(t *testing.T) {
	f := newModelFile(10 * chunkBytes)
	s, src := storageSite(t, f)
	tb := openTab(t, s.URL)
	id := mustRun[fetched](tb, "fetch", src).ID
	mustRun[any](tb, "corrupt", id, 4)
	f.change(func() { f.etag = `"v2"`; f.content[0] ^= 1 })
	if _, err := scenario[fetched](tb, "readAll", id); err == nil || err.Code != "ERR_HASH" {
		t.Errorf("read of a chunk nobody has any more: %v, want ERR_HASH", err)
	}
}

func TestWebStoreQuota(t *testing.T) {
	for _, backend := range []string{"best", "idb"} {
		t.Run(backend, func(t *testing.T) {
			f := newModelFile(64 * chunkBytes) // 4 MB
			s, src := storageSite(t, f)
			tb := openTab(t, s.URL)
			setQuota(tb, s.URL, new(1.5e6))
			_, err := scenario[fetched](tb, "fetch", src, backend)
			if err == nil || err.Code != "ERR_QUOTA" {
				t.Fatalf("fetch over quota: %v, want ERR_QUOTA", err)
			}
			half := mustRun[listed](tb, "list", backend)
			if len(half.Models) != 1 || half.Models[0].Complete {
				t.Fatalf("after the refusal: %+v, want one incomplete file", half)
			}
			setQuota(tb, s.URL, nil)
			if got := mustRun[fetched](tb, "fetch", src, backend); got.Digest != f.digest() {
				t.Error("after more space was given the file has a wrong digest")
			}
		})
	}
}

func setQuota(tb *tab, origin string, nBytes *float64) {
	tb.t.Helper()
	params := storage.OverrideQuotaForOriginParams{Origin: origin, QuotaSize: nBytes}
	if _, err := chromedp.Call(tb.ctx, storage.OverrideQuotaForOrigin, params); err != nil {
		tb.t.Fatalf("override quota: %v", err)
	}
}

func TestWebStoreListDeleteClear(t *testing.T) {
	f := newModelFile(3 * chunkBytes)
	g := newModelFile(3 * chunkBytes)
	g.content[0] ^= 1 // shares two of three chunks
	s, src := storageSite(t, f)
	s.mux.Handle("/other.gguf", g)
	tb := openTab(t, s.URL)
	other := src
	other.URL = s.URL + "/other.gguf"
	id := mustRun[fetched](tb, "fetch", src).ID
	mustRun[fetched](tb, "fetch", other)
	wantList := func(nModels, nBlobs int, when string) {
		t.Helper()
		if l := mustRun[listed](tb, "list"); len(l.Models) != nModels || l.Blobs != nBlobs {
			t.Errorf("%s: %d models in %d chunks, want %d in %d", when, len(l.Models), l.Blobs, nModels, nBlobs)
		}
	}
	wantList(2, 4, "two files that share two chunks")
	mustRun[any](tb, "delete", id)
	wantList(1, 3, "after deleting one")
	mustRun[any](tb, "orphan")
	wantList(1, 3, "after collecting an orphan")
	mustRun[any](tb, "clear")
	wantList(0, 0, "after clear")
}

func TestWebTwoTabsDownloadOnce(t *testing.T) {
	f := newModelFile(16 * chunkBytes)
	f.perKB = time.Millisecond
	s, src := storageSite(t, f)
	one, two := openTab(t, s.URL), openTab(t, s.URL)
	start := "window.result = run(" + jsArgs([]any{"fetch", src}) + "), null"
	one.eval(start, nil)
	two.eval(start, nil)
	for _, tb := range []*tab{one, two} {
		var reply struct{ Value fetched }
		tb.eval("window.result", &reply)
		if reply.Value.Digest != f.digest() {
			t.Error("wrong digest")
		}
	}
	if _, nBytes := f.served(); nBytes > int64(len(f.content))+16 {
		t.Errorf("two tabs fetched %d bytes of a file of %d", nBytes, len(f.content))
	}
}

func TestWebRunningSha256(t *testing.T) {
	s, _ := storageSite(t, newModelFile(10))
	tb := openTab(t, s.URL)
	for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000, 1 << 20} {
		got := mustRun[struct{ Running, Whole string }](tb, "hashes", n)
		if got.Running != got.Whole {
			t.Errorf("%d bytes: running digest %s, crypto.subtle %s", n, got.Running, got.Whole)
		}
	}
}

// TestWebLoadRate logs how fast a stored file reaches wasm memory, verified, next
// to what the storage alone and the digest alone deliver.
func TestWebLoadRate(t *testing.T) {
	f := newModelFile(160 << 20)
	s, src := storageSite(t, f)
	src.ChunkBytes = 0 // the product's
	tb := openTab(t, s.URL)
	start := time.Now()
	id := mustRun[fetched](tb, "fetch", src).ID
	t.Logf("download and one read: %.0f MB/s", float64(len(f.content))/1e6/time.Since(start).Seconds())
	r := mustRun[struct{ Size, StorageMs, VerifiedMs, DigestMs, RunningMsPerChunk float64 }](tb, "rates", id)
	rate := func(ms float64) float64 { return r.Size / 1e3 / ms }
	t.Logf("storage read %.0f MB/s, verified into shared memory %.0f MB/s, digest alone %.0f MB/s, running digest %.0f MB/s",
		rate(r.StorageMs), rate(r.VerifiedMs), rate(r.DigestMs), 8388.608/r.RunningMsPerChunk)
}
