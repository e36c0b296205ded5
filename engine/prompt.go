package engine

import (
	"pastel/engine/chat"
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// HasChatTemplate reports whether the model's file has a chat template.
func (m *Model) HasChatTemplate() bool { return m.header.Metadata.Has(chatTemplateKey) }

const chatTemplateKey = "tokenizer.chat_template"

// Prompt renders a conversation with the model's chat template. A model without
// one is an error unless chatML is set: the fallback is the caller's decision.
// Request.BOS and EOS are filled in from the tokenizer.
//
// The text holds special tokens: encode it with ParseSpecial and without BOS.
//
// Errors: ERR_TEMPLATE naming the construct that cannot be run, or when there is
// no template.
func (m *Model) Prompt(r chat.Request, chatML bool) (string, error) {
	t, err := m.chatTemplate(chatML)
	if err != nil {
		return "", err
	}
	r.BOS, r.EOS = m.tokenizer.Text(m.tokenizer.BOS()), m.tokenizer.Text(m.tokenizer.EOS())
	return t.Prompt(r, chat.Limits{})
}

// chatTemplate parses the template once.
func (m *Model) chatTemplate(chatML bool) (*chat.Template, error) {
	if m.template != nil {
		return m.template, nil
	}
	source, err := m.header.Metadata.String(chatTemplateKey, "")
	if err != nil {
		return nil, err
	}
	if source == "" {
		if !chatML {
			return nil, fault.New(fault.Template, "engine: the model has no chat template; ask for ChatML to use that one")
		}
		source = chat.ChatML
	}
	t, err := chat.Parse(source)
	if err == nil && m.HasChatTemplate() {
		m.template = t
	}
	return t, err
}

// ParseJSON reads a JSON text from outside: messages, tools, a schema.
//
// Errors: ERR_BAD_REQUEST with what was being read.
func ParseJSON(what, text string) (jsonvalue.Value, error) {
	v, err := jsonvalue.Parse([]byte(text))
	if err != nil {
		return v, fault.New(fault.BadRequest, "engine: ", what, ": ", err)
	}
	return v, nil
}
