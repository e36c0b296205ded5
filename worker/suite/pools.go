package suite

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// poolDir is a directory with one pool of plain files.
func poolDir(t testing.TB) string {
	return PoolDir(t, map[string]string{
		"demo/pool.json":     `{"version":1,"adapters":[{"file":"a.bin","size":10},{"file":"b.bin","size":10}]}`,
		"demo/a.bin":         "0123456789",
		"demo/b.bin":         "abcdefghij",
		"demo/pool.json.sig": "signed",
		"demo/private.bin":   "not in the manifest",
		"secret.txt":         "outside every pool",
	})
}

// PoolDir writes files into a new directory.
func PoolDir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func testPools(t *testing.T, start Start) {
	h := start(t, DefaultSettings(), poolDir(t))
	get := func(path string, header map[string]string) Reply {
		t.Helper()
		return h.Do(t, http.MethodGet, "/v1/pools/"+path, "", header)
	}
	if r := get("demo", nil); r.Status != 200 || !strings.Contains(r.Body, `"a.bin"`) || r.Header.Get("ETag") == "" {
		t.Errorf("manifest = %+v", r)
	}
	whole := get("demo/files/a.bin", nil)
	tag := whole.Header.Get("ETag")
	if whole.Status != 200 || whole.Body != "0123456789" || tag == "" {
		t.Errorf("file = %+v", whole)
	}
	for _, tt := range []struct {
		name, path string
		header     map[string]string
		status     int
		body       string
	}{
		{"a range", "demo/files/a.bin", map[string]string{"Range": "bytes=2-4"}, 206, "234"},
		{"a suffix", "demo/files/a.bin", map[string]string{"Range": "bytes=-3"}, 206, "789"},
		{"resume", "demo/files/b.bin", map[string]string{"Range": "bytes=6-"}, 206, "ghij"},
		{"a range past the end", "demo/files/a.bin", map[string]string{"Range": "bytes=99-"}, 416, ""},
		{"resume of the same file", "demo/files/a.bin", map[string]string{"Range": "bytes=6-", "If-Range": tag}, 206, "6789"},
		{"resume of another file", "demo/files/a.bin", map[string]string{"Range": "bytes=6-", "If-Range": `"other"`}, 200, "0123456789"},
		{"not changed", "demo/files/a.bin", map[string]string{"If-None-Match": tag}, 304, ""},
		{"the signature", "demo/files/pool.json.sig", nil, 200, "signed"},
		{"no such pool", "other", nil, 404, ""},
		{"not in the manifest", "demo/files/private.bin", nil, 404, ""},
		{"no such file", "demo/files/c.bin", nil, 404, ""},
		{"above the pool", "demo/files/..%2F..%2Fsecret.txt", nil, 404, ""},
		{"pool above", "..%2Fsecret.txt", nil, 404, ""},
		{"hidden", "demo/files/.bin", nil, 404, ""},
	} {
		r := get(tt.path, tt.header)
		if r.Status != tt.status || tt.status < 300 && r.Body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.name, r.Status, r.Body, tt.status, tt.body)
		}
	}
	if r := h.Do(t, http.MethodHead, "/v1/pools/demo/files/a.bin", "", nil); r.Status != 200 || r.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD = %+v", r)
	}
	for name, header := range map[string]map[string]string{"manifest": {"Authorization": ""}, "file": {"Authorization": "Bearer x"}} {
		if r := get("demo", header); r.Status != 401 {
			t.Errorf("%s without a token: %d", name, r.Status)
		}
	}
}
