package bench

import (
	"fmt"
	"path/filepath"
	"strings"
)

// poolSize is the number of adapters that are blended.
const poolSize = 8

// Adapters is what adapters cost: random ones on every linear map of the blocks.
type Adapters struct {
	Rank   int  `json:"rank"`
	LoadMs Stat `json:"load_ms"` // one adapter, from the page's storage to usable
	// Decoding with an adapter takes this many times as long as without. Each repeat
	// decodes in turn without, with one adapter, and with a blended one.
	Alone   Stat `json:"alone"`
	Blended Stat `json:"blended"`

	Pool    int     `json:"pool"`         // adapters that are blended
	PoolMs  float64 `json:"pool_load_ms"` // download, verification, reading
	EmbedMs Stat    `json:"embed_ms"`     // 10 samples
	SumMs   Stat    `json:"sum_ms"`       // the weighted sum alone
	BlendMs Stat    `json:"blend_ms"`     // from weights to an adapter in place, on the page's clock
	TotalMs Stat    `json:"total_ms"`     // engine.customize until the adapter is usable, the pool being loaded
}

// pageAdapters is web/bench/adapters.ts's Measured.
type pageAdapters struct {
	LoadMs  []float64
	Decode  [][3]float64
	PoolMs  float64
	EmbedMs []float64
	SumMs   []float64
	BlendMs []float64
	TotalMs []float64
}

// measureAdapters runs the page's part about adapters.
func (r *Result) measureAdapters(b *Browser, url string, c Config, config pageConfig) error {
	var page pageAdapters
	if err := b.part(url, &page, "bench.adapters", config, "./adapters/"); err != nil {
		return err
	}
	a := &Adapters{Rank: c.Rank, LoadMs: StatOf(page.LoadMs), Pool: poolSize, PoolMs: page.PoolMs,
		EmbedMs: StatOf(page.EmbedMs), SumMs: StatOf(page.SumMs), BlendMs: StatOf(page.BlendMs), TotalMs: StatOf(page.TotalMs)}
	var alone, blended []float64
	for _, d := range page.Decode {
		alone, blended = append(alone, d[0]/d[1]), append(blended, d[0]/d[2])
	}
	a.Alone, a.Blended = StatOf(alone), StatOf(blended)
	r.Adapters = a
	return nil
}

// write prints one line each.
func (a *Adapters) write(b *strings.Builder) {
	fmt.Fprintf(b, "adapter of rank %d on every linear map: loaded in %s ms, a token takes × %s, with a blended one × %s\n", a.Rank, a.LoadMs, a.Alone, a.Blended)
	fmt.Fprintf(b, "pool of %d: loaded in %.0f ms; 10 samples embedded in %s ms; blended and in place in %s ms, of which sums %s ms; all in %s ms\n",
		a.Pool, a.PoolMs, a.EmbedMs, a.BlendMs, a.SumMs, a.TotalMs)
}

// serveAdapters makes the random adapters and serves them below a prefix.
func serveAdapters(s *Server, prefix string, c Config) error {
	dir := filepath.Join(c.Scratch, fmt.Sprintf("%s-rank%d", filepath.Base(c.Model), c.Rank))
	if err := syntheticAdapters(dir, c.Model, poolSize, c.Rank); err != nil {
		return err
	}
	s.Dir(prefix, dir)
	return nil
}
