package suite

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Logs have request ids and numbers, and never what was asked or answered, nor
// any token.
func testMetricsAndLogs(t *testing.T, start Start) {
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "echo", "status-500")), "")
	const canary = "canary-prompt-1f9d"
	ok := h.Chat(t, "echo", canary, true)
	h.Chat(t, "echo", canary, false)
	h.Chat(t, "status-500", canary, true)
	h.Do(t, http.MethodPost, "/v1/chat/completions", `{"model":"`+canary+`"`, nil)
	h.Do(t, http.MethodGet, "/v1/models", "", map[string]string{"Authorization": "Bearer " + canary})
	if r := h.Do(t, http.MethodGet, "/metrics", "", map[string]string{"Authorization": ""}); r.Status != 401 {
		t.Errorf("metrics without a token: %d", r.Status)
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(h.Logs(), ok.Header.Get("X-Request-Id")) && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	logs, metrics := h.Logs(), h.Do(t, http.MethodGet, "/metrics", "", nil).Body
	for _, want := range []string{ok.Header.Get("X-Request-Id"), `"status":502`, "ERR_UPSTREAM", `"key":"tester"`} {
		if !strings.Contains(logs, want) {
			t.Errorf("no %q in the logs:\n%s", want, logs)
		}
	}
	for _, want := range []string{`pastel_requests_total{route="chat",status="200"} 2`, `pastel_requests_total{route="chat",status="502"} 1`,
		`pastel_upstream_attempts_total{attempt="a ERR_UPSTREAM"} 3`, `pastel_tokens_total{kind="completion"} 10`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in the metrics:\n%s", want, metrics)
		}
	}
	for _, secret := range []string{canary, Token, "upstream-secret"} {
		if strings.Contains(logs, secret) || strings.Contains(metrics, secret) {
			t.Errorf("%q is in the logs or metrics", secret)
		}
	}
}
