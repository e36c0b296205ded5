package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"pastel/blend/digest"
	"pastel/blend/peft"
	"pastel/blend/pool"
	"pastel/engine"
	"pastel/engine/gguf"
	"pastel/engine/tokenizer"
	"pastel/fault"
)

// A placer embeds texts with the engine, for any architecture it runs: a layer's
// query, pooled over tokens, no special tokens.
type placer struct {
	name, digest string
	base         peft.Base
	header       *gguf.File
	tok          *tokenizer.Tokenizer
	session      *engine.Session
	close        func()
}

// openPlacer loads a model on the reference executor, whose activations are exact.
func openPlacer(path string) (*placer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l := engine.NewLoader(engine.Reference(), uint64(len(data)))
	for rest := data; len(rest) > 0; {
		n, err := l.Write(0, rest)
		if err != nil {
			l.Close()
			return nil, err
		}
		rest = rest[n:]
	}
	m, err := l.Finish()
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession(engine.SessionOptions{ContextLength: min(512, m.MaxContext())})
	if err != nil {
		m.Close()
		return nil, err
	}
	c := m.Config()
	return &placer{name: strings.TrimSuffix(filepath.Base(path), ".gguf"), digest: digest.Hex(data), header: m.Header(), tok: m.Tokenizer(), session: s,
		base:  peft.Base{Arch: c.Arch, NHeads: c.NHeads, NKVHeads: c.NKVHeads},
		close: func() { s.Close(); m.Close() }}, nil
}

// shapes implements blend.Shapes.
func (p *placer) shapes(target string) (out, in int, ok bool) {
	t, ok := p.header.Tensor(target)
	if !ok || len(t.Shape) != 2 {
		return 0, 0, false
	}
	return t.Shape[0], t.Shape[1], true
}

// place returns the embedding of one text.
func (p *placer) place(text string, recipe engine.Recipe) ([]float32, error) {
	ids := p.tok.Encode(text, tokenizer.Options{AddBOS: tokenizer.Never, AddEOS: tokenizer.Never})
	if len(ids) == 0 {
		return nil, fault.New(fault.BadRequest, "pool: no tokens in ", fault.Quote(text))
	}
	return p.session.Embed(ids, recipe)
}

// placeLines embeds every line of a file that is not empty.
func (p *placer) placeLines(path string, recipe pool.Embedding) (points [][]float32, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		q, err := p.place(text, engine.Recipe{Layer: recipe.Layer, Last: recipe.Pooling == "last"})
		if err != nil {
			return nil, err
		}
		points = append(points, q)
	}
	return points, nil
}
