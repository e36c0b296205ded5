package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pastel/worker"
	"pastel/worker/sse"
)

// A Host is a running edge server.
type Host struct {
	URL  string
	Logs func() string // everything logged so far
}

// A Start starts a host with settings and a directory of pools, for one test.
type Start func(t testing.TB, s worker.Settings, pools string) Host

// Token is the bearer token that DefaultSettings admits.
const Token = "test-token-0123456789abcdef"

// DefaultSettings admit Token, generously.
func DefaultSettings(upstreams ...*worker.Upstream) worker.Settings {
	return worker.Settings{
		Upstreams: upstreams,
		Keys:      []worker.Key{{Name: "tester", SHA256: worker.HashToken(Token)}},
		Origins:   []string{"https://app.example"},
		Hosts:     []string{"127.0.0.1", "localhost"},
		Limits: worker.Limits{
			PerKey: worker.Rate{PerSecond: 1e6, Burst: 1e6}, PerIP: worker.Rate{PerSecond: 1e6, Burst: 1e6},
			DailyTokens: 1 << 40,
		},
	}
}

// Serving makes settings of an upstream that serves each behaviour under its own name.
func (u *Upstream) Serving(id string, names ...string) *worker.Upstream {
	models := map[string]string{}
	for _, n := range names {
		models[n] = n
	}
	return &worker.Upstream{ID: id, URL: u.URL + "/v1", Key: "upstream-secret", Serves: models}
}

// A Reply is one HTTP answer, read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request with the token unless header says otherwise.
func (h Host) Do(t testing.TB, method, path, body string, header map[string]string) Reply {
	t.Helper()
	resp := h.Open(t, context.Background(), method, path, body, header)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return Reply{resp.StatusCode, resp.Header, string(raw)}
}

// Open sends a request and returns when the headers have come.
func (h Host) Open(t testing.TB, ctx context.Context, method, path, body string, header map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		} else if req.Header.Del(k); v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 300}, Timeout: 2 * time.Minute}

// ChatBody is a request for a model with one user turn.
func ChatBody(model, text string, stream bool) string {
	body, _ := json.Marshal(map[string]any{
		"model": model, "stream": stream, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	return string(body)
}

// Chat asks and reads the whole answer.
func (h Host) Chat(t testing.TB, model, text string, stream bool) Reply {
	t.Helper()
	return h.Do(t, http.MethodPost, "/v1/chat/completions", ChatBody(model, text, stream), nil)
}

// A Stream is a decoded event stream.
type Stream struct {
	Text   string // all deltas
	Done   bool   // ended with [DONE]
	Error  string // code of the error object, if any
	Chunks []map[string]any
}

// ParseStream decodes the events of a reply.
func ParseStream(t testing.TB, body string) (s Stream) {
	t.Helper()
	for r := sse.NewReader(strings.NewReader(body)); ; {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil || s.Done || s.Error != "" {
			t.Fatalf("after the end: %q, %v", data, err)
		}
		if bytes.Equal(data, []byte("[DONE]")) {
			s.Done = true
			continue
		}
		s.add(t, data)
	}
}

func (s *Stream) add(t testing.TB, data []byte) {
	t.Helper()
	var c struct {
		Choices []struct{ Delta struct{ Content string } }
		Error   *struct{ Code, Message, Type string }
	}
	var whole map[string]any
	if json.Unmarshal(data, &c) != nil || json.Unmarshal(data, &whole) != nil {
		t.Fatalf("event is not JSON: %q", data)
	}
	if c.Error != nil {
		s.Error = c.Error.Code
		return
	}
	s.Chunks = append(s.Chunks, whole)
	for _, choice := range c.Choices {
		s.Text += choice.Delta.Content
	}
}

// Code returns the code of an error object.
func (r Reply) Code() string {
	var e struct {
		Error struct{ Code, Message, Type string }
	}
	if json.Unmarshal([]byte(r.Body), &e) != nil || e.Error.Message == "" || e.Error.Type == "" {
		return "not an error object: " + r.Body
	}
	return e.Error.Code
}
