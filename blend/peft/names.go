package peft

import (
	"strconv"
	"strings"

	"pastel/fault"
)

// A family is one way Hugging Face names the modules of a model.
type family struct {
	layers  string // what stands before the layer number
	modules [][2]string
	outside [][2]string // modules outside the layers
}

// The families. In each list the first entry for a GGUF name is what Write uses.
var (
	llamaNames = family{
		layers: "model.layers.",
		modules: [][2]string{
			{"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
			{"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"},
			{"self_attn.qkv_proj", "attn_qkv"}, {"mlp.gate_up_proj", "ffn_up"}, // phi3
			{"self_attn.dense", "attn_output"}, {"mlp.fc1", "ffn_up"}, {"mlp.fc2", "ffn_down"}, // phi2
			{"mlp.c_fc", "ffn_up"}, {"mlp.c_proj", "ffn_down"}, // starcoder2
		},
		outside: [][2]string{{"model.embed_tokens", "token_embd"}, {"lm_head", "output"}},
	}
	phi3Names = family{
		layers: "model.layers.",
		modules: [][2]string{
			{"self_attn.qkv_proj", "attn_qkv"}, {"self_attn.o_proj", "attn_output"}, {"mlp.gate_up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"},
		},
		outside: llamaNames.outside,
	}
	gpt2Names = family{
		layers: "transformer.h.",
		modules: [][2]string{
			{"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"}, {"mlp.c_fc", "ffn_up"}, {"mlp.c_proj", "ffn_down"},
			{"self_attention.query_key_value", "attn_qkv"}, {"self_attention.dense", "attn_output"}, // falcon, bloom
			{"mlp.dense_h_to_4h", "ffn_up"}, {"mlp.dense_4h_to_h", "ffn_down"},
		},
		outside: [][2]string{{"transformer.wte", "token_embd"}, {"lm_head", "output"}, {"transformer.word_embeddings", "token_embd"}},
	}
	gptNeoXNames = family{
		layers: "gpt_neox.layers.",
		modules: [][2]string{
			{"attention.query_key_value", "attn_qkv"}, {"attention.dense", "attn_output"},
			{"mlp.dense_h_to_4h", "ffn_up"}, {"mlp.dense_4h_to_h", "ffn_down"},
		},
		outside: [][2]string{{"gpt_neox.embed_in", "token_embd"}, {"embed_out", "output"}},
	}
	families = []*family{&llamaNames, &gpt2Names, &gptNeoXNames}
)

// target returns the GGUF name of the weight of a Hugging Face module.
//
// Errors: fault.LoRAMismatch for a module that has no two-dimensional tensor of
// its own in GGUF.
func target(module string) (string, error) {
	// The text half of a model that also sees: model.language_model.layers.
	module = strings.Replace(module, "language_model.", "", 1)
	for _, f := range families {
		if name, ok := f.target(module); ok {
			return name + ".weight", nil
		}
	}
	return "", fault.New(fault.LoRAMismatch, "peft: module ", fault.Quote(module), " has no GGUF tensor that Pastel knows")
}

func (f *family) target(module string) (string, bool) {
	if name, ok := lookup(f.outside, module); ok {
		return name, true
	}
	rest, ok := strings.CutPrefix(module, f.layers)
	if !ok { // adapters of a model without its head lack the first part
		_, short, _ := strings.Cut(f.layers, ".")
		if rest, ok = strings.CutPrefix(module, short); !ok {
			return "", false
		}
	}
	layer, suffix, ok := strings.Cut(rest, ".")
	if n, err := strconv.ParseUint(layer, 10, 16); !ok || err != nil || strconv.FormatUint(n, 10) != layer {
		return "", false
	}
	name, ok := lookup(f.modules, suffix)
	return "blk." + layer + "." + name, ok
}

func lookup(list [][2]string, key string) (string, bool) {
	for _, m := range list {
		if m[0] == key {
			return m[1], true
		}
	}
	return "", false
}

// module is the inverse of target for a base of the given architecture.
func module(arch, target string) (string, error) {
	f := familyOf(arch)
	name := strings.TrimSuffix(target, ".weight")
	for _, m := range f.outside {
		if m[1] == name {
			return m[0], nil
		}
	}
	rest, _ := strings.CutPrefix(name, "blk.")
	layer, suffix, _ := strings.Cut(rest, ".")
	for _, m := range f.modules {
		if m[1] == suffix && "blk."+layer+"."+suffix == name {
			return f.layers + layer + "." + m[0], nil
		}
	}
	return "", fault.New(fault.LoRAMismatch, "peft: tensor ", fault.Quote(target), " of a ", arch, " model has no module name")
}

func familyOf(arch string) *family {
	switch arch {
	case "gpt2":
		return &gpt2Names
	case "gptneox":
		return &gptNeoXNames
	case "phi3":
		return &phi3Names
	}
	return &llamaNames
}
