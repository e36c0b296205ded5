package peft

import (
	"strings"

	"pastel/fault"
)

// A Base is what must be known of the GGUF base to lay rows out as it does.
type Base struct {
	Arch             string // general.architecture
	NHeads, NKVHeads int    // attention.head_count, attention.head_count_kv
}

// rowOrder returns, for each row of the GGUF tensor, the row of the Hugging
// Face weight it comes from, or nil when the order is the same.
//
// Errors: fault.LoRAMismatch when the rows do not divide into the heads.
// Source: convert_hf_to_gguf.py, LlamaModel.permute and the qkv reshapes of
// GPTNeoXModel, BloomModel and FalconModel.
func rowOrder(base Base, target string, rows int) ([]int, error) {
	layerName := target[strings.LastIndexByte(strings.TrimSuffix(target, ".weight"), '.')+1:]
	switch {
	case interleavesRope(base.Arch) && layerName == "attn_q.weight":
		return halvesToPairs(target, rows, base.NHeads)
	case interleavesRope(base.Arch) && layerName == "attn_k.weight":
		return halvesToPairs(target, rows, base.NKVHeads)
	case (base.Arch == "gptneox" || base.Arch == "bloom") && layerName == "attn_qkv.weight":
		return groupsToThirds(target, rows, base.NHeads, 1, 1)
	case base.Arch == "falcon" && layerName == "attn_qkv.weight":
		if base.NKVHeads < 1 {
			return nil, badHeads(target, rows, base.NKVHeads)
		}
		return groupsToThirds(target, rows, base.NKVHeads, base.NHeads/base.NKVHeads, 1)
	}
	return nil, nil
}

// interleavesRope reports whether the converter permutes q and k of arch, so
// that rope may rotate neighbours.
func interleavesRope(arch string) bool {
	switch arch {
	case "llama", "granite", "granitemoe", "minicpm", "smollm3", "olmo":
		return true
	}
	return false
}

// halvesToPairs takes each head from [half, half] to pairs: row 2j+i of a head
// comes from row i·half+j.
func halvesToPairs(target string, rows, heads int) ([]int, error) {
	if heads < 1 || rows%(2*heads) != 0 {
		return nil, badHeads(target, rows, heads)
	}
	headDim := rows / heads
	order := make([]int, rows)
	for g := range order {
		h, j, i := g/headDim, g%headDim/2, g%2
		order[g] = h*headDim + i*headDim/2 + j
	}
	return order, nil
}

// groupsToThirds takes rows from groups of (nq query heads, nkv key heads, nkv
// value heads) to all queries, all keys, all values.
func groupsToThirds(target string, rows, groups, nq, nkv int) ([]int, error) {
	perGroup := nq + 2*nkv
	if groups < 1 || nq < 1 || rows%(groups*perGroup) != 0 {
		return nil, badHeads(target, rows, groups)
	}
	headDim := rows / (groups * perGroup)
	order := make([]int, 0, rows)
	for _, part := range [][2]int{{0, nq}, {nq, nq + nkv}, {nq + nkv, perGroup}} {
		for g := range groups {
			for r := (g*perGroup + part[0]) * headDim; r < (g*perGroup+part[1])*headDim; r++ {
				order = append(order, r)
			}
		}
	}
	return order, nil
}

func badHeads(target string, rows, heads int) error {
	return fault.New(fault.LoRAMismatch, "peft: tensor ", fault.Quote(target), ": ", rows, " rows do not divide into ", heads, " heads")
}
