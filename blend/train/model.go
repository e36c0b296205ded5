package train

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A Config has the dimensions of a llama model, in GGUF's sense: rope rotates
// neighbouring pairs.
type Config struct {
	Dim, HiddenDim, Layers, Heads, KVHeads, HeadDim, VocabSize int
	RopeBase, Eps                                              float64
	Tied                                                       bool // the output matrix is the embedding
}

// The linear maps of a layer, in the order they appear in Layer.Linear.
const (
	AttnQ = iota
	AttnK
	AttnV
	AttnOut
	FFNGate
	FFNUp
	FFNDown
	nLinear
)

var linearNames = [nLinear]string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}

// shapes returns [out, in] of the linear maps of a layer.
func (c *Config) shapes() [nLinear][2]int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return [nLinear][2]int{{q, c.Dim}, {kv, c.Dim}, {kv, c.Dim}, {c.Dim, q}, {c.HiddenDim, c.Dim}, {c.HiddenDim, c.Dim}, {c.Dim, c.HiddenDim}}
}

// Target is the GGUF name of a linear map.
func Target(layer, linear int) string {
	return fmt.Sprintf("blk.%d.%s.weight", layer, linearNames[linear])
}

// A Layer is one block.
type Layer struct {
	AttnNorm, FFNNorm []float64          // [dim]
	Linear            [nLinear][]float64 // [out, in]
}

// A Model is a config with its weights, all of which lie in Flat. A Model of the
// same config serves as its gradient. Reading is safe for several goroutines.
type Model struct {
	Config
	Flat   []float64
	Embed  []float64 // [vocab, dim]
	Layers []Layer
	Norm   []float64 // [dim]
	Output []float64 // [vocab, dim]; the same memory as Embed when tied
}

// New returns a model of zeros.
func New(c Config) *Model {
	m := &Model{Config: c, Layers: make([]Layer, c.Layers)}
	total := 0
	m.each(func(_ string, _ *[]float64, n int) { total += n })
	m.Flat = make([]float64, total)
	at := 0
	m.each(func(_ string, p *[]float64, n int) {
		*p = m.Flat[at : at+n : at+n]
		at += n
	})
	if c.Tied {
		m.Output = m.Embed
	}
	return m
}

// each visits every tensor with its GGUF name and size.
func (m *Model) each(visit func(name string, p *[]float64, n int)) {
	visit("token_embd.weight", &m.Embed, m.VocabSize*m.Dim)
	for l := range m.Layers {
		layer := &m.Layers[l]
		visit(fmt.Sprintf("blk.%d.attn_norm.weight", l), &layer.AttnNorm, m.Dim)
		visit(fmt.Sprintf("blk.%d.ffn_norm.weight", l), &layer.FFNNorm, m.Dim)
		for i, s := range m.shapes() {
			visit(Target(l, i), &layer.Linear[i], s[0]*s[1])
		}
	}
	visit("output_norm.weight", &m.Norm, m.Dim)
	if !m.Tied {
		visit("output.weight", &m.Output, m.VocabSize*m.Dim)
	}
}

// Init draws weights for training from scratch: normal with deviation 1/√in,
// the maps back into the residual stream smaller by √(2·layers), norms one.
func (m *Model) Init(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x1217))
	fill := func(w []float64, dev float64) {
		for i := range w {
			w[i] = dev * rng.NormFloat64()
		}
	}
	fill(m.Embed, 0.2)
	for l := range m.Layers {
		layer := &m.Layers[l]
		for i, s := range m.shapes() {
			dev := 1 / math.Sqrt(float64(s[1]))
			if i == AttnOut || i == FFNDown {
				dev /= math.Sqrt(2 * float64(m.Config.Layers))
			}
			fill(layer.Linear[i], dev)
		}
		fillOnes(layer.AttnNorm)
		fillOnes(layer.FFNNorm)
	}
	fillOnes(m.Norm)
	if !m.Tied {
		fill(m.Output, 1/math.Sqrt(float64(m.Dim)))
	}
}

func fillOnes(w []float64) {
	for i := range w {
		w[i] = 1
	}
}
