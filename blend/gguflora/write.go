package gguflora

import (
	"bytes"
	"io"

	"pastel/blend"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// Write makes the bytes of a GGUF file from an adapter for a base of
// architecture arch, factors stored as floats of typ. GGUF has one alpha for all tensors;
// where a pair's scaling asks for another, the difference goes into its B.
//
// Errors: fault.BadRequest for names or types the container cannot hold.
func Write(a *blend.Adapter, arch string, typ tensor.Type) ([]byte, error) {
	alpha := float32(1)
	if len(a.Pairs) > 0 && a.Pairs[0].Scaling != 0 {
		alpha = a.Pairs[0].Scaling * float32(a.Pairs[0].Rank)
	}
	var f gguf.File
	f.Metadata.Set("general.type", "adapter")
	f.Metadata.Set("general.architecture", arch)
	f.Metadata.Set("general.name", a.Name)
	f.Metadata.Set("adapter.type", "lora")
	f.Metadata.Set("adapter.lora.alpha", alpha)
	values := map[string][]float32{}
	for i := range a.Pairs {
		if err := add(&f, values, &a.Pairs[i], alpha, typ); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	err := gguf.Write(&out, &f, func(w io.Writer, t gguf.TensorInfo) error {
		data := make([]byte, t.NBytes)
		if err := tensor.Store(t.Type, data, values[t.Name]); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	})
	return out.Bytes(), err
}

// add lists the two tensors of p and keeps their values.
func add(f *gguf.File, values map[string][]float32, p *blend.Pair, alpha float32, typ tensor.Type) error {
	b := make([]float32, len(p.B))
	for i, v := range p.B {
		b[i] = v * (p.Scaling * float32(p.Rank) / alpha)
	}
	nameA, nameB := p.Target+".lora_a", p.Target+".lora_b"
	shapeA, shapeB := []int{p.Rank, p.In}, []int{p.Out, p.Rank}
	values[nameA], values[nameB] = p.A, b
	if p.Target == embedding {
		values[nameA], values[nameB] = b, blend.Transpose(p.A, p.Rank, p.In)
		shapeA, shapeB = shapeB, []int{p.In, p.Rank}
	}
	if err := f.Add(nameA, typ, shapeA...); err != nil {
		return err
	}
	return f.Add(nameB, typ, shapeB...)
}
