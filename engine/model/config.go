package model

import (
	"pastel/engine/gguf"
	"pastel/fault"
	"pastel/kernels"
)

// Limits on hyper-parameters. They are far beyond any real model and keep
// products of two of them inside 63 bits.
const (
	maxDim    = 1 << 20
	maxLayers = 1 << 10
	maxHeads  = 1 << 12
	maxVocab  = 1 << 22
)

// NormKind is the normalisation a family uses.
type NormKind int

// The normalisations.
const (
	RMSNorm NormKind = iota
	LayerNorm
)

// A Layer holds what may differ from one block to the next.
type Layer struct {
	Window int // positions a token sees, itself included; 0: all before it
	Rope   int // index into Config.Ropes, or NoRope
}

// NoRope marks a block without rotary positions.
const NoRope = -1

// A Config is a model's hyper-parameters, in this project's words.
type Config struct {
	Arch         string
	Dim          int // width of the residual stream
	HiddenDim    int // width of the feed-forward block
	NLayers      int
	NHeads       int
	NKVHeads     int // key/value heads, a divisor of NHeads
	KeyDim       int // per head
	ValueDim     int // per head
	VocabSize    int
	TrainContext int // positions the model was trained for; 0 when unknown

	Norm    NormKind
	NormEps float32

	RopeDims        int
	RopeInterleaved bool // rotate neighbours instead of halves
	Ropes           []RopeConfig
	Layers          []Layer
	ALiBiMaxBias    float32 // 0: no ALiBi

	Gated         bool // the feed-forward block has a gate
	Func          kernels.Nonlinearity
	Parallel      bool // attention and feed-forward read the same input
	QKNormFull    bool // query/key norm spans all heads
	EmbedScale    float32
	ResidualScale float32
	AttnScale     float32 // factor of q·k
	LogitScale    float32 // factor of the logits
	AttnSoftcap   float32
	LogitSoftcap  float32

	Experts ExpertConfig
}

// metadata reads numbers under the architecture's prefix and remembers the first error.
type metadata struct {
	*gguf.Metadata
	file *gguf.File
	arch string
	err  error
}

// key prefixes a name with the architecture.
func (m *metadata) key(name string) string { return m.arch + "." + name }

// int reads an integer within 0..limit.
func (m *metadata) int(name string, def, limit int) int {
	v, err := m.Uint(m.key(name), uint64(def))
	if err == nil && v > uint64(limit) {
		err = fault.New(fault.BadFile, "model: ", m.key(name), " is ", v, ", at most ", limit)
	}
	m.keep(err)
	return int(min(v, uint64(limit)))
}

// float reads a finite number.
func (m *metadata) float(name string, def float32) float32 {
	v, err := m.Float(m.key(name), float64(def))
	if err == nil && (v != v || v > 1e12 || v < -1e12) {
		err = fault.New(fault.BadFile, "model: ", m.key(name), " is ", v)
	}
	m.keep(err)
	return float32(v)
}

// string reads a text value.
func (m *metadata) string(name, def string) string {
	v, err := m.String(m.key(name), def)
	m.keep(err)
	return v
}

// bool reads a flag.
func (m *metadata) bool(name string, def bool) bool {
	v, err := m.Bool(m.key(name), def)
	m.keep(err)
	return v
}

func (m *metadata) keep(err error) {
	if m.err == nil {
		m.err = err
	}
}

// ReadConfig reads and checks the hyper-parameters of a GGUF header.
//
// Errors: ERR_UNSUPPORTED_ARCH for a family this package does not plan,
// ERR_BAD_FILE for numbers that make no model.
func ReadConfig(f *gguf.File) (*Config, error) {
	arch, err := f.Metadata.String("general.architecture", "")
	if err != nil {
		return nil, err
	}
	if kind, _ := f.Metadata.String("general.type", "model"); kind != "model" {
		return nil, fault.New(fault.UnsupportedArch, "model: general.type is ", fault.Quote(kind), ", not \"model\"")
	}
	configure, ok := families[arch]
	if !ok {
		return nil, fault.New(fault.UnsupportedArch, "model: architecture ", fault.Quote(arch), " is not supported")
	}
	m := &metadata{Metadata: &f.Metadata, file: f, arch: arch}
	c := readCommon(m, f)
	if m.err == nil {
		m.keep(c.checkDims())
	}
	if m.err != nil {
		return nil, m.err
	}
	c.Layers = make([]Layer, c.NLayers)
	c.Ropes = []RopeConfig{readRope(m, c)}
	configure(c, m)
	if m.err == nil {
		m.keep(c.check())
	}
	if m.err != nil {
		return nil, m.err
	}
	return c, nil
}

