package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"pastel/blend/digest"
	"pastel/blend/train"
	"pastel/engine/gguf"
	"pastel/engine/tokenizer"
)

// A poolBase is a base model as pool commands need it: trainable, with its
// tokenizer and digest.
type poolBase struct {
	*train.Model
	name, digest string
	tok          *tokenizer.Tokenizer
}

func openBase(path string) (*poolBase, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := train.Load(data)
	if err != nil {
		return nil, err
	}
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.New(&f.Metadata)
	if err != nil {
		return nil, err
	}
	return &poolBase{Model: m, name: strings.TrimSuffix(filepath.Base(path), ".gguf"), digest: digest.Hex(data), tok: tok}, nil
}

// encode returns the tokens of plain text without special tokens, which is what
// is embedded.
func (b *poolBase) encode(text string) []int {
	var ids []int
	for _, id := range b.tok.Encode(text, tokenizer.Options{AddBOS: tokenizer.Never, AddEOS: tokenizer.Never}) {
		ids = append(ids, int(id))
	}
	return ids
}
