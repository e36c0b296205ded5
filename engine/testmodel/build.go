package testmodel

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"pastel/engine/gguf"
	"pastel/engine/quantize"
	"pastel/engine/tensor"
)

// patternBlocks is how many blocks of 256 weights are drawn for one tensor;
// longer tensors repeat them. A prime, so that rows of a power of two are all
// different until row 251 of 256 weights, and later for longer rows.
const patternBlocks = 251

// Bytes returns the GGUF file.
func (c Config) Bytes() ([]byte, error) {
	var buf bytes.Buffer
	if err := c.Write(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// Size returns the length of the GGUF file in bytes.
func (c Config) Size() (uint64, error) {
	f, err := c.file()
	if err != nil {
		return 0, err
	}
	return f.Layout()
}

// Write writes the GGUF file. It keeps one tensor's pattern and the header in
// memory, a few megabytes, whatever the size of the model.
func (c Config) Write(w io.Writer) error {
	f, err := c.file()
	if err != nil {
		return err
	}
	return gguf.Write(w, f, c.writeTensor)
}

// file is the header: metadata and the list of tensors.
func (c Config) file() (*gguf.File, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &gguf.File{}
	c.setMetadata(&f.Metadata)
	return f, c.addTensors(f)
}

func (c Config) setMetadata(m *gguf.Metadata) {
	m.Set("general.architecture", c.Arch)
	m.Set("general.name", fmt.Sprintf("random %s %s", c.Arch, c.Type))
	for _, kv := range []struct {
		key string
		n   int
	}{
		{"block_count", c.NLayers},
		{"context_length", c.SeqLen},
		{"embedding_length", c.Dim},
		{"feed_forward_length", c.HiddenDim},
		{"attention.head_count", c.NHeads},
		{"attention.head_count_kv", c.NKVHeads},
		{"attention.key_length", c.HeadDim},
		{"attention.value_length", c.HeadDim},
		{"rope.dimension_count", c.HeadDim},
		{"vocab_size", c.VocabSize},
	} {
		m.Set(c.Arch+"."+kv.key, uint32(kv.n))
	}
	m.Set(c.Arch+".attention.layer_norm_rms_epsilon", float32(c.Eps))
	m.Set(c.Arch+".rope.freq_base", float32(c.RopeBase))
	c.setTokenizer(m)
}

// addTensors lists the tensors in the order of the data's way through the model.
func (c Config) addTensors(f *gguf.File) error {
	q, kv := c.NHeads*c.HeadDim, c.NKVHeads*c.HeadDim
	err := c.add(f, nil, "token_embd.weight", c.VocabSize, c.Dim)
	if c.RopeFreqs {
		err = c.add(f, err, "rope_freqs.weight", c.HeadDim/2)
	}
	for i := range c.NLayers {
		p := fmt.Sprintf("blk.%d.", i)
		err = c.add(f, err, p+"attn_norm.weight", c.Dim)
		err = c.add(f, err, p+"attn_q.weight", q, c.Dim)
		err = c.add(f, err, p+"attn_k.weight", kv, c.Dim)
		err = c.add(f, err, p+"attn_v.weight", kv, c.Dim)
		if c.Arch == "qwen2" {
			err = c.add(f, err, p+"attn_q.bias", q)
			err = c.add(f, err, p+"attn_k.bias", kv)
			err = c.add(f, err, p+"attn_v.bias", kv)
		}
		err = c.add(f, err, p+"attn_output.weight", c.Dim, q)
		err = c.add(f, err, p+"ffn_norm.weight", c.Dim)
		err = c.add(f, err, p+"ffn_gate.weight", c.HiddenDim, c.Dim)
		err = c.add(f, err, p+"ffn_up.weight", c.HiddenDim, c.Dim)
		err = c.add(f, err, p+"ffn_down.weight", c.Dim, c.HiddenDim)
	}
	err = c.add(f, err, "output_norm.weight", c.Dim)
	if !c.Tied {
		err = c.add(f, err, "output.weight", c.VocabSize, c.Dim)
	}
	return err
}

// add lists one tensor in the type its name and shape ask for, unless err is set.
func (c Config) add(f *gguf.File, err error, name string, shape ...int) error {
	if err != nil {
		return err
	}
	typ := quantize.TypeFor(gguf.TensorInfo{Name: name, Type: tensor.F32, Shape: shape}, c.Type, quantize.IsOutput(name, c.Tied))
	return f.Add(name, typ, shape...)
}

// writeTensor draws a tensor's pattern and writes it as often as it takes.
func (c Config) writeTensor(w io.Writer, t gguf.TensorInfo) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	n := min(t.NElems(), 256*patternBlocks)
	x := make([]float32, n)
	c.draw(x, t)
	size, err := t.Type.RowBytes(n)
	if err != nil {
		return err
	}
	pattern := make([]byte, size)
	if err := tensor.Quantize(t.Type, pattern, x); err != nil {
		return err
	}
	for left := t.NBytes; left > 0; {
		k := min(left, uint64(len(pattern)))
		if _, err := w.Write(pattern[:k]); err != nil {
			return err
		}
		left -= k
	}
	return nil
}

// draw fills x with weights that keep activations near unit size: matrices have
// a standard deviation of 1/√(row length), norms lie around 1, biases around 0.
func (c Config) draw(x []float32, t gguf.TensorInfo) {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	rng := rand.New(rand.NewPCG(c.Seed, h.Sum64()))
	scale, shift := 1/math.Sqrt(float64(t.Shape[len(t.Shape)-1])), 0.0
	switch {
	case t.Name == "rope_freqs.weight":
		c.ropeFreqs(x)
		return
	case strings.HasSuffix(t.Name, "_norm.weight"):
		scale, shift = 0.05, 1
	case strings.HasSuffix(t.Name, ".bias"):
		scale = 0.05
	}
	for i := range x {
		x[i] = float32(shift + scale*rng.NormFloat64())
	}
}

// ropeFreqs writes Llama 3's frequency divisors: 1 for wavelengths that fit the
// original context of 8192 four times, 32 for those longer than it, and a blend
// between.
//
// Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters;
// the parameters of Llama-3.2-1B.
func (c Config) ropeFreqs(x []float32) {
	const factor, low, high, oldContext = 32.0, 1.0, 4.0, 8192.0
	for i := range x {
		wavelen := 2 * math.Pi * math.Pow(c.RopeBase, float64(2*i)/float64(c.HeadDim))
		smooth := (oldContext/wavelen - low) / (high - low)
		smooth = min(max(smooth, 0), 1)
		x[i] = float32(1 / ((1-smooth)/factor + smooth))
	}
}
