package browser

import (
	"testing"
)

// TestWebFirefoxStorage downloads, heals and reads back a file in Firefox.
func TestWebFirefoxStorage(t *testing.T) {
	f := newModelFile(10*chunkBytes + 5)
	s, src := storageSite(t, f)
	ff := startFirefox(t)
	ff.goTo(s.URL)
	run := func(name string, args ...any) fetched {
		t.Helper()
		var reply struct {
			Value fetched
			Error *wireError
		}
		ff.eval("run("+jsArgs(append([]any{name}, args...))+")", &reply)
		if reply.Error != nil {
			t.Fatalf("%s: %v", name, reply.Error)
		}
		return reply.Value
	}
	got := run("fetch", src)
	if got.Digest != f.digest() || got.Backend != "opfs" {
		t.Errorf("digest right = %v, backend = %s", got.Digest == f.digest(), got.Backend)
	}
	checkProgress(t, got.Events, float64(len(f.content)))
	run("evict", got.ID, 3)
	if again := run("readAll", got.ID); again.Digest != f.digest() || again.Healed != 1 {
		t.Errorf("after an eviction: digest right = %v, healed %d", again.Digest == f.digest(), again.Healed)
	}
}
