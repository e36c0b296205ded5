package train

import (
	"bytes"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/fault"
)

// maxWeights bounds the models this package takes: float64 weights, gradients
// and moments of larger ones would not fit a small machine.
const maxWeights = 64 << 20

// Load reads a llama model from the bytes of a GGUF file, dequantising it.
//
// Errors: fault.UnsupportedArch for other architectures and for features that are
// not computed here (biases, experts, rope scaling, sliding windows), fault.BadFile
// for missing or misshapen tensors.
func Load(data []byte) (*Model, error) {
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	c, err := readConfig(f)
	if err != nil {
		return nil, err
	}
	m := New(c)
	known := map[string]bool{}
	m.each(func(name string, p *[]float64, _ int) {
		known[name] = true
		if err == nil {
			err = loadTensor(f, data, name, *p)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return nil, fault.New(fault.UnsupportedArch, "train: tensor ", fault.Quote(t.Name), " is not computed here")
		}
	}
	return m, nil
}

// readConfig reads the llama.* keys.
func readConfig(f *gguf.File) (c Config, err error) {
	if arch, _ := f.Metadata.String("general.architecture", ""); arch != "llama" {
		return c, fault.New(fault.UnsupportedArch, "train: architecture ", fault.Quote(arch), ", only llama is trained")
	}
	for _, key := range []string{"llama.rope.scaling.type", "llama.expert_count", "llama.attention.sliding_window"} {
		if f.Metadata.Has(key) {
			return c, fault.New(fault.UnsupportedArch, "train: ", key, " is not computed here")
		}
	}
	get := func(key string, otherwise int) int {
		n, e := f.Metadata.Uint("llama."+key, uint64(otherwise))
		if e != nil || n < 1 || n > 1<<20 {
			err = fault.New(fault.BadFile, "train: llama.", key, " is ", n)
			return 1
		}
		return int(n)
	}
	float := func(key string, otherwise float64) float64 {
		x, e := f.Metadata.Float("llama."+key, otherwise)
		if e != nil {
			err = e
		}
		return x
	}
	c = Config{Dim: get("embedding_length", 0), HiddenDim: get("feed_forward_length", 0), Layers: get("block_count", 0), Heads: get("attention.head_count", 0)}
	c.KVHeads = get("attention.head_count_kv", c.Heads)
	c.HeadDim = get("rope.dimension_count", c.Dim/c.Heads)
	c.RopeBase, c.Eps = float("rope.freq_base", 10000), float("attention.layer_norm_rms_epsilon", 1e-5)
	embed, ok := f.Tensor("token_embd.weight")
	if !ok || len(embed.Shape) != 2 || embed.Shape[1] != c.Dim {
		return c, fault.New(fault.BadFile, "train: no token_embd.weight of ", c.Dim, " columns")
	}
	c.VocabSize = embed.Shape[0]
	_, untied := f.Tensor("output.weight")
	c.Tied = !untied
	if err == nil && (c.Heads%c.KVHeads != 0 || c.HeadDim%2 != 0 || c.weights() > maxWeights) {
		err = fault.New(fault.BadFile, "train: ", c.Heads, " heads on ", c.KVHeads, " kv heads of ", c.HeadDim, ", ", c.weights(), " weights")
	}
	return c, err
}

// weights counts what New would allocate, as a float64 that cannot overflow.
func (c *Config) weights() float64 {
	n := 2 * float64(c.VocabSize) * float64(c.Dim)
	for _, s := range c.shapes() {
		n += float64(c.Layers) * float64(s[0]) * float64(s[1])
	}
	return n
}

func loadTensor(f *gguf.File, data []byte, name string, dst []float64) error {
	t, ok := f.Tensor(name)
	if !ok || t.NElems() != len(dst) {
		return fault.New(fault.BadFile, "train: tensor ", fault.Quote(name), " is missing or has not ", len(dst), " weights")
	}
	values := make([]float32, len(dst))
	if err := tensor.Dequantize(t.Type, values, data[t.Offset:t.Offset+t.NBytes]); err != nil {
		return err
	}
	for i, v := range values {
		dst[i] = float64(v)
	}
	return nil
}

// Shapes tells the shapes of the linear maps, for blend.Adapter.Check.
func (m *Model) Shapes(target string) (out, in int, ok bool) {
	for l := range m.Layers {
		for i, s := range m.shapes() {
			if Target(l, i) == target {
				return s[0], s[1], true
			}
		}
	}
	return m.VocabSize, m.Dim, target == "output.weight" || target == "token_embd.weight"
}
