package suite

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pastel/worker"
)

// fast are limits for tests that wait for them, and see the status they end with.
func fast(s worker.Settings) worker.Settings {
	s.Limits.Ping = worker.Duration{Duration: time.Minute}
	s.Limits.FirstByte = worker.Duration{Duration: 400 * time.Millisecond}
	s.Limits.Object = s.Limits.FirstByte
	s.Limits.Idle = worker.Duration{Duration: 400 * time.Millisecond}
	return s
}

// Every failure before the first byte goes to the next upstream, unseen by the client.
func testFailover(t *testing.T, start Start) {
	bad, good := NewUpstream(t), NewUpstream(t)
	behaviours := []string{"die", "status-500", "status-503", "status-401", "status-404", "limit-9", "garbage", "html", "empty", "error-0", "hang", "redirect", "nodone-0"}
	first, second := bad.Serving("bad", behaviours...), good.Serving("good")
	for _, b := range behaviours {
		second.Serves[b] = "echo"
	}
	down := &worker.Upstream{ID: "down", URL: "http://127.0.0.1:1/v1", Serves: second.Serves} // nothing listens
	for _, b := range behaviours {
		h := start(t, fast(DefaultSettings(down, first, second)), "") // breakers are closed again
		for _, stream := range []bool{true, false} {
			if !stream && (b == "garbage" || b == "empty" || b == "error-0" || b == "nodone-0") {
				continue // failures of streams
			}
			r := h.Chat(t, b, "saved", stream)
			if r.Status != 200 || !strings.Contains(r.Body, "saved") {
				t.Errorf("%s, stream %v: %d %s", b, stream, r.Status, r.Body)
			}
			if bad.Calls(b) == 0 {
				t.Errorf("%s: the first upstream was not asked", b)
			}
		}
	}
	if bad.Calls("elsewhere") != 0 {
		t.Error("a redirect was followed")
	}
}

// When no upstream helps, the client learns it as a status with an error object.
func testFaults(t *testing.T, start Start) {
	u := NewUpstream(t)
	names := []string{"die", "status-500", "status-400", "limit-7", "garbage", "html", "empty", "hang"}
	s := fast(DefaultSettings(u.Serving("a", names...)))
	s.Limits.Attempts = 2
	for _, tt := range []struct {
		model, code string
		status      int
		calls       int
	}{
		{"die", "ERR_UPSTREAM", 502, 2},
		{"status-500", "ERR_UPSTREAM", 502, 2},
		{"status-400", "ERR_BAD_REQUEST", 400, 1}, // trying again would not help
		{"limit-7", "ERR_RATE_LIMIT", 429, 1},     // it said when to return
		{"garbage", "ERR_UPSTREAM", 502, 2},
		{"html", "ERR_UPSTREAM", 502, 2},
		{"empty", "ERR_UPSTREAM", 502, 2},
		{"hang", "ERR_TIMEOUT", 504, 2},
	} {
		h := start(t, s, "") // breakers are closed again
		r := h.Chat(t, tt.model, "x", true)
		if r.Status != tt.status || r.Code() != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.model, r.Status, r.Body, tt.status, tt.code)
		}
		if got := u.Calls(tt.model); got != tt.calls {
			t.Errorf("%s: %d attempts, want %d", tt.model, got, tt.calls)
		}
		if strings.Contains(r.Body, "secret") || strings.Contains(r.Body, "127.0.0.1") {
			t.Errorf("%s: the upstream's text shows: %s", tt.model, r.Body)
		}
		if tt.status == 429 && r.Header.Get("Retry-After") != "7" {
			t.Errorf("%s: Retry-After %q", tt.model, r.Header.Get("Retry-After"))
		}
	}
}

// After the first byte nothing is retried: the stream ends with an error object
// and without [DONE].
func testStreamFaults(t *testing.T, start Start) {
	u := NewUpstream(t)
	cases := map[string]string{
		"cut-5": "ERR_UPSTREAM", "rot-5": "ERR_UPSTREAM", "error-5": "ERR_UPSTREAM", "nodone-5": "ERR_UPSTREAM", "stall-5": "ERR_TIMEOUT",
	}
	var names []string
	for n := range cases {
		names = append(names, n)
	}
	h := start(t, fast(DefaultSettings(u.Serving("a", names...), u.Serving("b", names...))), "")
	for model, code := range cases {
		r := h.Chat(t, model, "x", true)
		s := ParseStream(t, r.Body)
		if r.Status != 200 || s.Text != "0 1 2 3 4 " || s.Done || s.Error != code {
			t.Errorf("%s: %d, text %q, done %v, error %q, want %q", model, r.Status, s.Text, s.Done, s.Error, code)
		}
		if got := u.Calls(model); got != 1 {
			t.Errorf("%s: asked %d times", model, got)
		}
		if strings.Contains(r.Body, "secret") {
			t.Errorf("%s: the upstream's text shows", model)
		}
	}
}

