package train

import (
	"encoding/binary"
	"io"
	"strings"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// Save writes m as a GGUF file of float32 called name, with the tokenizer of
// another file: the inverse of Load, but for rounding.
//
// Errors: those of w.
func (m *Model) Save(w io.Writer, name string, tokenizer *gguf.Metadata) error {
	f := &gguf.File{}
	m.describe(&f.Metadata, name)
	for _, key := range tokenizer.Keys() {
		if strings.HasPrefix(key, "tokenizer.") {
			f.Metadata.Copy(key, tokenizer)
		}
	}
	weights := map[string][]float64{}
	var err error
	m.each(func(name string, p *[]float64, n int) {
		weights[name] = *p
		shape := []int{n}
		if out, in, ok := m.Shapes(name); ok {
			shape = []int{out, in}
		}
		if err == nil {
			err = f.Add(name, tensor.F32, shape...)
		}
	})
	if err != nil {
		return err
	}
	return gguf.Write(w, f, func(w io.Writer, t gguf.TensorInfo) error {
		return binary.Write(w, binary.LittleEndian, narrow(weights[t.Name]))
	})
}

// describe sets the keys that readConfig reads, and those that other programs want.
func (m *Model) describe(meta *gguf.Metadata, name string) {
	meta.Set("general.architecture", "llama")
	meta.Set("general.name", name)
	for _, kv := range []struct {
		key string
		n   int
	}{
		{"embedding_length", m.Dim}, {"feed_forward_length", m.HiddenDim}, {"block_count", m.Config.Layers}, {"vocab_size", m.VocabSize},
		{"attention.head_count", m.Heads}, {"attention.head_count_kv", m.KVHeads}, {"rope.dimension_count", m.HeadDim},
	} {
		meta.Set("llama."+kv.key, uint32(kv.n))
	}
	meta.Set("llama.rope.freq_base", float32(m.RopeBase))
	meta.Set("llama.attention.layer_norm_rms_epsilon", float32(m.Eps))
}