// readCommon reads what every family names alike and sets its defaults.
func readCommon(m *metadata, f *gguf.File) *Config {
	c := &Config{Arch: m.arch}
	c.Dim = m.int("embedding_length", 0, maxDim)
	c.NLayers = m.int("block_count", 0, maxLayers)
	c.HiddenDim = m.int("feed_forward_length", 0, maxDim)
	c.NHeads = m.int("attention.head_count", 0, maxHeads)
	c.NKVHeads = m.int("attention.head_count_kv", c.NHeads, maxHeads)
	c.TrainContext = m.int("context_length", 0, 1<<30)
	headDim := 0
	if c.NHeads > 0 {
		headDim = c.Dim / c.NHeads
	}
	c.KeyDim = m.int("attention.key_length", headDim, maxDim)
	c.ValueDim = m.int("attention.value_length", headDim, maxDim)
	c.RopeDims = m.int("rope.dimension_count", c.KeyDim, maxDim)
	if t, ok := f.Tensor("token_embd.weight"); ok && len(t.Shape) == 2 {
		c.VocabSize = t.Shape[0]
	}
	c.Gated, c.Func = true, kernels.SiLU
	c.EmbedScale, c.ResidualScale, c.LogitScale = 1, 1, 1
	if c.KeyDim > 0 {
		c.AttnScale = rsqrt(c.KeyDim)
	}
	if m.Has(m.key("attention.layer_norm_rms_epsilon")) {
		c.NormEps = m.float("attention.layer_norm_rms_epsilon", 1e-5)
	} else {
		c.NormEps = m.float("attention.layer_norm_epsilon", 1e-5)
	}
	return c
}

// checkDims refuses numbers that no later step could use.
func (c *Config) checkDims() error {
	for _, v := range []struct {
		name     string
		got, max int
	}{
		{"embedding_length", c.Dim, maxDim},
		{"block_count", c.NLayers, maxLayers},
		{"feed_forward_length", c.HiddenDim, maxDim},
		{"attention.head_count", c.NHeads, maxHeads},
		{"attention.head_count_kv", c.NKVHeads, maxHeads},
		{"attention.key_length", c.KeyDim, maxDim},
		{"attention.value_length", c.ValueDim, maxDim},
		{"vocabulary (rows of token_embd.weight)", c.VocabSize, maxVocab},
	} {
		if v.got < 1 || v.got > v.max {
			return fault.New(fault.BadFile, "model: ", v.name, " is ", v.got, ", not in 1..", v.max)
		}
	}
	if c.NHeads%c.NKVHeads != 0 {
		return fault.New(fault.BadFile, "model: ", c.NHeads, " heads are no multiple of ", c.NKVHeads, " kv heads")
	}
	if c.NHeads/c.NKVHeads > kernels.MaxGroup || max(c.KeyDim, c.ValueDim) > kernels.MaxHeadDim || c.KeyDim%4 != 0 || c.ValueDim%4 != 0 {
		return fault.New(fault.UnsupportedArch, "model: ", c.NHeads, " heads of ", c.KeyDim, " and ", c.ValueDim, " values over ", c.NKVHeads, " kv heads are beyond the attention kernels")
	}
	if c.NHeads*max(c.KeyDim, c.ValueDim) > 4*maxDim {
		return fault.New(fault.BadFile, "model: ", c.NHeads, " heads of ", max(c.KeyDim, c.ValueDim), " values are too wide")
	}
	return nil
}

// check finishes after the family had its say.
func (c *Config) check() error {
	if c.RopeDims > c.KeyDim || c.RopeDims%2 != 0 {
		return fault.New(fault.BadFile, "model: rope.dimension_count is ", c.RopeDims, ", not an even number up to ", c.KeyDim)
	}
	if c.NormEps < 0 {
		return fault.New(fault.BadFile, "model: norm epsilon is ", c.NormEps)
	}
	for _, r := range c.Ropes {
		if !(r.Base > 0) || !(r.Factor > 0) {
			return fault.New(fault.BadFile, "model: rope base ", r.Base, " and factor ", r.Factor, " must be positive")
		}
	}
	return nil
}

// rsqrt is 1/√n as float32, the usual attention scale.
func rsqrt(n int) float32 { return float32(1 / sqrt(float64(n))) }

// QueryDim is the width of all query heads together.
func (c *Config) QueryDim() int { return c.NHeads * c.KeyDim }

// KVKeyDim is the width of all key heads together.
func (c *Config) KVKeyDim() int { return c.NKVHeads * c.KeyDim }

// KVValueDim is the width of all value heads together.
func (c *Config) KVValueDim() int { return c.NKVHeads * c.ValueDim }

// AttnDim is the width of all attended values together.
func (c *Config) AttnDim() int { return c.NHeads * c.ValueDim }

// QKVDim is the width of the buffer that holds a token's query, key and value.
func (c *Config) QKVDim() int { return c.QueryDim() + c.KVKeyDim() + c.KVValueDim() }
