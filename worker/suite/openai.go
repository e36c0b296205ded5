package suite

import (
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pastel/worker/npm"
)

//go:embed openai.mjs
var openaiScript []byte

// openaiVersion is OpenAI's own npm client, unmodified.
const openaiVersion = "7.55.0"

// The official client needs nothing special: answers, streams, usage, typed
// errors, errors inside a stream, and leaving one.
func testOpenAIClient(t *testing.T, start Start) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("this test runs the official openai client and needs node: on Debian, apt-get install nodejs npm")
	}
	dir, err := npm.Fetch("openai", openaiVersion)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "openai.mjs")
	if err := os.WriteFile(script, openaiScript, 0o644); err != nil {
		t.Fatal(err)
	}
	u := NewUpstream(t)
	h := start(t, DefaultSettings(u.Serving("a", "echo", "count-20", "status-500", "cut-3", "endless")), "")
	raw, err := exec.Command(node, script, dir, h.URL+"/v1", Token).CombinedOutput()
	if err != nil {
		t.Fatalf("the client failed: %v\n%s", err, raw)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	for name, want := range map[string]any{
		"models":   []string{"count-20", "cut-3", "echo", "endless", "status-500"},
		"whole":    []any{"grüße 東京 🎨", 12, "echo", "string"},
		"stream":   strings.Join(Numbers(20), ""),
		"usage":    12,
		"auth":     []any{"AuthenticationError", 401, "ERR_AUTH"},
		"model":    []any{"NotFoundError", 404, "ERR_NOT_FOUND"},
		"bad":      []any{"BadRequestError", 400, "ERR_BAD_REQUEST"},
		"upstream": []any{"InternalServerError", 502, "ERR_UPSTREAM"},
		"cut":      []any{"APIError", nil, "ERR_UPSTREAM"},
		"left":     5,
	} {
		g, _ := json.Marshal(got[name])
		if w, _ := json.Marshal(want); string(g) != string(w) {
			t.Errorf("%s: %s, want %s", name, g, w)
		}
	}
	if !u.WaitGone(3 * time.Second) {
		t.Error("the upstream goes on after the client left the stream")
	}
}
