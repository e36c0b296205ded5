package quantize

import (
	"strings"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// keepExact lists endings of names whose tensors are few and sensitive: norms,
// the router of a mixture of experts, position tables.
var keepExact = []string{"_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight"}

// fallback names what a format of 256-blocks becomes when a row is whole blocks
// of 32 only, one step more precise.
//
// Source: llama.cpp c392e50, src/llama-quant.cpp, llama_tensor_get_type.
var fallback = map[tensor.Type]tensor.Type{
	tensor.Q2_K:   tensor.IQ4_NL,
	tensor.Q3_K:   tensor.IQ4_NL,
	tensor.IQ4_XS: tensor.IQ4_NL,
	tensor.Q4_K:   tensor.Q5_0,
	tensor.Q5_K:   tensor.Q5_1,
	tensor.Q6_K:   tensor.Q8_0,
	tensor.Q8_K:   tensor.Q8_0,
	tensor.TQ1_0:  tensor.Q4_0,
	tensor.TQ2_0:  tensor.Q4_0,
}

// fileTypes are the numbers of general.file_type.
//
// Source: llama.cpp include/llama.h, enum llama_ftype.
var fileTypes = map[tensor.Type]uint32{
	tensor.F32: 0, tensor.F16: 1, tensor.Q4_0: 2, tensor.Q4_1: 3, tensor.Q8_0: 7, tensor.Q5_0: 8, tensor.Q5_1: 9,
	tensor.Q2_K: 10, tensor.Q3_K: 11, tensor.Q4_K: 14, tensor.Q5_K: 16, tensor.Q6_K: 18, tensor.IQ4_NL: 25,
	tensor.IQ4_XS: 30, tensor.BF16: 32, tensor.TQ1_0: 36, tensor.TQ2_0: 37, tensor.MXFP4: 38,
}

// TypeFor returns the type tensor t is stored as when its file is converted to
// want: want for weight matrices, its fallback or F16 where rows do not fit,
// and what it is already for vectors, norms, routers and integers. The matrix
// that makes the logits has an error that nothing later averages out: it gets at
// least six bits.
func TypeFor(t gguf.TensorInfo, want tensor.Type, isOutput bool) tensor.Type {
	if len(t.Shape) < 2 || !strings.HasSuffix(t.Name, ".weight") || !isNumber(t.Type) {
		return t.Type
	}
	for _, end := range keepExact {
		if strings.HasSuffix(t.Name, end) {
			return t.Type
		}
	}
	if isOutput && !isFloat(want) && want != tensor.Q8_0 {
		want = tensor.Q6_K
	}
	row := t.Shape[len(t.Shape)-1]
	if row%want.BlockElems() == 0 {
		return want
	}
	if alt, ok := fallback[want]; ok && row%alt.BlockElems() == 0 {
		return alt
	}
	return tensor.F16
}

// IsOutput reports whether the tensor called name makes the logits: the output
// matrix, or the embedding of a model that has none (tied).
func IsOutput(name string, tied bool) bool {
	return name == "output.weight" || tied && name == "token_embd.weight"
}

// isFloat reports whether rows of t are plain floats.
func isFloat(t tensor.Type) bool { return t == tensor.F32 || t == tensor.F16 || t == tensor.BF16 }

// isNumber reports whether rows of t are weights at all.
func isNumber(t tensor.Type) bool {
	switch t {
	case tensor.I8, tensor.I16, tensor.I32, tensor.I64, tensor.F64:
		return false
	}
	return true
}
