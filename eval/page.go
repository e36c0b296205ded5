package eval

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/bench"
	"pastel/web/build"
)

// A Page is what the page /eval loads.
type Page struct {
	Web      string // "web": the repository's folder of pages
	Tasks    string // a file, offered by the page's form
	Model    string // a GGUF file
	Adapters []PageAdapter
	Server   string // the larger model, "" for none
	Threads  int    // 0 is one for every core
	Context  int    // in tokens; 0 is the model's own
	Baseline bool   // the kernels every browser has, although this one may have relaxed SIMD
}

// A PageAdapter is a LoRA file of GGUF and how strongly it acts.
type PageAdapter struct {
	Path  string
	Scale float32
}

// pageConfig is web/eval/run.ts's Config, as far as it can be said in JSON.
type pageConfig struct {
	Model         string            `json:"model"`
	Adapters      []pageAdapter     `json:"adapters"`
	Server        string            `json:"server,omitempty"`
	Threads       int               `json:"threads,omitempty"`
	ContextLength int               `json:"contextLength,omitempty"`
	KernelURLs    map[string]string `json:"kernelUrls,omitempty"`
}

type pageAdapter struct {
	File  string  `json:"file"`
	Scale float32 `json:"scale"`
}

// Site builds the page /eval with everything it loads.
//
// Errors: scripts that do not build, modules that were not built into this program.
func Site(web string) (build.Files, error) {
	files, err := build.Scripts(api.FormatESModule, nil, web+"/eval/eval.ts", web+"/src/worker.ts")
	if err != nil {
		return nil, err
	}
	if err := files.AddModules(); err != nil {
		return nil, err
	}
	for _, name := range []string{"index.html", "eval.css"} {
		if files[name], err = os.ReadFile(web + "/eval/" + name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Start serves the page at an address, with the models where its form looks for them.
func (p Page) Start(addr string) (*bench.Server, error) {
	site, err := Site(p.Web)
	if err != nil {
		return nil, err
	}
	server, err := bench.NewServer(addr)
	if err != nil {
		return nil, err
	}
	server.Site("/eval/", site)
	server.File("/eval/tasks.jsonl", p.Tasks)
	server.File("/eval/models/model.gguf", p.Model)
	if p.Server != "" {
		server.File("/eval/models/server.gguf", p.Server)
	}
	for i, a := range p.Adapters {
		server.File("/eval/"+adapterPath(i), a.Path)
	}
	return server, nil
}

func adapterPath(i int) string { return fmt.Sprintf("models/adapter-%d.gguf", i) }

// Serve serves the page for any browser until ctx ends.
func (p Page) Serve(ctx context.Context, addr string, ready func(url string)) error {
	server, err := p.Start(addr)
	if err != nil {
		return err
	}
	ready(server.URL + "/eval/")
	<-ctx.Done()
	return server.Close()
}

// A Tab is the page /eval in a Chromium of its own, with its models loaded.
type Tab struct {
	Executor string // which kernels run
	server   *bench.Server
	browser  *bench.Browser
}

// longestRun ends a browser whose page hangs.
const longestRun = 24 * time.Hour

// Open starts Chromium, opens the page and loads the models.
//
// Errors: no Chromium, and those of the page.
func (p Page) Open(ctx context.Context) (t *Tab, err error) {
	t = &Tab{}
	if t.server, err = p.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if t.browser, err = bench.NewBrowserFor(ctx, longestRun); err == nil {
		err = t.browser.Open(t.server.URL + "/eval/index.html")
	}
	if err == nil {
		err = t.browser.Call(&t.Executor, "evaluation.open", p.config())
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (p Page) config() pageConfig {
	c := pageConfig{Model: "./models/model.gguf", Threads: p.Threads, ContextLength: p.Context, Adapters: []pageAdapter{}}
	if p.Server != "" {
		c.Server = "./models/server.gguf"
	}
	for i, a := range p.Adapters {
		c.Adapters = append(c.Adapters, pageAdapter{"./" + adapterPath(i), a.Scale})
	}
	if p.Baseline {
		c.KernelURLs = map[string]string{"simd128": "./kernels-simd128.wasm", "relaxed": "./kernels-simd128.wasm"}
	}
	return c
}

// Close ends the browser and the server.
func (t *Tab) Close() {
	if t.browser != nil {
		t.browser.Close()
	}
	_ = t.server.Close() // the browser is gone
}

// Device and Server grade in the page.
func (t *Tab) Device() Grader { return pageGrader{t, "device"} }

// Server is the larger model's.
func (t *Tab) Server() Grader { return pageGrader{t, "server"} }

type pageGrader struct {
	tab   *Tab
	where string
}

func (g pageGrader) Grade(_ context.Context, t *Task, method Method) (a Answer, err error) {
	return a, g.tab.browser.Call(&a, "evaluation.grade", t, method, g.where)
}
