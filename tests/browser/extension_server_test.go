package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A bigModel is the user's server: it streams one sentence and keeps what it was sent.
type bigModel struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

const bigAnswer = "The larger model says so."

func newBigModel(t *testing.T) *bigModel {
	b := &bigModel{}
	b.Server = newOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "*")
		if r.Method == http.MethodOptions {
			return
		}
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.sent = append(b.sent, string(body))
		b.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range strings.SplitAfter(bigAnswer, " ") {
			piece, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": word}}}})
			fmt.Fprintf(w, "data: %s\n\n", piece)
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(b.Close)
	return b
}

// requests returns what came since the last call.
func (b *bigModel) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.sent
	b.sent = nil
	return sent
}

// serverSettings fills in the form about the server.
func serverSettings(tb *tab, url, mode string, threshold float64) {
	tb.t.Helper()
	change(tb, "server-url", url)
	change(tb, "server-mode", mode)
	change(tb, "server-model", "big")
	change(tb, "threshold", threshold)
	tb.eval(`document.getElementById("server-form").requestSubmit()`, nil)
}

// TestExtensionServer sends harder questions to the user's server, and only after the user agreed, for that host.
func TestExtensionServer(t *testing.T) {
	x := installExtension(t)
	big := newBigModel(t)
	host := strings.TrimPrefix(big.URL, "http://")
	tb := x.panel(7)
	cold(tb, 40)
	serverSettings(tb, big.URL+"/v1", "hybrid", 1) // never sure
	onDevice := func(t *testing.T, got lastAnswer) {
		t.Helper()
		if n := len(big.requests()); got.State != "done" || !strings.HasPrefix(got.Text, story) || !strings.Contains(got.Foot, "on this device") || n != 0 {
			t.Errorf("answer = %+v, %d requests sent", got, n)
		}
	}
	fromServer := func(t *testing.T, got lastAnswer) {
		t.Helper()
		if got.State != "done" || got.Text != bigAnswer || !strings.Contains(got.Foot, "by the server "+host+": the device was unsure · confidence 0.") {
			t.Errorf("answer = %+v", got)
		}
		if sent := big.requests(); len(sent) != 1 || !strings.Contains(sent[0], "Once upon a time") || strings.Contains(sent[0], "system") {
			t.Errorf("sent: %q", sent)
		}
	}
	consent := func() { tb.eval(`document.querySelector("#consent button").click()`, nil) }
	t.Run("without consent", func(t *testing.T) { onDevice(t, askPanel(tb, "Once upon a time")) })
	t.Run("with consent", func(t *testing.T) {
		consent()
		fromServer(t, askPanel(tb, "Once upon a time"))
	})
	t.Run("sure enough", func(t *testing.T) {
		serverSettings(tb, big.URL+"/v1", "hybrid", 0)
		onDevice(t, askPanel(tb, "Once upon a time"))
	})
	for _, tt := range []struct {
		name   string
		button int
		want   func(*testing.T, lastAnswer)
	}{{"asked each time, yes", 0, fromServer}, {"asked each time, no", 1, onDevice}} {
		t.Run(tt.name, func(t *testing.T) {
			serverSettings(tb, big.URL+"/v1", "ask", 1)
			submitPanel(tb, "Once upon a time")
			tb.waitFor(`document.querySelector("#log > li:last-child").dataset.state === "confirm"`)
			tb.eval(fmt.Sprintf(`document.querySelectorAll("#log > li:last-child .row button")[%d].click()`, tt.button), nil)
			tt.want(t, endOfLast(tb))
		})
	}
	t.Run("consent is for one host", func(t *testing.T) {
		other := newBigModel(t)
		serverSettings(tb, other.URL+"/v1", "hybrid", 1)
		onDevice(t, askPanel(tb, "Once upon a time"))
		if n := len(other.requests()); n != 0 {
			t.Errorf("the other host got %d requests", n)
		}
	})
	t.Run("consent taken back", func(t *testing.T) {
		serverSettings(tb, big.URL+"/v1", "hybrid", 1)
		consent()
		onDevice(t, askPanel(tb, "Once upon a time"))
	})
	t.Run("the server fails", func(t *testing.T) {
		consent()
		big.Close()
		got := askPanel(tb, "Once upon a time")
		if got.State != "done" || !strings.HasPrefix(got.Text, story) || !strings.Contains(got.Foot, "on this device") {
			t.Errorf("answer = %+v", got)
		}
	})
}
