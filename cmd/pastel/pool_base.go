package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"pastel/blend/digest"
	"pastel/blend/pool"
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

func (b *poolBase) shapes(target string) (out, in int, ok bool) { return b.Shapes(target) }

// encode returns the tokens of plain text without special tokens, which is what
// is embedded.
func (b *poolBase) encode(text string) []int {
	var ids []int
	for _, id := range b.tok.Encode(text, tokenizer.Options{AddBOS: tokenizer.Never, AddEOS: tokenizer.Never}) {
		ids = append(ids, int(id))
	}
	return ids
}

// embedLines embeds every line of a file that is not empty.
func (b *poolBase) embedLines(path string, recipe pool.Embedding) (points [][]float32, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if ids := b.encode(strings.TrimSpace(line)); len(ids) > 0 {
			points = append(points, b.Query(ids, train.Recipe{Layer: recipe.Layer, Last: recipe.Pooling == "last"}))
		}
	}
	return points, nil
}
