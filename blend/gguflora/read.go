package gguflora

import (
	"bytes"
	"math"
	"strings"

	"pastel/blend"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/order"
)

const embedding = "token_embd.weight"

// Read makes an adapter for a base of architecture arch from the bytes of a
// GGUF file. Norm vectors (`…_norm.weight`) are ignored, as llama.cpp does; any
// other tensor that is no factor is refused.
//
// Errors: fault.BadFile for broken files, fault.LoRAMismatch for files that are
// no LoRA adapter or are for another architecture, fault.UnsupportedType for
// tensor types that cannot be dequantised.
func Read(name string, data []byte, arch string) (*blend.Adapter, error) {
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	alpha, err := checkMetadata(&f.Metadata, arch)
	if err != nil {
		return nil, err
	}
	modules, err := collect(f)
	if err != nil {
		return nil, err
	}
	var pairs []blend.Pair
	for _, m := range modules {
		p, err := m.pair(data, alpha)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	a, err := blend.NewAdapter(name, pairs)
	if err != nil {
		return nil, err
	}
	a.Arch = arch
	return a, nil
}

// checkMetadata returns adapter.lora.alpha of a LoRA adapter for arch.
func checkMetadata(m *gguf.Metadata, arch string) (alpha float64, err error) {
	for _, want := range [][2]string{{"general.type", "adapter"}, {"adapter.type", "lora"}, {"general.architecture", arch}} {
		got, err := m.String(want[0], "")
		if err != nil {
			return 0, err
		}
		if got != want[1] {
			return 0, fault.New(fault.LoRAMismatch, "gguflora: ", want[0], " is ", fault.Quote(got), ", not ", fault.Quote(want[1]))
		}
	}
	if m.Has("adapter.alora.invocation_tokens") {
		return 0, fault.New(fault.LoRAMismatch, "gguflora: adapter.alora.invocation_tokens is set, which Pastel does not compute")
	}
	alpha, err = m.Float("adapter.lora.alpha", 0)
	if err == nil && !(math.Abs(alpha) <= 1e6) {
		err = fault.New(fault.BadFile, "gguflora: adapter.lora.alpha is ", alpha)
	}
	return alpha, err
}

// factors are the two tensors of one base tensor.
type factors struct {
	target string
	a, b   *gguf.TensorInfo
}

// collect pairs the tensors up by base tensor, sorted by name.
func collect(f *gguf.File) ([]factors, error) {
	index := map[string]*factors{}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		target, isA := strings.CutSuffix(t.Name, ".lora_a")
		if !isA {
			var isB bool
			if target, isB = strings.CutSuffix(t.Name, ".lora_b"); !isB {
				if strings.HasSuffix(t.Name, "_norm.weight") {
					continue
				}
				return nil, fault.New(fault.LoRAMismatch, "gguflora: tensor ", fault.Quote(t.Name), " is no LoRA factor")
			}
		}
		m := index[target]
		if m == nil {
			m = &factors{target: target}
			index[target] = m
		}
		if isA {
			m.a = t
		} else {
			m.b = t
		}
	}
	return complete(index)
}

// complete checks that no factor stands alone and that all fit the byte limit.
func complete(index map[string]*factors) ([]factors, error) {
	var list []factors
	total := 0.0
	for _, m := range index {
		if m.a == nil || m.b == nil {
			return nil, fault.New(fault.BadFile, "gguflora: tensor ", fault.Quote(m.target), " has only one of lora_a and lora_b")
		}
		total += float64(m.a.NElems()) + float64(m.b.NElems())
		list = append(list, *m)
	}
	if err := blend.CheckSize(total); err != nil {
		return nil, err
	}
	order.By(len(list), func(i, j int) bool { return list[i].target < list[j].target },
		func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list, nil
}

// pair converts the factors of one base tensor.
func (m *factors) pair(data []byte, alpha float64) (blend.Pair, error) {
	sa, sb := m.a.Shape, m.b.Shape
	var p blend.Pair
	switch {
	case len(sa) != 2 || len(sb) != 2:
		return p, m.badShapes("are not two-dimensional")
	case m.target == embedding && sa[1] == sb[1]: // a [vocab, rank], b [dim, rank]
		p = blend.Pair{Rank: sa[1], In: sb[0], Out: sa[0]}
	case m.target != embedding && sa[0] == sb[1]: // a [rank, in], b [out, rank]
		p = blend.Pair{Rank: sa[0], In: sa[1], Out: sb[0]}
	default:
		return p, m.badShapes("do not share a rank")
	}
	a, err := load(m.a, data)
	if err != nil {
		return p, err
	}
	b, err := load(m.b, data)
	if err != nil {
		return p, err
	}
	p.Target, p.A, p.B = m.target, a, b
	if m.target == embedding {
		p.A, p.B = blend.Transpose(b, p.In, p.Rank), a
	}
	p.Scaling = 1 // alpha 0 means: no scaling, as llama.cpp reads it
	if alpha != 0 {
		p.Scaling = float32(alpha) / float32(p.Rank)
	}
	return p, nil
}

func (m *factors) badShapes(why string) error {
	return fault.New(fault.BadFile, "gguflora: tensor ", fault.Quote(m.target), ": shapes ", m.a.Shape, " and ", m.b.Shape, " ", why)
}

// load dequantises one tensor; gguf.Read has checked its extent.
func load(t *gguf.TensorInfo, data []byte) ([]float32, error) {
	out := make([]float32, t.NElems())
	return out, tensor.Dequantize(t.Type, out, data[t.Offset:t.Offset+t.NBytes])
}
