package suite

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pastel/worker"
)

func testAuth(t *testing.T, start Start) {
	s := DefaultSettings()
	s.Keys = append(s.Keys,
		worker.Key{Name: "expired", SHA256: worker.HashToken("expired"), Expires: time.Now().Add(-time.Hour)},
		worker.Key{Name: "short-lived", SHA256: worker.HashToken("short-lived"), Expires: time.Now().Add(time.Hour)})
	h := start(t, s, "")
	for _, tt := range []struct {
		name, header string
		want         int
	}{
		{"known", "Bearer " + Token, 200},
		{"scheme in lower case", "bearer " + Token, 200},
		{"not expired", "Bearer short-lived", 200},
		{"none", "", 401},
		{"unknown", "Bearer guess", 401},
		{"all but the last letter", "Bearer " + Token[:len(Token)-1], 401},
		{"expired", "Bearer expired", 401},
		{"the hash itself", "Bearer " + worker.HashToken(Token), 401},
		{"other scheme", "Basic " + Token, 401},
		{"empty token", "Bearer ", 401},
		{"no scheme", Token, 401},
	} {
		r := h.Do(t, http.MethodGet, "/v1/models", "", map[string]string{"Authorization": tt.header})
		if r.Status != tt.want || tt.want == 401 && r.Code() != "ERR_AUTH" {
			t.Errorf("%s: %d %s, want %d", tt.name, r.Status, r.Body, tt.want)
		}
	}
}

func testHostHeader(t *testing.T, start Start) {
	h := start(t, DefaultSettings(), "")
	for host, want := range map[string]int{"": 0, "rebound.example": 403, "127.0.0.1.evil.example": 403, "LOCALHOST:1": 200} {
		if host == "" {
			continue
		}
		if r := h.Do(t, http.MethodGet, "/healthz", "", map[string]string{"Host": host}); r.Status != want {
			t.Errorf("host %q: %d %s, want %d", host, r.Status, r.Body, want)
		}
	}
}

func testCORS(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "echo")), "")
	for origin, allowed := range map[string]bool{
		"https://app.example": true, "https://evil.example": false, "null": false, "https://app.example.evil.example": false,
		"http://app.example": false, "https://app.example:444": false, "HTTPS://APP.EXAMPLE": false,
	} {
		ask := map[string]string{"Origin": origin, "Authorization": "", "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang,x-stainless-retry-count,x-evil"}
		for what, r := range map[string]Reply{
			"preflight": h.Do(t, http.MethodOptions, "/v1/chat/completions", "", ask),
			"request":   h.Do(t, http.MethodPost, "/v1/chat/completions", ChatBody("echo", "x", false), map[string]string{"Origin": origin}),
			"refusal":   h.Do(t, http.MethodGet, "/v1/models", "", map[string]string{"Origin": origin, "Authorization": "Bearer no"}),
		} {
			want := ""
			if allowed {
				want = "https://app.example"
			}
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want || !allowed && r.Status != 403 {
				t.Errorf("%s from %s: %d, allowed origin %q, want %q", what, origin, r.Status, got, want)
			}
			if r.Header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(r.Header.Get("Vary"), "Origin") {
				t.Errorf("%s from %s: headers %v", what, origin, r.Header)
			}
		}
		if !allowed {
			continue
		}
		r := h.Do(t, http.MethodOptions, "/v1/chat/completions", "", ask)
		if got := r.Header.Get("Access-Control-Allow-Headers"); r.Status != 204 || got != "authorization, content-type, x-stainless-lang, x-stainless-retry-count" {
			t.Errorf("preflight: %d, headers %q", r.Status, got)
		}
	}
	if n := u.Calls("echo"); n != 1 {
		t.Errorf("%d requests reached the upstream, want the allowed one", n)
	}
}

func testMalformed(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "echo"))
	s.Limits.Body, s.Limits.Messages = 4096, 3
	h := start(t, s, "")
	message := `{"role":"user","content":"x"}`
	with := func(fields string) string { return `{"model":"echo","messages":[` + message + `]` + fields + `}` }
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"not JSON", "{", 400, "ERR_BAD_REQUEST"},
		{"an array", "[]", 400, "ERR_BAD_REQUEST"},
		{"nothing", " ", 400, "ERR_BAD_REQUEST"},
		{"deeply nested", strings.Repeat("[", 4000), 400, "ERR_BAD_REQUEST"},
		{"trailing data", with("") + "{}", 400, "ERR_BAD_REQUEST"},
		{"not UTF-8", "{\"model\":\"\xff\",\"messages\":[" + message + "]}", 404, "ERR_NOT_FOUND"},
		{"no model", `{"messages":[` + message + `]}`, 400, "ERR_BAD_REQUEST"},
		{"unknown model", `{"model":"../../etc/passwd","messages":[` + message + `]}`, 404, "ERR_NOT_FOUND"},
		{"model is a number", `{"model":1,"messages":[` + message + `]}`, 400, "ERR_BAD_REQUEST"},
		{"no messages", `{"model":"echo"}`, 400, "ERR_BAD_REQUEST"},
		{"empty messages", `{"model":"echo","messages":[]}`, 400, "ERR_BAD_REQUEST"},
		{"too many messages", `{"model":"echo","messages":[` + strings.Repeat(message+",", 3) + message + `]}`, 413, "ERR_TOO_LARGE"},
		{"unknown role", `{"model":"echo","messages":[{"role":"root","content":"x"}]}`, 400, "ERR_BAD_REQUEST"},
		{"a URL to fetch", `{"model":"echo","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]}`, 400, "ERR_BAD_REQUEST"},
		{"content is an object", `{"model":"echo","messages":[{"role":"user","content":{}}]}`, 400, "ERR_BAD_REQUEST"},
		{"negative max_tokens", with(`,"max_tokens":-1`), 400, "ERR_BAD_REQUEST"},
		{"fractional max_tokens", with(`,"max_tokens":1.5`), 400, "ERR_BAD_REQUEST"},
		{"huge max_tokens", with(`,"max_tokens":1e99`), 400, "ERR_BAD_REQUEST"},
		{"temperature too high", with(`,"temperature":99`), 400, "ERR_BAD_REQUEST"},
		{"temperature is text", with(`,"temperature":"hot"`), 400, "ERR_BAD_REQUEST"},
		{"several choices", with(`,"n":2`), 400, "ERR_BAD_REQUEST"},
		{"stream is text", with(`,"stream":"yes"`), 400, "ERR_BAD_REQUEST"},
		{"oversize", with(`,"stop":"` + strings.Repeat("x", 5000) + `"`), 413, "ERR_TOO_LARGE"},
	} {
		r := h.Do(t, http.MethodPost, "/v1/chat/completions", tt.body, nil)
		if r.Status != tt.status || r.Code() != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.name, r.Status, r.Body, tt.status, tt.code)
		}
	}
	r := h.Do(t, http.MethodPost, "/v1/chat/completions", with(""), map[string]string{"Content-Type": "text/plain"})
	if r.Status != 400 {
		t.Errorf("a simple request (no preflight) was admitted: %+v", r)
	}
	if n := u.Calls("echo"); n != 0 {
		t.Errorf("%d malformed requests reached the upstream", n)
	}
}

