package peft

import (
	"strings"

	"pastel/blend"
	"pastel/blend/safetensors"
	"pastel/fault"
)

// Read makes an adapter for base from the two files of a PEFT directory. Its
// digest covers both files, because the configuration decides the scaling.
//
// Errors: fault.BadFile for broken files, fault.LoRAMismatch for adapters that
// are refused, fault.UnsupportedType for tensors other than F32, F16 and BF16.
func Read(name string, config, weights []byte, base Base) (*blend.Adapter, error) {
	c, err := ParseConfig(config)
	if err != nil {
		return nil, err
	}
	f, err := safetensors.Parse(weights)
	if err != nil {
		return nil, err
	}
	modules, err := collect(f)
	if err != nil {
		return nil, err
	}
	var pairs []blend.Pair
	for _, m := range modules {
		p, err := m.pair(c, base)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	a, err := blend.NewAdapter(name, pairs)
	if err != nil {
		return nil, err
	}
	a.Arch = base.Arch
	return a, nil
}

// factors are the two tensors of one module, as stored.
type factors struct {
	module string
	a, b   *safetensors.Tensor
	embed  bool // lora_embedding_A [r, vocab], lora_embedding_B [dim, r]
}

// collect pairs the tensors up by module, in the order of the file.
func collect(f *safetensors.File) ([]*factors, error) {
	if err := blend.CheckSize(float64(values(f))); err != nil {
		return nil, err
	}
	var list []*factors
	index := map[string]*factors{}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		module, part, err := splitName(t.Name)
		if err != nil {
			return nil, err
		}
		m := index[module]
		if m == nil {
			m = &factors{module: module, embed: strings.HasPrefix(part, "lora_embedding")}
			index[module] = m
			list = append(list, m)
		}
		if err := m.put(part, t); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// values counts the elements of all tensors.
func values(f *safetensors.File) (n int) {
	for i := range f.Tensors {
		n += f.Tensors[i].NElems()
	}
	return n
}

func (m *factors) put(part string, t *safetensors.Tensor) error {
	slot := &m.a
	if strings.HasSuffix(part, "_B") {
		slot = &m.b
	}
	if *slot != nil || m.embed != strings.HasPrefix(part, "lora_embedding") {
		return fault.New(fault.BadFile, "peft: module ", fault.Quote(m.module), " has more than one ", part)
	}
	*slot = t
	return nil
}

// splitName takes a tensor name apart into module and lora_A, lora_B,
// lora_embedding_A or lora_embedding_B. The adapter's own name, which PEFT
// leaves out of saved files, may stand after the part.
func splitName(name string) (module, part string, err error) {
	at := strings.LastIndex(name, ".lora_")
	if at < 0 {
		return "", "", fault.New(fault.LoRAMismatch, "peft: tensor ", fault.Quote(name), " is no LoRA factor (modules_to_save or bias)")
	}
	part, rest, _ := strings.Cut(name[at+1:], ".")
	rest = strings.TrimSuffix(rest, ".weight")
	switch {
	case part != "lora_A" && part != "lora_B" && part != "lora_embedding_A" && part != "lora_embedding_B",
		strings.Contains(rest, "."), rest == "bias":
		return "", "", fault.New(fault.LoRAMismatch, "peft: tensor ", fault.Quote(name), " is no plain LoRA factor (DoRA magnitude or bias)")
	}
	module = name[:at]
	for _, prefix := range []string{"base_model.", "model."} {
		module = strings.TrimPrefix(module, prefix)
	}
	return module, part, nil
}

// pair converts the factors of one module.
func (m *factors) pair(c *Config, base Base) (blend.Pair, error) {
	p, err := m.shape(c)
	if err != nil {
		return p, err
	}
	if p.Target, err = target(m.module); err != nil {
		return p, err
	}
	if p.A, err = m.a.Floats(); err != nil {
		return p, err
	}
	if p.B, err = m.b.Floats(); err != nil {
		return p, err
	}
	if m.embed {
		// (B·A)ᵀ = Aᵀ·Bᵀ: the stored A becomes the side of the vocabulary.
		p.A, p.B = blend.Transpose(p.B, p.In, p.Rank), blend.Transpose(p.A, p.Rank, p.Out)
		return p, nil
	}
	order, err := rowOrder(base, p.Target, p.Out)
	if order != nil {
		p.B = gatherRows(p.B, order, p.Rank)
	}
	return p, err
}

// shape checks the two shapes against each other and the configuration.
func (m *factors) shape(c *Config) (blend.Pair, error) {
	bad := func(why ...any) (blend.Pair, error) {
		return blend.Pair{}, fault.New(fault.BadFile, append([]any{"peft: module ", fault.Quote(m.module), ": "}, why...)...)
	}
	if m.a == nil || m.b == nil {
		return bad("only one of lora_A and lora_B")
	}
	a, b := m.a.Shape, m.b.Shape
	if len(a) != 2 || len(b) != 2 || a[0] != b[1] {
		return bad("shapes ", a, " and ", b, " are not [r in] and [out r]")
	}
	if want := c.rank(m.module); a[0] != want {
		return bad("rank ", a[0], " in the tensors, ", want, " in the configuration")
	}
	p := blend.Pair{Rank: a[0], In: a[1], Out: b[0], Scaling: c.scaling(m.module)}
	if m.embed {
		p.In, p.Out = p.Out, p.In
	}
	return p, nil
}

// gatherRows returns x with row i taken from row order[i].
func gatherRows(x []float32, order []int, cols int) []float32 {
	out := make([]float32, 0, len(x))
	for _, r := range order {
		out = append(out, x[r*cols:(r+1)*cols]...)
	}
	return out
}
