package testmodel

import (
	"fmt"
	"strings"

	"pastel/engine/tensor"
)

// A Vocab names one of the two kinds of tokenizer a model can carry.
type Vocab int

// The tokenizers of Config.
const (
	SPM Vocab = iota // SentencePiece: <unk> <s> </s>, 256 byte tokens, letters, syllables
	BPE              // byte-level BPE: three control tokens, 256 bytes, merged syllables
)

// A Config describes a model of random weights. Everything about the file
// follows from it: equal Configs give equal bytes.
type Config struct {
	Arch      string // "llama" when empty; "qwen2" adds biases to Q, K and V
	Dim       int
	HiddenDim int
	NLayers   int
	NHeads    int
	NKVHeads  int
	HeadDim   int // Dim/NHeads when 0
	VocabSize int // at least MinVocab
	SeqLen    int // context length; 2048 when 0
	Tied      bool
	Type      tensor.Type // of matrices; rows that do not fit fall back as in engine/quantize
	Vocab     Vocab
	RopeBase  float64 // 10000 when 0
	RopeFreqs bool    // add Llama 3.2's rope_freqs.weight
	Eps       float64 // 1e-5 when 0
	Seed      uint64
}

// MinVocab is the smallest vocabulary: what either tokenizer needs for printable text.
const MinVocab = 320

// Tiny is a model that runs in milliseconds and has every part: grouped query
// attention, an untied output, SPM.
func Tiny() Config {
	return Config{Dim: 64, HiddenDim: 96, NLayers: 2, NHeads: 4, NKVHeads: 2, VocabSize: MinVocab, SeqLen: 256, Seed: 1}
}

// shapes are those of models people use.
var shapes = map[string]Config{
	// SmolLM2-135M, config.json of HuggingFaceTB/SmolLM2-135M-Instruct.
	"135m": {Dim: 576, HiddenDim: 1536, NLayers: 30, NHeads: 9, NKVHeads: 3, VocabSize: 49152, SeqLen: 8192, Tied: true, Vocab: BPE, RopeBase: 100000},
	// Qwen2.5-0.5B, config.json of Qwen/Qwen2.5-0.5B-Instruct.
	"0.5b": {Arch: "qwen2", Dim: 896, HiddenDim: 4864, NLayers: 24, NHeads: 14, NKVHeads: 2, VocabSize: 151936, SeqLen: 32768, Tied: true, Vocab: BPE, RopeBase: 1000000, Eps: 1e-6},
	// Llama-3.2-1B, config.json of meta-llama/Llama-3.2-1B-Instruct.
	"1b": {Dim: 2048, HiddenDim: 8192, NLayers: 16, NHeads: 32, NKVHeads: 8, HeadDim: 64, VocabSize: 128256, SeqLen: 131072, Tied: true, Vocab: BPE, RopeBase: 500000, RopeFreqs: true},
}

// Shape returns the Config of a real model's shape, "135m", "0.5b" or "1b", with
// matrices of the given type.
func Shape(name string, typ tensor.Type) (Config, error) {
	c, ok := shapes[strings.ToLower(name)]
	if !ok {
		return Config{}, fmt.Errorf("testmodel: no shape %q; there are 135m, 0.5b and 1b", name)
	}
	c.Type, c.Seed = typ, 1
	return c, nil
}

// withDefaults fills zero fields and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if c.Arch == "" {
		c.Arch = "llama"
	}
	if c.HeadDim == 0 && c.NHeads > 0 {
		c.HeadDim = c.Dim / c.NHeads
	}
	if c.SeqLen == 0 {
		c.SeqLen = 2048
	}
	if c.RopeBase == 0 {
		c.RopeBase = 10000
	}
	if c.Eps == 0 {
		c.Eps = 1e-5
	}
	switch {
	case c.Arch != "llama" && c.Arch != "qwen2":
		return c, fmt.Errorf("testmodel: architecture %q", c.Arch)
	case c.Dim <= 0 || c.HiddenDim <= 0 || c.NLayers <= 0 || c.NHeads <= 0 || c.NKVHeads <= 0 || c.HeadDim <= 0:
		return c, fmt.Errorf("testmodel: a dimension is not positive in %+v", c)
	case c.NHeads%c.NKVHeads != 0:
		return c, fmt.Errorf("testmodel: %d heads do not share %d kv heads", c.NHeads, c.NKVHeads)
	case c.VocabSize < MinVocab:
		return c, fmt.Errorf("testmodel: vocabulary of %d, want at least %d", c.VocabSize, MinVocab)
	case !c.Type.CanQuantize():
		return c, fmt.Errorf("testmodel: cannot write %s", c.Type)
	}
	return c, nil
}