func testPaths(t *testing.T, start Start) {
	h := start(t, DefaultSettings(), "")
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"GET", "/v1", 404}, {"GET", "/v1/chat/completions", 405}, {"POST", "/healthz", 405},
		{"DELETE", "/v1/models", 405}, {"GET", "/v1/pools/", 404}, {"GET", "/v1/pools/x", 404}, {"POST", "/v1/pools/x", 405},
		{"GET", "/v1/pools/x/y/z/w", 404}, {"GET", "/metrics/x", 404},
	} {
		body := ""
		if tt.method == "POST" {
			body = "{}"
		}
		if r := h.Do(t, tt.method, tt.path, body, nil); r.Status != tt.want || strings.HasPrefix(r.Code(), "not") {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, r.Status, r.Body, tt.want)
		}
	}
}

func testRateLimit(t *testing.T, start Start) {
	s := DefaultSettings()
	s.Keys = append(s.Keys, worker.Key{Name: "other", SHA256: worker.HashToken("other")})
	s.Limits.PerKey = worker.Rate{PerSecond: 0.1, Burst: 3}
	h := start(t, s, "")
	for i := range 5 {
		r := h.Do(t, http.MethodGet, "/v1/models", "", nil)
		if limited := i >= 3; limited != (r.Status == 429) {
			t.Errorf("request %d: %d", i, r.Status)
		} else if limited && (r.Code() != "ERR_RATE_LIMIT" || r.Header.Get("Retry-After") == "") {
			t.Errorf("refusal: %s %v", r.Body, r.Header)
		}
	}
	if r := h.Do(t, http.MethodGet, "/v1/models", "", map[string]string{"Authorization": "Bearer other"}); r.Status != 200 {
		t.Errorf("another key is limited too: %d", r.Status)
	}
	// By address, before any token is looked at: guessing is slow.
	s = DefaultSettings()
	s.Limits.PerIP = worker.Rate{PerSecond: 0.1, Burst: 3}
	h = start(t, s, "")
	for i := range 5 {
		r := h.Do(t, http.MethodGet, "/v1/models", "", map[string]string{"Authorization": "Bearer guess"})
		if want := map[bool]int{false: 401, true: 429}[i >= 3]; r.Status != want {
			t.Errorf("guess %d: %d, want %d", i, r.Status, want)
		}
	}
}

func testBudget(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "echo", "die"))
	s.Limits.DailyTokens, s.Limits.MaxTokens, s.Limits.Attempts = 50, 20, 1
	h := start(t, s, "")
	// Each answer reserves at least 20 and costs 12; one that never came costs nothing.
	for i, tt := range []struct {
		model string
		want  int
	}{{"echo", 200}, {"die", 502}, {"die", 502}, {"die", 502}, {"echo", 200}, {"echo", 429}} {
		r := h.Chat(t, tt.model, "x", i%2 == 0)
		if r.Status != tt.want {
			t.Errorf("request %d: %d %s, want %d", i, r.Status, r.Body, tt.want)
		}
		if tt.want == 429 && (r.Code() != "ERR_BUDGET" || r.Header.Get("Retry-After") == "") {
			t.Errorf("refusal: %s %v", r.Body, r.Header)
		}
	}
}

// Who asks and does not wait pays for the question: else the upstream's work would
// be free. The body's messages are 8 tokens by estimate, 20 more are reserved.
func testBudgetOfTheImpatient(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "echo", "hang"))
	s.Limits.DailyTokens, s.Limits.MaxTokens = 50, 20
	h := start(t, s, "")
	for i := range 3 {
		Leave(t, h, u, ChatBody("hang", "x", false), 500*time.Millisecond)
		for deadline := time.Now().Add(5 * time.Second); strings.Count(h.Logs(), "ERR_ABORTED") <= i && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if r := h.Chat(t, "echo", "x", false); r.Status != 429 || r.Code() != "ERR_BUDGET" {
		t.Errorf("after three questions: %d %s", r.Status, r.Body)
	}
	if strings.Contains(h.Logs(), "ERR_INTERNAL") { // nobody is to blame
		t.Error("a client that leaves is logged as an internal error")
	}
}
