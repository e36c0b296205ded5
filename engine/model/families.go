package model

import (
	"math"

	"pastel/fault"
	"pastel/kernels"
)

// families holds what each architecture does differently from the common
// defaults: interleaved rope off, RMSNorm, gated SiLU, sequential blocks, and
// attention scaled by 1/√KeyDim. Optional tensors (biases, query/key norms,
// post norms, fused matrices) are found by their presence, not listed here.
var families = map[string]func(c *Config, m *metadata){
	"llama": func(c *Config, m *metadata) {
		c.defaults()
		c.RopeInterleaved = true
		c.window(m.int("attention.sliding_window", 0, 1<<30), func(int) bool { return true })
		refuseExperts(m)
	},
}

// defaults sets what depends on dimensions read before.
func (c *Config) defaults() { c.AttnScale = rsqrt(c.KeyDim) }

// window limits the blocks chosen by on to a sliding window; 0 leaves all.
func (c *Config) window(size int, on func(layer int) bool) {
	for i := range c.Layers {
		if size > 0 && on(i) {
			c.Layers[i].Window = size
		}
	}
}

// noRope leaves the blocks chosen by off without positions.
func (c *Config) noRope(off func(layer int) bool) {
	for i := range c.Layers {
		if off(i) {
			c.Layers[i].Rope = NoRope
		}
	}
}

// layerNorm switches to LayerNorm.
func (c *Config) layerNorm() { c.Norm = LayerNorm }

// plain makes the feed-forward block ungated.
func (c *Config) plain(f kernels.Nonlinearity) { c.Gated, c.Func = false, f }

// embedSqrt scales embeddings by √dim, as Gemma does.
func (c *Config) embedSqrt() { c.EmbedScale = float32(math.Sqrt(float64(c.Dim))) }

// refuseExperts refuses mixtures of experts where only the dense plan exists.
func refuseExperts(m *metadata) {
	if n := m.int("expert_count", 0, 1<<16); n > 0 {
		m.keep(fault.New(fault.UnsupportedArch, "model: ", fault.Quote(m.arch), " with ", n, " experts is not supported"))
	}
}
