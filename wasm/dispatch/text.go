package dispatch

import (
	"math"
	"strings"

	"pastel/engine"
	"pastel/engine/chat"
	"pastel/engine/jsonvalue"
	"pastel/wasm/protocol"
)

// render writes a conversation down with the model's chat template.
func (d *Dispatcher) render(m *protocol.Render) (protocol.Message, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	r := chat.Request{AddGenerationPrompt: m.AddGenerationPrompt}
	if r.Messages, err = optionalJSON("messages", m.Messages); err != nil {
		return nil, err
	}
	if r.Tools, err = optionalJSON("tools", m.Tools); err != nil {
		return nil, err
	}
	if r.Variables, err = optionalJSON("template variables", m.Variables); err != nil {
		return nil, err
	}
	text, err := model.Prompt(r, m.ChatML)
	if err != nil {
		return nil, err
	}
	if t := model.Tokenizer(); t.AddsBOS() {
		text = strings.TrimPrefix(text, t.Text(t.BOS())) // the tokenizer writes it
	}
	return &protocol.Text{Text: text}, nil
}

// optionalJSON reads a JSON text; "" is null.
func optionalJSON(what, text string) (jsonvalue.Value, error) {
	if text == "" {
		return jsonvalue.Value{}, nil
	}
	return engine.ParseJSON(what, text)
}

// embed computes the embedding of a text.
func (d *Dispatcher) embed(m *protocol.Embed) (protocol.Message, error) {
	find := d.session
	if m.Layer > 0 {
		find = d.idle
	}
	s, err := find(m.Session)
	if err != nil {
		return nil, err
	}
	values, err := s.engine.Embed(signed(m.Tokens), engine.Recipe{Layer: int(min(m.Layer, math.MaxInt32)), Last: m.Last})
	if err != nil {
		return nil, err
	}
	return &protocol.Embedding{Values: values}, nil
}
