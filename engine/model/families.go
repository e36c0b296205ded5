package model

import (
	"math"

	"pastel/kernels"
)

// families holds what each architecture does differently from the common
// defaults: interleaved rope off, RMSNorm, gated SiLU, sequential blocks, and
// attention scaled by 1/√KeyDim. Optional tensors (biases, query/key norms,
// post norms, fused matrices) are found by their presence, not listed here.
var families = map[string]func(c *Config, m *metadata){
	"llama": func(c *Config, m *metadata) {
		c.RopeInterleaved = true
		c.window(m.int("attention.sliding_window", 0, 1<<30), everyLayer)
		c.experts(m, true)
	},
	"smollm3": func(c *Config, m *metadata) {
		c.RopeInterleaved = true
		c.noRope(lastOf(4))
	},
	"minicpm":    func(c *Config, m *metadata) { c.RopeInterleaved = true; c.scales(m) },
	"granite":    func(c *Config, m *metadata) { c.granite(m) },
	"granitemoe": func(c *Config, m *metadata) { c.granite(m); c.experts(m, true) },
	"qwen2moe":   func(c *Config, m *metadata) { c.experts(m, false) },
	"qwen3moe":   func(c *Config, m *metadata) { c.experts(m, true) },
	"olmoe":      func(c *Config, m *metadata) { c.QKNormFull = true; c.experts(m, false) },
	"qwen2":      func(c *Config, m *metadata) {},
	"qwen3":      func(c *Config, m *metadata) {},
	"olmo2":      func(c *Config, m *metadata) { c.QKNormFull = true },
	"gemma":      func(c *Config, m *metadata) { c.gemma() },
	"gemma2": func(c *Config, m *metadata) {
		c.gemma()
		c.AttnSoftcap = m.float("attn_logit_softcapping", 50)
		c.LogitSoftcap = m.float("final_logit_softcapping", 30)
		c.window(m.int("attention.sliding_window", 4096, 1<<30), func(i int) bool { return i%2 == 0 })
		c.wideQuery(46) // 27B
	},
	"gemma3": func(c *Config, m *metadata) {
		c.gemma()
		local := func(i int) bool { return !lastOf(6)(i) }
		c.window(m.int("attention.sliding_window", 1024, 1<<30), local)
		c.Ropes = append(c.Ropes, RopeConfig{Base: 10000, Factor: 1, AttnFactor: 1})
		for i := range c.Layers {
			if local(i) {
				c.Layers[i].Rope = 1
			}
		}
		c.wideQuery(62) // 27B
	},
	"phi3": func(c *Config, m *metadata) {
		c.window(m.int("attention.sliding_window", 0, 1<<30), everyLayer)
		if hasTensor(m.file, "rope_factors_short.weight") {
			c.Ropes[0].Freqs, c.Ropes[0].FreqsLong = "rope_factors_short.weight", "rope_factors_long.weight"
		}
	},
	"phi2": func(c *Config, m *metadata) { c.layerNorm(); c.ungated(kernels.GELU); c.Parallel = true },
	"gpt2": func(c *Config, m *metadata) { c.layerNorm(); c.ungated(kernels.GELU); c.noRope(everyLayer) },
	"bloom": func(c *Config, m *metadata) {
		c.layerNorm()
		c.ungated(kernels.GELU)
		c.noRope(everyLayer)
		c.ALiBiMaxBias = 8
	},
	"starcoder2": func(c *Config, m *metadata) { c.layerNorm(); c.ungated(kernels.GELU) },
	"nemotron":   func(c *Config, m *metadata) { c.layerNorm(); c.ungated(kernels.ReLU2) },
	"falcon":     func(c *Config, m *metadata) { c.layerNorm(); c.ungated(kernels.GELU); c.Parallel = true },
	"gptneox": func(c *Config, m *metadata) {
		c.layerNorm()
		c.ungated(kernels.GELU)
		c.Parallel = m.bool("use_parallel_residual", true)
	},
	"stablelm": func(c *Config, m *metadata) {
		c.layerNorm()
		c.Parallel = !hasTensor(m.file, "blk.0.ffn_norm.weight")
	},
	"command-r": func(c *Config, m *metadata) { c.cohere(m) },
	"cohere2": func(c *Config, m *metadata) {
		c.cohere(m)
		c.window(m.int("attention.sliding_window", 4096, 1<<30), func(i int) bool { return !lastOf(4)(i) })
		c.noRope(lastOf(4))
	},
}

func everyLayer(int) bool { return true }

// lastOf chooses the last of every n blocks.
func lastOf(n int) func(layer int) bool { return func(i int) bool { return i%n == n-1 } }

// gemma sets what the Gemma families share: √dim embeddings and gated GELU.
//
// Source: Gemma 1–3 reports, arXiv:2403.08295, 2408.00118, 2503.19786.
func (c *Config) gemma() {
	c.EmbedScale = float32(math.Sqrt(float64(c.Dim)))
	c.Func = kernels.GELU
}

// wideQuery scales queries by √(dim/heads) instead of √KeyDim in the one model
// of a family that is recognised by its number of layers.
func (c *Config) wideQuery(layers int) {
	if c.NLayers == layers {
		c.AttnScale = rsqrt(c.Dim / c.NHeads)
	}
}

// cohere sets what Command-R and Cohere 2 share.
func (c *Config) cohere(m *metadata) {
	c.layerNorm()
	c.RopeInterleaved, c.Parallel = true, true
	c.LogitScale = m.float("logit_scale", 1)
}

// granite sets what the dense and the mixed Granite share.
func (c *Config) granite(m *metadata) {
	c.RopeInterleaved = true
	c.scales(m)
	c.AttnScale = m.float("attention.scale", c.AttnScale)
}

// scales reads the factors of Granite and MiniCPM; logits are divided.
func (c *Config) scales(m *metadata) {
	c.EmbedScale = m.float("embedding_scale", 1)
	c.ResidualScale = m.float("residual_scale", 1)
	if s := m.float("logit_scale", 1); s != 0 {
		c.LogitScale = 1 / s
	}
}

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

// ungated makes the feed-forward block two matrices with a function between.
func (c *Config) ungated(f kernels.Nonlinearity) { c.Gated, c.Func = false, f }
