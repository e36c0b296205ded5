package lab

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"pastel/kernels"
	"pastel/kernels/program"
	"pastel/tests/browser/chrome"
)

//go:embed page.js
var pageJS string

//go:embed worker.js
var workerJS string

// A Browser is one tab of Chromium on a cross-origin isolated page of a local
// server, which is what shared memory asks for.
type Browser struct {
	do   func(expression string) error
	body []byte // the job to fetch next
	got  []byte // what the page posted
}

// NewBrowser starts Chromium until the end of the test. flags go to V8.
func NewBrowser(t testing.TB, flags ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	b := &Browser{}
	mux := http.NewServeMux()
	text := func(path, contentType, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
			_, _ = io.WriteString(w, body) // the page reports what it lacks
		})
	}
	text("/", "text/html", "<!doctype html><title>lab</title><script src=/page.js></script>")
	text("/page.js", "text/javascript", pageJS)
	text("/worker.js", "text/javascript", workerJS)
	mux.HandleFunc("/job", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b.body) })
	mux.HandleFunc("/answer", func(_ http.ResponseWriter, r *http.Request) { b.got, _ = io.ReadAll(r.Body) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx := chrome.Start(t, flags...)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	b.do = func(expression string) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[float64](expression, chromedp.EvalAwaitPromise))
		return err
	}
	return b
}

// Chromium is a Machine: one flavour and number of threads in a Browser.
type Chromium struct {
	browser *Browser
	flavour program.Flavour
	threads int
	bin     []byte
	q8zero  *int
}

// Machine returns the executor of a flavour with threads threads.
func (b *Browser) Machine(f program.Flavour, threads int) (*Chromium, error) {
	bin, err := program.Build(f)
	return &Chromium{browser: b, flavour: f, threads: threads, bin: bin}, err
}

// Name implements Machine.
func (c *Chromium) Name() string {
	return fmt.Sprintf("chromium/%s/threads=%d", c.flavour, c.threads)
}

// The job, twin of worker.js: a length, this as JSON, and bytes it points into.
type job struct {
	Control  uint32        `json:"control"`
	Arrived  uint32        `json:"arrived"`
	Fill     int           `json:"fill"`
	Pages    int           `json:"pages"`
	Threads  int           `json:"threads"`
	Q8Zero   bool          `json:"q8zero,omitempty"`
	Modules  []jobBytes    `json:"modules"`
	Images   []jobImage    `json:"images,omitempty"`
	Bytes    int           `json:"bytes"` // of all images' spans
	Spans    []jobSpan     `json:"spans,omitempty"`
	Calls    []jobCall     `json:"calls,omitempty"`
	Rounds   int           `json:"rounds"`
	Warm     int           `json:"warm"`
	MinMs    float64       `json:"minMs"`
	modules  map[*byte]int // index of a binary
	blob     []byte
	lastByte int
}

type jobBytes struct {
	At int `json:"at"`
	N  int `json:"n"`
}

type jobSpan struct {
	Addr uint32 `json:"addr"`
	N    int    `json:"n"`
	At   int    `json:"at"` // −1: fill
}

type jobImage struct {
	Tape  uint32    `json:"tape"`
	Ops   int       `json:"ops"`
	Spans []jobSpan `json:"spans"`
}

type jobCall struct {
	Module int    `json:"module"`
	A      uint32 `json:"a"`
	B      uint32 `json:"b"`
}

// newJob starts a job with the product's binary.
func (c *Chromium) newJob() *job {
	j := &job{Arrived: kernels.ControlArrived, Fill: fillByte, Threads: c.threads, modules: map[*byte]int{}}
	j.module(c.bin)
	return j
}

// module adds a binary once.
func (j *job) module(bin []byte) int {
	i, ok := j.modules[&bin[0]]
	if !ok {
		i = len(j.Modules)
		j.modules[&bin[0]] = i
		j.Modules = append(j.Modules, jobBytes{j.bytes(bin), len(bin)})
	}
	return i
}

// bytes adds b to the blob and returns where.
func (j *job) bytes(b []byte) int {
	at := len(j.blob)
	j.blob = append(j.blob, b...)
	return at
}

// span adds a span.
func (j *job) span(mem *kernels.Memory, s Span) jobSpan {
	j.lastByte = max(j.lastByte, int(s.Addr)+s.Bytes)
	out := jobSpan{Addr: uint32(s.Addr), N: s.Bytes, At: -1}
	if !s.Fill {
		out.At = j.bytes(mem.Bytes(s.Addr, s.Bytes))
	}
	return out
}

// room is where the control block is, behind the images, and how many pages of
// memory there are.
func (c *Chromium) room(lastByte int) (control uint32, pages int) {
	control = uint32(lastByte+1<<17) &^ (1<<16 - 1)
	return control, (int(control)+kernels.ControlBytes(c.threads))>>16 + 2
}

// End is the address behind the last byte of the memory that an image runs in.
func (c *Chromium) End(im *Image) kernels.Addr {
	last := 0
	for _, s := range im.Spans {
		last = max(last, int(s.Addr)+s.Bytes)
	}
	_, pages := c.room(last)
	return kernels.Addr(pages << 16)
}

// do sends the job and returns the answer.
func (c *Chromium) do(j *job) ([]byte, error) {
	j.Control, j.Pages = c.room(j.lastByte)
	head, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	c.browser.body = binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	c.browser.body = append(append(c.browser.body, head...), j.blob...)
	if err := c.browser.do("job()"); err != nil {
		return nil, err
	}
	return c.browser.got, nil
}

// Q8Zero implements Machine.
func (c *Chromium) Q8Zero() (int, error) {
	if c.q8zero == nil {
		j := c.newJob()
		j.Threads, j.Q8Zero = 1, true
		b, err := c.do(j)
		if err != nil {
			return 0, err
		}
		c.q8zero = new(int(int32(binary.LittleEndian.Uint32(b))))
	}
	return *c.q8zero, nil
}

// Run implements Machine.
func (c *Chromium) Run(images []*Image) error {
	j := c.newJob()
	for _, im := range images {
		ji := jobImage{Tape: uint32(im.Tape.Addr()), Ops: im.Tape.Len()}
		for _, s := range im.Spans {
			ji.Spans = append(ji.Spans, j.span(im.Mem, s))
			j.Bytes += s.Bytes
		}
		j.Images = append(j.Images, ji)
	}
	b, err := c.do(j)
	if err != nil {
		return err
	}
	for _, im := range images {
		for _, s := range im.Spans {
			b = b[copy(im.Mem.Bytes(s.Addr, s.Bytes), b):]
		}
	}
	return nil
}

// Time implements Machine.
func (c *Chromium) Time(ct *Contest) ([][]float64, error) {
	j := c.newJob()
	for _, s := range ct.Spans {
		j.Spans = append(j.Spans, j.span(ct.Mem, s))
	}
	for _, call := range ct.Calls {
		j.Calls = append(j.Calls, jobCall{j.module(call.Module), call.A, call.B})
	}
	j.Rounds, j.MinMs, j.Warm = ct.Rounds, ct.MinMs, 3
	b, err := c.do(j)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(ct.Calls))
	for i := range out {
		for r := range ct.Rounds {
			out[i] = append(out[i], math.Float64frombits(binary.LittleEndian.Uint64(b[8*(i*ct.Rounds+r):])))
		}
	}
	return out, nil
}