// An answer may not take longer than the wall limit, however lively it is.
func testTimeLimits(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "endless"))
	s.Limits.Wall = worker.Duration{Duration: 2 * time.Second}
	h := start(t, s, "")
	began := time.Now()
	got := ParseStream(t, h.Chat(t, "endless", "x", true).Body)
	if took := time.Since(began); got.Error != "ERR_TIMEOUT" || got.Done || took > 10*time.Second {
		t.Errorf("ended with %q after %v", got.Error, took)
	}
	select {
	case <-u.gone:
	case <-time.After(time.Second):
		t.Error("the upstream was not aborted")
	}
}

func testPings(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "late-700", "stall-1", "hang"))
	s.Limits.Ping = worker.Duration{Duration: 100 * time.Millisecond}
	s.Limits.Idle = worker.Duration{Duration: 2 * time.Second}
	s.Limits.FirstByte = worker.Duration{Duration: 2 * time.Second}
	s.Limits.Attempts = 1
	h := start(t, s, "")
	for model, want := range map[string]string{"late-700": "", "stall-1": "ERR_TIMEOUT", "hang": "ERR_TIMEOUT"} {
		r := h.Chat(t, model, "x", true)
		got := ParseStream(t, r.Body)
		if n := strings.Count(r.Body, ": ping\n\n"); n < 2 || got.Error != want || got.Done != (want == "") {
			t.Errorf("%s: %d pings, error %q, done %v", model, n, got.Error, got.Done)
		}
	}
}

// An answer that is not streamed is waited for with white space, which leaves it
// the same JSON object. What fails after the first white space can no longer be
// a status: it is an error object.
func testWhitespacePings(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "echo", "late-1500", "status-500", "hang"))
	s.Limits.Ping = worker.Duration{Duration: 400 * time.Millisecond}
	s.Limits.FirstByte = worker.Duration{Duration: 300 * time.Millisecond} // which is for streams
	s.Limits.Object = worker.Duration{Duration: 4 * time.Second}
	s.Limits.Attempts = 1
	h := start(t, s, "")
	for _, tt := range []struct {
		model  string
		status int
		code   string
		pings  int // at least
	}{
		{"echo", 200, "", 0},
		{"late-1500", 200, "", 2},
		{"status-500", 502, "ERR_UPSTREAM", 0},
		{"hang", 200, "ERR_TIMEOUT", 2},
	} {
		r := h.Chat(t, tt.model, "grüße", false)
		object := strings.TrimLeft(r.Body, "\n")
		pings := len(r.Body) - len(object)
		if r.Status != tt.status || pings < tt.pings || tt.pings == 0 && pings > 0 || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d, %d pings, %s", tt.model, r.Status, pings, r.Header.Get("Content-Type"))
		}
		if tt.code == "" && !strings.Contains(object, `"content":"grüße"`) || tt.code != "" && r.Code() != tt.code {
			t.Errorf("%s: %s, want %q", tt.model, object, tt.code)
		}
	}
}

// A client that leaves aborts the upstream within a second, with the host's
// default limits: before the first byte, in a silence, in the middle of a
// stream, and waiting for an object. It leaves at several times between pings.
func testClientLeaves(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "hang", "stall-2", "endless")), "")
	for _, tt := range []struct {
		model  string
		stream bool
	}{{"hang", true}, {"stall-2", true}, {"endless", true}, {"hang", false}, {"stall-2", false}} {
		for _, stay := range []time.Duration{200, 500, 800, 1000} {
			Leave(t, h, u, ChatBody(tt.model, "x", tt.stream), stay*time.Millisecond)
		}
	}
}

// Leave asks, leaves a while after the upstream was asked, and fails unless the
// upstream sees that within a second.
func Leave(t *testing.T, h Host, u *Upstream, body string, stay time.Duration) {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	var left time.Time
	asked := u.received()
	go func() {
		for deadline := time.Now().Add(20 * time.Second); u.received() == asked && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(stay)
		left = time.Now()
		leave()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/v1/chat/completions", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	if resp, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	select {
	case at := <-u.gone:
		if took := at.Sub(left); took > time.Second {
			t.Errorf("%s: left after %v, the upstream saw it after %v", body, stay, took)
		}
	case <-time.After(3 * time.Second):
		t.Errorf("%s: left after %v, the upstream never saw it", body, stay)
	}
}
