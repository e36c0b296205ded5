package peft

import (
	"slices"
	"strconv"
	"strings"

	"pastel/blend"
	"pastel/blend/safetensors"
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// Write makes the two files of a PEFT directory from an adapter for base, the
// inverse of Read: module names and row order are Hugging Face's. baseModel goes
// to base_model_name_or_path. Factors are stored in dtype.
//
// Errors: fault.BadRequest for the empty adapter, fault.LoRAMismatch for a
// target without a module name.
func Write(a *blend.Adapter, base Base, baseModel string, dtype safetensors.DType) (config, weights []byte, err error) {
	if len(a.Pairs) == 0 {
		return nil, nil, fault.New(fault.BadRequest, "peft: adapter ", fault.Quote(a.Name), " has no pairs")
	}
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}}
	var modules []string
	for i := range a.Pairs {
		p := &a.Pairs[i]
		m, err := module(base.Arch, p.Target)
		if err != nil {
			return nil, nil, err
		}
		modules = append(modules, m)
		if err := appendFactors(&f, p, m, base, dtype); err != nil {
			return nil, nil, err
		}
	}
	c := configOf(a, modules, base.Arch, baseModel)
	return append(jsonvalue.Append(nil, c, jsonvalue.Style{Indent: "  "}), '\n'), f.Append(nil), nil
}

// appendFactors adds the two tensors of p, rows back in Hugging Face's order.
func appendFactors(f *safetensors.File, p *blend.Pair, module string, base Base, dtype safetensors.DType) error {
	partA, partB := ".lora_A.weight", ".lora_B.weight"
	a, b := p.A, p.B
	in, out := p.In, p.Out
	if p.Target == "token_embd.weight" {
		partA, partB = ".lora_embedding_A", ".lora_embedding_B"
		a, b = blend.Transpose(p.B, out, p.Rank), blend.Transpose(p.A, p.Rank, in)
		in, out = out, in
	} else {
		order, err := rowOrder(base, p.Target, out)
		if err != nil {
			return err
		}
		if order != nil {
			b = gatherRows(b, invert(order), p.Rank)
		}
	}
	ta, err := safetensors.NewTensor("base_model.model."+module+partA, dtype, []int{p.Rank, in}, a)
	if err != nil {
		return err
	}
	tb, err := safetensors.NewTensor("base_model.model."+module+partB, dtype, []int{out, p.Rank}, b)
	if err != nil {
		return err
	}
	f.Tensors = append(f.Tensors, ta, tb)
	return nil
}

// invert returns the permutation that undoes order.
func invert(order []int) []int {
	inv := make([]int, len(order))
	for i, r := range order {
		inv[r] = i
	}
	return inv
}

// configOf writes the keys PEFT needs; ranks and alphas that differ from the
// first pair's go to the patterns.
func configOf(a *blend.Adapter, modules []string, arch, baseModel string) jsonvalue.Value {
	first := &a.Pairs[0]
	r, alpha := first.Rank, alphaOf(first)
	var ranks, alphas []jsonvalue.Member
	for i := range a.Pairs {
		p := &a.Pairs[i]
		if p.Rank != r {
			ranks = append(ranks, jsonvalue.Member{Key: modules[i], Value: jsonvalue.OfInt(int64(p.Rank))})
		}
		if alphaOf(p) != alpha {
			alphas = append(alphas, jsonvalue.Member{Key: modules[i], Value: jsonvalue.OfFloat(alphaOf(p))})
		}
	}
	str := jsonvalue.OfString
	return jsonvalue.OfObject([]jsonvalue.Member{
		{Key: "peft_type", Value: str("LORA")},
		{Key: "task_type", Value: str("CAUSAL_LM")},
		{Key: "base_model_name_or_path", Value: str(baseModel)},
		{Key: "r", Value: jsonvalue.OfInt(int64(r))},
		{Key: "lora_alpha", Value: jsonvalue.OfFloat(alpha)},
		{Key: "rank_pattern", Value: jsonvalue.OfObject(ranks)},
		{Key: "alpha_pattern", Value: jsonvalue.OfObject(alphas)},
		{Key: "lora_dropout", Value: jsonvalue.OfFloat(0)},
		{Key: "bias", Value: str("none")},
		{Key: "fan_in_fan_out", Value: jsonvalue.OfBool(arch == "gpt2")},
		{Key: "use_rslora", Value: jsonvalue.OfBool(false)},
		{Key: "use_dora", Value: jsonvalue.OfBool(false)},
		{Key: "inference_mode", Value: jsonvalue.OfBool(true)},
		{Key: "target_modules", Value: stringList(targetModules(modules))},
	})
}

// alphaOf is the alpha whose quotient by the rank is the pair's scaling. It is
// rounded to float32 so that equal scalings give equal alphas.
func alphaOf(p *blend.Pair) float64 { return float64(p.Scaling * float32(p.Rank)) }

// targetModules shortens the names to their last parts (q_proj) when that says
// the same: every last part must occur in every layer.
func targetModules(modules []string) []string {
	count := map[string]int{}
	layers := map[string]bool{}
	var short []string
	for _, m := range modules {
		last := m[strings.LastIndexByte(m, '.')+1:]
		if count[last]++; count[last] == 1 {
			short = append(short, last)
		}
		layers[layerOf(m)] = true
	}
	for _, s := range short {
		if count[s] != len(layers) {
			return modules
		}
	}
	slices.Sort(short)
	return short
}

// layerOf returns the first part of m that is a number, or "".
func layerOf(m string) string {
	for part := range strings.SplitSeq(m, ".") {
		if _, err := strconv.Atoi(part); err == nil {
			return part
		}
	}
	return ""
}

func stringList(list []string) jsonvalue.Value {
	out := make([]jsonvalue.Value, len(list))
	for i, s := range list {
		out[i] = jsonvalue.OfString(s)
	}
	return jsonvalue.OfArray(out)
}
