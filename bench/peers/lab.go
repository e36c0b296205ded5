package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"pastel/bench"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// A lab serves all pages from one origin and runs them in fresh browsers.
type lab struct {
	options
	server *bench.Server
	served map[string]bool
	log    *os.File // nil: none
}

func newLab(o options) (*lab, error) {
	site, err := bench.Site("web")
	if err != nil {
		return nil, err
	}
	server, err := bench.NewServer("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server.Site("/pastel/", site)
	server.Dir("/pages/", "bench/peers/pages")
	server.Dir("/npm/", "bench/peers/node_modules")
	l := &lab{options: o, server: server, served: map[string]bool{}}
	if o.out != "" {
		l.log, err = os.OpenFile(o.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	}
	return l, err
}

// pages are where the engines live.
var pages = map[string]string{
	"pastel": "/pastel/index.html", "wllama2": "/pages/wllama2.html", "wllama3": "/pages/wllama3.html", "ort": "/pages/ort.html",
}

// pageConfig is what every page's measure takes; each reads what it needs.
type pageConfig struct {
	Model   string    `json:"model"`
	ONNX    string    `json:"onnx"`
	Shape   pageShape `json:"shape"`
	Threads int       `json:"threads"`
	Prompts []int     `json:"prompts"`
	Decode  int       `json:"decode"`
	Repeats int       `json:"repeats"`
}

type pageShape struct {
	NLayers   int `json:"nLayers"`
	NKVHeads  int `json:"nKVHeads"`
	HeadDim   int `json:"headDim"`
	VocabSize int `json:"vocabSize"`
}

// An entry is one engine in one fresh browser.
type entry struct {
	Contest string           `json:"contest"`
	Engine  string           `json:"engine"`
	Round   int              `json:"round"`
	Date    string           `json:"date"`
	Browser string           `json:"browser"`
	Load    string           `json:"loadavg"`
	Peak    uint64           `json:"peak_bytes"`
	Page    bench.PageResult `json:"page"`
	Error   string           `json:"error,omitempty"`
}

// run measures one contest: rounds times every engine, each round in the other
// direction than the one before.
func (l *lab) run(ctx context.Context, c contest) error {
	config, err := l.prepare(c)
	if err != nil {
		return err
	}
	var entries []entry
	for round := range l.rounds {
		for i := range l.engines {
			if round%2 == 1 {
				i = len(l.engines) - 1 - i
			}
			e := l.one(ctx, c, l.engines[i], config)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e.Round = round
			entries = append(entries, e)
			log.Printf("%s, %s, round %d: %s", c, e.Engine, round, e.summary())
			if err := l.write(e); err != nil {
				return err
			}
		}
	}
	fmt.Print(table(c, l.engines, entries))
	return nil
}

// prepare makes and serves the contest's models.
func (l *lab) prepare(c contest) (pageConfig, error) {
	gguf, onnx, err := models(c)
	if err != nil {
		return pageConfig{}, err
	}
	shape, err := testmodel.Shape(c.shape, tensor.Q8_0)
	if err != nil {
		return pageConfig{}, err
	}
	config := pageConfig{
		Model: fmt.Sprintf("/models/%s-%s.gguf", c.shape, c.typ), ONNX: fmt.Sprintf("/models/%s-int8.onnx", c.shape),
		Shape:   pageShape{shape.NLayers, shape.NKVHeads, shape.Dim / shape.NHeads, shape.VocabSize},
		Threads: c.threads, Prompts: l.prompts, Decode: l.decode, Repeats: l.repeats,
	}
	for at, file := range map[string]string{config.Model: gguf, config.ONNX: onnx} {
		if !l.served[at] {
			l.server.File(at, file)
			l.served[at] = true
		}
	}
	return config, nil
}

// one runs one engine. What it could not do is in the entry's Error.
func (l *lab) one(ctx context.Context, c contest, engine string, config pageConfig) entry {
	e := entry{Contest: c.String(), Engine: engine, Date: time.Now().UTC().Format(time.RFC3339), Load: loadAverage()}
	if err := l.browse(ctx, &e, config); err != nil {
		e.Error = err.Error()
	}
	return e
}

func (l *lab) browse(ctx context.Context, e *entry, config pageConfig) error {
	b, err := bench.NewBrowser(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Open(l.server.URL + pages[e.Engine]); err != nil {
		return err
	}
	e.Browser = b.Version()
	err = b.Call(&e.Page, "bench.measure", config)
	e.Peak = b.PeakRenderer()
	return err
}

func (l *lab) write(e entry) error {
	if l.log == nil {
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.log, "%s\n", b)
	return err
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg") // "" elsewhere
	return string(b[:min(len(b), 14)])
}
