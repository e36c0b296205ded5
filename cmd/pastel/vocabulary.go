package main

import (
	"context"

	"pastel/engine/tokenizer"
	"pastel/wasm/protocol"
)

// A textCoder turns text into ids and back: an opened engine, or a vocabulary.
type textCoder interface {
	Tokenize(ctx context.Context, m *protocol.Tokenize) ([]uint32, error)
	Detokenize(ctx context.Context, ids []uint32, special bool) (string, error)
	close()
}

// openCoder opens a model, or a file that has a vocabulary and no tensors, which no
// engine would load.
func (f *engineFlags) openCoder(ctx context.Context, path string) (textCoder, error) {
	header, err := readHeader(path)
	if err != nil {
		return nil, err
	}
	if len(header.Tensors) > 0 {
		return f.open(ctx, path)
	}
	t, err := tokenizer.New(&header.Metadata)
	return vocabulary{t}, err
}

// A vocabulary is a tokenizer without a model.
type vocabulary struct{ *tokenizer.Tokenizer }

func (v vocabulary) close() {}

// Tokenize is that of the engine.
func (v vocabulary) Tokenize(_ context.Context, m *protocol.Tokenize) ([]uint32, error) {
	o := tokenizer.Options{ParseSpecial: m.ParseSpecial}
	if !m.AddSpecial {
		o.AddBOS, o.AddEOS = tokenizer.Never, tokenizer.Never
	}
	ids := []uint32{}
	for _, id := range v.Encode(m.Text, o) {
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

// Detokenize is that of the engine.
func (v vocabulary) Detokenize(_ context.Context, ids []uint32, special bool) (string, error) {
	signed := make([]int32, len(ids))
	for i, id := range ids {
		signed[i] = int32(id) // past 2³¹ no vocabulary holds it
	}
	return v.Decode(signed, tokenizer.DecodeOptions{Special: special}), nil
}
