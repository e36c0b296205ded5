package bench

import (
	"context"
	"os"

	"pastel/kernels"
)

// pageConfig is web/bench/measure.ts's Config.
type pageConfig struct {
	Model   string `json:"model"`
	Threads int    `json:"threads"`
	Prompts []int  `json:"prompts"`
	Decode  int    `json:"decode"`
	Repeats int    `json:"repeats"`
}

// PageResult is what a page of ours, or of a peer, measures: web/bench/measure.ts's
// Measured.
type PageResult struct {
	Executor  string  `json:"executor"`
	Version   string  `json:"version,omitempty"` // peers
	Threads   int     `json:"threads"`
	LoadMs    float64 `json:"loadMs"`
	PrefillMs []struct {
		Tokens int       `json:"tokens"`
		Ms     []float64 `json:"ms"`
	} `json:"prefillMs"`
	DecodeTokPS []float64 `json:"decodeTokPS"`
}

// fill copies a page's figures into a result.
func (p *PageResult) fill(r *Result) {
	r.Executor, r.Threads, r.LoadMs = p.Executor, p.Threads, p.LoadMs
	for _, f := range p.PrefillMs {
		rates := make([]float64, len(f.Ms))
		for i, ms := range f.Ms {
			rates[i] = float64(f.Tokens) / ms * 1e3
		}
		r.Prefill = append(r.Prefill, Prefill{Tokens: f.Tokens, TokPS: StatOf(rates), TTFTms: StatOf(f.Ms)})
	}
	r.Decode = StatOf(p.DecodeTokPS)
}

// pageProfile is web/bench/profile.ts's Profile.
type pageProfile struct {
	OutsideKernels float64    `json:"outsideKernels"`
	Decode         pageReport `json:"decode"`
	Prefill        pageReport `json:"prefill"`
	PrefillTokens  int        `json:"prefillTokens"`
}

type pageReport struct {
	Passes float64      `json:"passes"`
	Ops    [][3]float64 `json:"ops"` // code, calls, milliseconds
}

func (p *pageReport) times() (out []OpTime) {
	for _, op := range p.Ops {
		out = append(out, OpTime{Op: kernels.Code(op[0]).String(), Calls: op[1] / p.Passes, Ms: op[2] / p.Passes})
	}
	return sortOps(out)
}

// Chromium measures a model in a fresh Chromium on the page /bench. The renderer's peak
// is that of one page that loads the model once and measures; limits, a second load
// from storage and the profile follow in others.
//
// Errors: no Chromium, modules or scripts that do not build, and the page's own.
func Chromium(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	work, err := WorkOf(c.Model)
	if err != nil {
		return nil, err
	}
	server, err := benchServer("127.0.0.1:0", c)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &Result{In: "chromium", Model: c.Model, FileBytes: fileBytes(c.Model), Work: work, DecodeSteps: c.Decode, Machine: ThisMachine()}
	if err := r.measurePage(ctx, server.URL+"/bench/", c); err != nil {
		return nil, err
	}
	r.finish()
	return r, nil
}

// Serve serves the page /bench with a model, for any browser, until ctx ends.
func Serve(ctx context.Context, addr string, c Config, ready func(url string)) error {
	server, err := benchServer(addr, c.withDefaults())
	if err != nil {
		return err
	}
	ready(server.URL + "/bench/")
	<-ctx.Done()
	return server.Close()
}

func benchServer(addr string, c Config) (*Server, error) {
	site, err := Site(c.Web)
	if err != nil {
		return nil, err
	}
	server, err := NewServer(addr)
	if err != nil {
		return nil, err
	}
	server.Site("/bench/", site)
	server.File("/bench/models/model.gguf", c.Model)
	if c.Rank > 0 {
		err = serveAdapters(server, "/bench/adapters/", c)
	}
	return server, err
}

func fileBytes(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

// measurePage runs everything in one browser, a page load for each part.
func (r *Result) measurePage(ctx context.Context, url string, c Config) error {
	b, err := NewBrowser(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	config := pageConfig{Model: "./models/model.gguf", Threads: c.Threads, Prompts: c.Prompts, Decode: c.Decode, Repeats: c.Repeats}
	var page PageResult
	if err := b.part(url, &page, "bench.measure", config); err != nil {
		return err
	}
	page.fill(r)
	r.PeakBytes = b.PeakRenderer()
	r.Machine.Browser = b.Version()

	var warm PageResult
	if err := b.part(url, &warm, "bench.measure", pageConfig{Model: config.Model, Threads: c.Threads, Prompts: []int{}}); err != nil {
		return err
	}
	r.WarmLoadMs = warm.LoadMs
	var limits struct{ ReadGBps, DotGmacs float64 }
	if err := b.part(url, &limits, "bench.limits", r.Executor, r.Threads, r.Work.ReadBytes); err != nil {
		return err
	}
	r.Limits = &Limits{limits.ReadGBps, limits.DotGmacs}
	if c.Rank > 0 {
		if err := r.measureAdapters(b, url, c, config); err != nil {
			return err
		}
	}
	if !c.Profile {
		return nil
	}
	var profile pageProfile
	if err := b.part(url, &profile, "bench.profile", config); err != nil {
		return err
	}
	r.Profile = &Profile{profile.OutsideKernels, profile.Decode.times(), profile.Prefill.times(), profile.PrefillTokens}
	return nil
}

// part loads the page anew, which ends all its workers, and calls one function of it.
func (b *Browser) part(url string, dst any, f string, args ...any) error {
	if err := b.Open(url + "index.html"); err != nil {
		return err
	}
	return b.Call(dst, f, args...)
}
