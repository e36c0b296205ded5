package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/worker"
	"pastel/worker/native"
)

const servedModel = "../../testdata/models/stories260K.gguf"

// startServe serves a real model on loopback as `pastel serve --model` does.
func startServe(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := serveFlags{model: servedModel, engineFlags: engineFlags{executor: "reference", context: 256}}
	config, release, err := f.config(ctx, env{stdout: io.Discard, stderr: io.Discard}, l)
	if err != nil {
		t.Fatal(err)
	}
	server, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = native.Serve(ctx, l, server) }()
	t.Cleanup(func() { stop(); <-stopped; release() })
	return "http://" + l.Addr().String()
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// The served answer is the one that `pastel run` prints, also when several ask
// at once; a prompt that is too long is the client's error.
func TestServeModel(t *testing.T) {
	url := startServe(t)
	var printed bytes.Buffer
	args := []string{"run", servedModel, "--executor", "reference", "-p", "Once upon a time", "-n", "12", "--temp", "0"}
	if code := dispatch(context.Background(), env{stdout: &printed, stderr: io.Discard}, args); code != 0 {
		t.Fatalf("pastel run: exit code %d", code)
	}
	want := strings.TrimSuffix(printed.String(), "\n")
	ask := `{"model":"stories260K","messages":[{"role":"user","content":"Once upon a time"}],"max_tokens":12,"temperature":0}`
	results := make(chan string, 3)
	for range cap(results) {
		go func() {
			_, body := post(t, url, ask)
			results <- body
		}()
	}
	for range cap(results) {
		var got struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if body := <-results; json.Unmarshal([]byte(body), &got) != nil || len(got.Choices) != 1 || got.Choices[0].Message.Content != want {
			t.Errorf("served %s, want %q", body, want)
		}
	}
	long := fmt.Sprintf(`{"model":"stories260K","messages":[{"role":"user","content":%q}]}`, strings.Repeat("word ", 500))
	if status, body := post(t, url, long); status != 400 || !strings.Contains(body, "ERR_CONTEXT") {
		t.Errorf("too long: %d %s", status, body)
	}
}

// What a question asks beside text is done, or refused.
func TestServeQuestions(t *testing.T) {
	url := startServe(t)
	const begin = `{"model":"stories260K","messages":[{"role":"user","content":"Once upon a time"}],"max_tokens":40,"temperature":0,`
	_, plain := post(t, url, begin+`"n":1}`)
	content := func(body string) string {
		var got struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if json.Unmarshal([]byte(body), &got) != nil || len(got.Choices) != 1 {
			t.Fatalf("served %s", body)
		}
		return got.Choices[0].Message.Content
	}
	for _, tt := range []struct {
		name, fields string
		want         func(text string) bool
	}{
		{"an object", `"response_format":{"type":"json_object"}`, func(s string) bool { return strings.HasPrefix(s, "{") }},
		{"a schema", `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"enum":["yes","no"]}}}`,
			func(s string) bool { return s == `"yes"` || s == `"no"` }},
		{"text", `"response_format":{"type":"text"}`, func(s string) bool { return s == content(plain) }},
		{"a penalty", `"frequency_penalty":2`, func(s string) bool { return s != content(plain) }},
	} {
		if _, body := post(t, url, begin+tt.fields+`}`); !tt.want(content(body)) {
			t.Errorf("%s: served %s", tt.name, body)
		}
	}
	for _, fields := range []string{`"tools":[{"type":"function"}]`, `"logprobs":true`, `"logit_bias":{"5":1}`, `"response_format":{"type":"xml"}`, `"response_format":7`} {
		if status, body := post(t, url, begin+fields+`}`); status != 400 || !strings.Contains(body, "ERR_BAD_REQUEST") {
			t.Errorf("%s: %d %s", fields, status, body)
		}
	}
	r, err := http.Get(url + "/v1/chat/completions")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 405 || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET of the chats: %d, allowed is %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestServeRefusals(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"limit":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"nothing to serve":     {},
		"misspelt settings":    {"--settings", bad},
		"no such model":        {"--model", filepath.Join(dir, "none.gguf"), "--executor", "reference"},
		"open on all networks": {"--addr", "0.0.0.0:0", "--pools", dir},
		"any page":             {"--pools", dir, "--origin", "*"},
	} {
		var stderr bytes.Buffer
		args = append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)
		if code := dispatch(context.Background(), env{stdout: io.Discard, stderr: &stderr}, args); code == 0 || !strings.HasPrefix(stderr.String(), "pastel serve: ") {
			t.Errorf("%s: exit code %d, %q", name, code, stderr.String())
		}
	}
}

func TestNewKey(t *testing.T) {
	var out bytes.Buffer
	if code := dispatch(context.Background(), env{stdout: &out, stderr: io.Discard}, []string{"serve", "--new-key", "alice"}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	first, second, _ := strings.Cut(out.String(), "\n")
	token := first[strings.LastIndex(first, " ")+1:]
	if !strings.Contains(second, worker.HashToken(token)) || strings.Contains(second, token) {
		t.Errorf("printed %q", out.String())
	}
}

func TestCalibrateCommand(t *testing.T) {
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "{\"query\":\"q%d\",\"scope\":%v,\"confidence\":1,\"device\":%d,\"server\":1}\n", i, float64(i)/200, i%2)
	}
	run := func(args ...string) (c calibration, code int) {
		t.Helper()
		var out bytes.Buffer
		code = dispatch(context.Background(), env{stdin: strings.NewReader(lines.String()), stdout: &out, stderr: io.Discard}, append([]string{"offload", "calibrate", "-"}, args...))
		if code == 0 {
			if err := json.Unmarshal(out.Bytes(), &c); err != nil {
				t.Fatal(err)
			}
		}
		return c, code
	}
	// Every confidence ties: the budget is met all the same.
	if c, _ := run("--budget", "0.2"); c.Usage < 0.17 || c.Usage > 0.23 || c.Queries != 200 || len(c.Curve) != 201 {
		t.Errorf("budget 0.2: usage %v of %d queries, %d points", c.Usage, c.Queries, len(c.Curve))
	}
	if c, _ := run("--budget", "0.3", "--scope", "0.1"); c.Usage < 0.27 || c.Usage > 0.33 || !c.Thresholds.Scope.On || c.Thresholds.Scope.Score != 0.1 {
		t.Errorf("budget 0.3 with scope: %+v", c.Thresholds)
	}
	if c, _ := run("--accuracy", "0.75"); c.Usage < 0.3 || c.Usage > 0.7 {
		t.Errorf("accuracy 0.75: usage %v", c.Usage)
	}
	for name, args := range map[string][]string{
		"neither": {}, "both": {"--budget", "0.1", "--accuracy", "0.5"}, "unreachable": {"--accuracy", "1.5"}, "no share": {"--budget", "2"},
	} {
		if _, code := run(args...); code == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}
