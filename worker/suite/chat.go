package suite

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func testHealth(t *testing.T, start Start) {
	h := start(t, DefaultSettings(), "")
	r := h.Do(t, http.MethodGet, "/healthz", "", map[string]string{"Authorization": ""})
	if r.Status != 200 || r.Body != `{"status":"ok"}` || !strings.HasPrefix(r.Header.Get("X-Request-Id"), "req_") {
		t.Errorf("healthz = %+v", r)
	}
}

func testModels(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "echo"), u.Serving("b", "count-3", "echo")), "")
	r := h.Do(t, http.MethodGet, "/v1/models", "", nil)
	var list struct {
		Object string
		Data   []struct{ ID, Object string }
	}
	if err := json.Unmarshal([]byte(r.Body), &list); err != nil || len(list.Data) != 2 || list.Data[0].ID != "echo" || list.Data[1].ID != "count-3" || list.Object != "list" {
		t.Errorf("models = %s, %v", r.Body, err)
	}
	if r := h.Do(t, http.MethodGet, "/v1/models/count-3", "", nil); r.Status != 200 || !strings.Contains(r.Body, `"count-3"`) {
		t.Errorf("one model = %+v", r)
	}
	if r := h.Do(t, http.MethodGet, "/v1/models/../secret", "", nil); r.Status != 404 {
		t.Errorf("unknown model = %+v", r)
	}
}

func testAnswer(t *testing.T, start Start) {
	u := NewUpstream(t)
	up := u.Serving("a", "echo")
	up.Serves = map[string]string{"public": "echo-9"}
	h := start(t, DefaultSettings(up), "")
	r := h.Chat(t, "public", "grüße 東京 🎨", false)
	var got struct {
		Model   string
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			Total int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &got); err != nil || r.Status != 200 {
		t.Fatalf("answer = %+v", r)
	}
	if got.Choices[0].Message.Content != "grüße 東京 🎨" || got.Usage.Total != 12 {
		t.Errorf("answer = %s", r.Body)
	}
	if got.Model != "public" || strings.Contains(r.Body, "echo-9") {
		t.Errorf("the upstream's own model name shows: %s", r.Body)
	}
	if _, auth := u.Seen(); len(auth) != 1 || auth[0] != "Bearer upstream-secret" {
		t.Errorf("the upstream saw authorization %q", auth)
	}
}

func testStream(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "count-200", "slow-5")), "")
	for model, n := range map[string]int{"count-200": 200, "slow-5": 5} {
		r := h.Chat(t, model, "x", true)
		if r.Status != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("%s: %d %v", model, r.Status, r.Header)
		}
		s := ParseStream(t, r.Body)
		if want := strings.Join(Numbers(n), ""); s.Text != want || !s.Done {
			t.Errorf("%s: text %q, done %v", model, s.Text, s.Done)
		}
		if len(s.Chunks) != n+1 { // and the one with finish_reason
			t.Errorf("%s: %d chunks, want %d", model, len(s.Chunks), n+1)
		}
	}
}

func testUsage(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "count-2")), "")
	for _, include := range []bool{false, true} {
		body := `{"model":"count-2","stream":true,"messages":[{"role":"user","content":"x"}]}`
		if include {
			body = strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
		}
		s := ParseStream(t, h.Do(t, http.MethodPost, "/v1/chat/completions", body, nil).Body)
		last, _ := s.Chunks[len(s.Chunks)-1]["usage"].(map[string]any)
		if (last != nil) != include {
			t.Errorf("include_usage %v: last chunk %v", include, s.Chunks[len(s.Chunks)-1])
		}
	}
}

// What an upstream is told is what the rules allow, and usage is always asked for.
func testPassedFields(t *testing.T, start Start) {
	u := NewUpstream(t)
	s := DefaultSettings(u.Serving("a", "echo"))
	s.Limits.MaxTokens = 50
	h := start(t, s, "")
	body := `{"model":"echo","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],
		"max_tokens":9999,"temperature":0.5,"seed":7,"stop":["x"],"user":"someone","lora":[{"id":0}],"n_discard":-1,"top_p":null}`
	if r := h.Do(t, http.MethodPost, "/v1/chat/completions", body, nil); r.Status != 200 {
		t.Fatalf("%+v", r)
	}
	bodies, _ := u.Seen()
	var got map[string]any
	_ = json.Unmarshal([]byte(bodies[0]), &got)
	for _, gone := range []string{"user", "lora", "n_discard", "top_p"} {
		if _, ok := got[gone]; ok {
			t.Errorf("field %s was passed on: %s", gone, bodies[0])
		}
	}
	usage, _ := got["stream_options"].(map[string]any)
	if got["max_tokens"] != 50.0 || got["temperature"] != 0.5 || got["seed"] != 7.0 || usage["include_usage"] != true {
		t.Errorf("passed on: %s", bodies[0])
	}
}

// Messages reach the upstream as they were checked, whatever else they hold: a
// field twice, or in another case, may be read differently there.
func testOnlyCheckedMessages(t *testing.T, start Start) {
	const image = `[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]`
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "echo")), "")
	for _, tt := range []struct {
		name, fields string
		status       int
	}{
		{"another case after", `"content":"fine","Content":` + image, 200},
		{"another case before", `"Content":` + image + `,"content":"fine"`, 200},
		{"text in another case", `"content":` + image + `,"Content":"fine"`, 400},
		{"twice, text last", `"content":` + image + `,"content":"fine"`, 200},
		{"twice, text first", `"content":"fine","content":` + image, 400},
		{"type in another case", `"content":[{"type":"image_url","Type":"text","text":"fine","image_url":{"url":"http://169.254.169.254/"}}]`, 400},
		{"more in a part of text", `"content":[{"type":"text","text":"fine","image_url":{"url":"http://169.254.169.254/"}}]`, 200},
		{"text that is an object", `"content":[{"type":"text","text":{"url":"http://169.254.169.254/"}}]`, 400},
		{"unknown field", `"content":"fine","audio":{"url":"http://169.254.169.254/"}`, 200},
		{"a schema elsewhere", `"content":"fine"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"$ref":"http://169.254.169.254/"}}},"x":[{"y":0`, 400},
		{"a schema of its own", `"content":"fine"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"$ref":"#/$defs/a","$defs":{"a":{}}}}},"x":[{"y":0`, 200},
	} {
		r := h.Do(t, http.MethodPost, "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user",`+tt.fields+`}]}`, nil)
		if r.Status != tt.status || r.Status == 200 && !strings.Contains(r.Body, "fine") {
			t.Errorf("%s: %d %s, want %d", tt.name, r.Status, r.Body, tt.status)
		}
	}
	if bodies, _ := u.Seen(); strings.Contains(strings.Join(bodies, ""), "169.254") {
		t.Errorf("the upstream was told the URL: %q", bodies)
	}
}

func testConcurrentStreams(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "slow-40")), "")
	want := strings.Join(Numbers(40), "")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s := ParseStream(t, h.Chat(t, "slow-40", "x", true).Body)
			if s.Text != want || !s.Done {
				t.Errorf("got %q, done %v", s.Text, s.Done)
			}
		})
	}
	wg.Wait()
}
