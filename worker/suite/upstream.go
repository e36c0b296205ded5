package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An Upstream is an OpenAI-compatible server on loopback whose behaviour is
// chosen by the model's name, with an optional number: "echo", "count-50", "hang".
type Upstream struct {
	*httptest.Server

	// Forgetful upstreams keep no bodies, for tests that watch memory. Set before use.
	Forgetful bool

	mu     sync.Mutex
	calls  map[string]int // by behaviour
	bodies []string
	auth   []string
	gone   chan time.Time // a caller that left before the answer was done
}

// NewUpstream starts an upstream; it stops with the test.
func NewUpstream(t testing.TB) *Upstream {
	u := &Upstream{calls: map[string]int{}, gone: make(chan time.Time, 1000)}
	u.Server = httptest.NewServer(u)
	t.Cleanup(func() { u.CloseClientConnections(); u.Close() })
	return u
}

// Calls returns how often a behaviour was asked for.
func (u *Upstream) Calls(behaviour string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls[behaviour]
}

// Seen returns the bodies and the Authorization headers received so far.
func (u *Upstream) Seen() (bodies, auth []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string{}, u.bodies...), append([]string{}, u.auth...)
}

// received is how many requests came so far.
func (u *Upstream) received() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, calls := range u.calls {
		n += calls
	}
	return n
}

// WaitGone waits until a caller left before its answer was done.
func (u *Upstream) WaitGone(d time.Duration) bool {
	select {
	case <-u.gone:
		return true
	case <-time.After(d):
		return false
	}
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var req struct {
		Model    string
		Stream   bool
		Messages []struct{ Content any }
	}
	_ = json.Unmarshal(body, &req)
	u.mu.Lock()
	u.calls[req.Model]++
	if !u.Forgetful {
		u.bodies = append(u.bodies, string(body))
		u.auth = append(u.auth, r.Header.Get("Authorization"))
	}
	u.mu.Unlock()
	name, number, _ := strings.Cut(req.Model, "-")
	n, _ := strconv.Atoi(number)
	last := fmt.Sprint(req.Messages[len(req.Messages)-1].Content)
	out := &script{w: w, r: r, u: u, stream: req.Stream, model: req.Model}
	if play, ok := behaviours[name]; ok {
		play(out, last, n)
		return
	}
	http.Error(w, "no behaviour "+name, http.StatusTeapot)
}

// behaviours are what upstreams do in the wild.
var behaviours = map[string]func(s *script, last string, n int){
	"echo":  func(s *script, last string, _ int) { s.answer(strings.SplitAfter(last, " "), 0) },
	"count": func(s *script, _ string, n int) { s.answer(Numbers(n), 0) },
	"slow":  func(s *script, _ string, n int) { s.answer(Numbers(n), 20*time.Millisecond) },
	"late": func(s *script, last string, n int) { // first byte after n milliseconds
		s.wait(time.Duration(n) * time.Millisecond)
		s.answer(strings.SplitAfter(last, " "), 0)
	},
	"hang":    func(s *script, _ string, _ int) { s.wait(time.Hour) },
	"stall":   func(s *script, _ string, n int) { s.pieces(Numbers(n), 0); s.wait(time.Hour) },
	"die":     func(s *script, _ string, _ int) { s.hangUp() },
	"cut":     func(s *script, _ string, n int) { s.pieces(Numbers(n), 0); s.hangUp() },
	"endless": func(s *script, _ string, _ int) { s.answer(Numbers(60_000), time.Millisecond) },
	"status":  func(s *script, _ string, n int) { http.Error(s.w, "secret upstream text", n) },
	"limit": func(s *script, _ string, n int) {
		s.w.Header().Set("Retry-After", strconv.Itoa(n))
		http.Error(s.w, "secret upstream text", http.StatusTooManyRequests)
	},
	"garbage": func(s *script, _ string, _ int) { s.head(); s.raw("data: <html>\n\n") },
	"rot":     func(s *script, _ string, n int) { s.pieces(Numbers(n), 0); s.raw("data: {\"choices\":7\n\n") },
	"html":    func(s *script, _ string, _ int) { s.w.Header().Set("Content-Type", "text/html"); s.raw("<html>") },
	"nodone":  func(s *script, _ string, n int) { s.pieces(Numbers(n), 0) },
	"empty":   func(s *script, _ string, _ int) { s.head(); s.raw("data: [DONE]\n\n") },
	"error": func(s *script, _ string, n int) {
		s.pieces(Numbers(n), 0)
		s.raw("data: {\"error\":{\"message\":\"secret\"}}\n\n")
	},
	"redirect": func(s *script, _ string, _ int) { http.Redirect(s.w, s.r, s.u.URL+"/elsewhere", http.StatusFound) },
	"nousage":  func(s *script, _ string, n int) { s.pieces(Numbers(n), 0); s.raw("data: [DONE]\n\n") },
}

// Numbers returns "0 ", "1 ", … "n-1 ": text whose loss or reordering shows.
func Numbers(n int) []string {
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = strconv.Itoa(i) + " "
	}
	return pieces
}

// A script writes one answer.
type script struct {
	w      http.ResponseWriter
	r      *http.Request
	u      *Upstream
	stream bool
	model  string
	begun  bool
}

func (s *script) head() {
	if s.begun {
		return
	}
	s.begun = true
	kind := "application/json"
	if s.stream {
		kind = "text/event-stream; charset=utf-8"
	}
	s.w.Header().Set("Content-Type", kind)
	s.w.WriteHeader(http.StatusOK)
}

func (s *script) raw(text string) {
	_, _ = io.WriteString(s.w, text)
	_ = http.NewResponseController(s.w).Flush()
}

// wait returns false when the caller left, and notes when.
func (s *script) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.r.Context().Done():
		s.u.gone <- time.Now()
		return false
	}
}

func (s *script) hangUp() { panic(http.ErrAbortHandler) }

// pieces streams text, or, unstreamed, begins an object without ending it.
func (s *script) pieces(pieces []string, pause time.Duration) bool {
	s.head()
	if !s.stream {
		s.raw(`{"choices":[`)
		return true
	}
	for i, p := range pieces {
		if pause > 0 && !s.wait(pause) || s.r.Context().Err() != nil && !s.wait(time.Hour) {
			return false
		}
		text, _ := json.Marshal(p)
		s.raw(fmt.Sprintf(`data: {"id":"x","object":"chat.completion.chunk","created":1,"model":%q,"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}],"usage":null,"seq":%d}`+"\n\n", s.model, text, i))
	}
	return true
}

const usageText = `"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}`

func (s *script) answer(pieces []string, pause time.Duration) {
	if !s.stream {
		s.head()
		text, _ := json.Marshal(strings.Join(pieces, ""))
		s.raw(fmt.Sprintf(`{"id":"x","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],%s}`, s.model, text, usageText))
		return
	}
	if s.pieces(pieces, pause) {
		s.raw(`data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n")
		s.raw(`data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],` + usageText + "}\n\ndata: [DONE]\n\n")
	}
}
