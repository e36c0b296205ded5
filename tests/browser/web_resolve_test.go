package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// hubTree is what a hub lists for owner/repo: Q4_K_M before Q4_K, a projector, a split file, and digests.
const hubTree = `[
	{"type":"directory","path":"old"},
	{"type":"file","path":"README.md","size":10},
	{"type":"file","path":"m-Q4_K_M.gguf","size":100,"lfs":{"oid":"%[1]s","size":100}},
	{"type":"file","path":"m-Q4_K.gguf","size":90},
	{"type":"file","path":"m.q8_0.gguf","size":200,"lfs":{"oid":"not a digest"}},
	{"type":"file","path":"mmproj-m-F16.gguf","size":5},
	{"type":"file","path":"big/m-F32-00001-of-00002.gguf","size":7},
	"garbage", null, {"type":"file","path":7}
]`

func TestWebResolve(t *testing.T) {
	s, _ := storageSite(t, newModelFile(10))
	digest := strings.Repeat("ab", 32)
	s.mux.HandleFunc("/api/models/owner/repo/tree/{revision}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("revision") == "gone" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, hubTree, digest)
	})
	tb := openTab(t, s.URL)
	resolve := "/owner/repo/resolve/"
	for _, tt := range []struct {
		name string
		ref  any
		url  string // after the host; "" for a refusal
		sha  string
		code string
	}{
		{name: "quant", ref: "owner/repo:Q4_K_M", url: resolve + "main/m-Q4_K_M.gguf", sha: digest},
		{name: "a quant's name inside another's", ref: "owner/repo:Q4_K", url: resolve + "main/m-Q4_K.gguf"},
		{name: "lower case, no digest", ref: "owner/repo:Q8_0", url: resolve + "main/m.q8_0.gguf"},
		{name: "default quant", ref: "owner/repo", url: resolve + "main/m-Q4_K_M.gguf", sha: digest},
		{name: "revision", ref: "owner/repo:Q4_K@v1.0", url: resolve + "v1.0/m-Q4_K.gguf"},
		{name: "file", ref: map[string]string{"repo": "owner/repo", "file": "m-Q4_K.gguf"}, url: resolve + "main/m-Q4_K.gguf"},
		{name: "the hub's own URL gets its digest", ref: s.URL + resolve + "main/m-Q4_K_M.gguf", url: resolve + "main/m-Q4_K_M.gguf", sha: digest},
		{name: "plain URL", ref: s.URL + "/models/x.gguf?token=1", url: "/models/x.gguf?token=1"},
		{name: "relative URL", ref: "./x.gguf", url: "/x.gguf"},
		{name: "relative URL that looks like a repository", ref: "models/x.gguf", url: "/models/x.gguf"},
		{name: "no such quant", ref: "owner/repo:IQ1_S", code: "ERR_BAD_REQUEST"},
		{name: "projector is no model", ref: "owner/repo:F16", code: "ERR_BAD_REQUEST"},
		{name: "split file", ref: "owner/repo:F32", code: "ERR_BAD_REQUEST"},
		{name: "no such file", ref: map[string]string{"repo": "owner/repo", "file": "x.gguf"}, code: "ERR_BAD_REQUEST"},
		{name: "no such revision", ref: "owner/repo:Q4_K@gone", code: "ERR_NET"},
		{name: "no URL", ref: "http://", code: "ERR_BAD_REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scenario[source](tb, "resolve", tt.ref, s.URL)
			if tt.code != "" {
				if err == nil || err.Code != tt.code {
					t.Errorf("resolve: %+v, %v, want %s", got, err, tt.code)
				}
				return
			}
			if err != nil || got.URL != s.URL+tt.url || got.SHA256 != tt.sha {
				t.Errorf("resolve = %+v, %v, want %s with digest %q", got, err, tt.url, tt.sha)
			}
		})
	}
	tb.forgetErrors("404")
}
