package bench

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var shapeFlag = flag.String("bench.shape", "0.5b", "shape of BenchmarkConstrained's model: 0.5b has 151 936 tokens")

// formats are what a text is held to in BenchmarkConstrained: nothing, a string, whose
// state stays the same, and three whose states are new at almost every token. None ends
// before the tokens do.
var formats = []struct{ name, format string }{
	{"free", ""},
	{"string", `{"type":"string"}`},
	{"any", `{"type":"array","minItems":60}`},
	{"calls", `{"type":"array","minItems":40,"items":{"type":"object","properties":{"name":{"enum":["get_weather","get_time","search"]},` +
		`"days":{"type":"integer"},"where":{"type":"string","maxLength":12},"exact":{"type":"boolean"}},` +
		`"required":["name","days","where","exact"],"additionalProperties":false}}`},
	{"length", `{"type":"array","minItems":40,"items":{"type":"string","minLength":8,"maxLength":200}}`},
}

// BenchmarkConstrained measures in Chromium, through the page's worker, what a JSON
// Schema costs a decoded token: the time on the page's clock outside the kernels over that
// inside, less that of free text. Both are of the same run, so a busy machine slows both.
//
//	go test -run '^$' -bench Constrained -benchtime 1x ./bench
func BenchmarkConstrained(b *testing.B) {
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	path, err := Synthetic(filepath.Join(cache, "pastel", "synthetic"), *shapeFlag, "Q4_0")
	if err != nil {
		b.Fatal(err)
	}
	server, err := benchServer("127.0.0.1:0", Config{Model: path, Web: "../web"}.withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	browser, err := NewBrowser(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer browser.Close()
	var texts []string
	for _, f := range formats {
		texts = append(texts, f.format)
	}
	var got []struct{ Token, Outside float64 }
	for b.Loop() {
		config := pageConfig{Model: "./models/model.gguf", Threads: 1, Prompts: []int{16}, Decode: 48, Repeats: 5}
		if err := browser.part(server.URL+"/bench/", &got, "bench.constrained", config, texts); err != nil {
			b.Fatal(err)
		}
	}
	for i, f := range formats {
		b.ReportMetric(got[i].Token, f.name+"_ms/token")
		b.ReportMetric(100*(got[i].Outside-got[0].Outside), f.name+"_%")
	}
}
