package worker

import (
	"encoding/json"
	"slices"
	"strings"

	"pastel/fault"
)

var roles = []string{"system", "developer", "user", "assistant", "tool"}

// messageFields are the fields of a message that are passed on, beside content.
var messageFields = []string{"role", "name", "tool_calls", "tool_call_id"}

// readMessages checks roles and that content is text: a part that names a URL
// would make a backend fetch it for the client (SSRF). What was checked is
// written anew and nothing else is passed on: a second "content", or a "Content",
// could be read differently there.
func (c *Call) readMessages(raw json.RawMessage, l Limits) error {
	var messages []map[string]json.RawMessage // not a struct: its fields would match in any case
	if len(raw) == 0 || json.Unmarshal(raw, &messages) != nil || len(messages) == 0 {
		return badField("messages", "is not a list of messages")
	}
	if len(messages) > l.Messages {
		return fault.New(CodeTooLarge, "worker: ", len(messages), " messages, at most ", l.Messages)
	}
	for i, m := range messages {
		var role string
		if json.Unmarshal(m["role"], &role) != nil || !slices.Contains(roles, role) {
			return fault.New(fault.BadRequest, "worker: message ", i, ": role ", fault.Quote(role))
		}
		content, ok := onlyText(m["content"])
		if !ok {
			return fault.New(fault.BadRequest, "worker: message ", i, ": content is not text")
		}
		messages[i] = map[string]json.RawMessage{"content": content}
		for _, name := range messageFields {
			if field, ok := m[name]; ok {
				messages[i][name] = field
			}
		}
	}
	c.promptBytes = len(raw)
	c.fields["messages"], _ = json.Marshal(messages)
	return nil
}

// onlyText accepts a string, null or nothing (a tool call), or parts of type text,
// of which it keeps the text.
func onlyText(content json.RawMessage) (json.RawMessage, bool) {
	var text *string
	if len(content) == 0 {
		return json.RawMessage("null"), true
	}
	if json.Unmarshal(content, &text) == nil {
		return content, true
	}
	var parts []map[string]json.RawMessage
	if json.Unmarshal(content, &parts) != nil {
		return nil, false
	}
	for i, part := range parts {
		var kind, text string
		if json.Unmarshal(part["type"], &kind) != nil || kind != "text" || json.Unmarshal(part["text"], &text) != nil {
			return nil, false
		}
		parts[i] = map[string]json.RawMessage{"type": part["type"], "text": part["text"]}
	}
	content, err := json.Marshal(parts)
	return content, err == nil
}

// readSchemas refuses JSON schemas that refer to other documents: a backend's
// validator might fetch them.
func readSchemas(all map[string]json.RawMessage) error {
	for _, name := range []string{"tools", "response_format"} {
		var v any
		if raw, ok := all[name]; ok && (json.Unmarshal(raw, &v) != nil || refersElsewhere(v)) {
			return badField(name, "refers to another document")
		}
	}
	return nil
}

func refersElsewhere(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, refersElsewhere)
	case map[string]any:
		for key, x := range v {
			target, isText := x.(string)
			if strings.HasSuffix(strings.ToLower(key), "ref") && strings.HasPrefix(key, "$") && isText && !strings.HasPrefix(target, "#") || refersElsewhere(x) {
				return true
			}
		}
	}
	return false
}

// Messages decodes the messages for a backend in this process.
func (c *Call) Messages() []ChatMessage {
	var messages []ChatMessage
	_ = json.Unmarshal(c.fields["messages"], &messages) // checked by readMessages
	return messages
}

// A ChatMessage is one turn, its content flattened to text.
type ChatMessage struct {
	Role    string
	Content string
}

// UnmarshalJSON joins text parts.
func (m *ChatMessage) UnmarshalJSON(raw []byte) error {
	var wire struct {
		Role    string
		Content json.RawMessage
	}
	if err := json.Unmarshal(raw, &wire); err != nil {
		return err
	}
	m.Role = wire.Role
	var parts []struct{ Text string }
	if json.Unmarshal(wire.Content, &m.Content) == nil {
		return nil
	}
	_ = json.Unmarshal(wire.Content, &parts)
	for _, p := range parts {
		m.Content += p.Text
	}
	return nil
}
