package chat

import (
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// ChatML is the template <|im_start|>role … <|im_end|> of Qwen, SmolLM and many
// others. It is for callers that decide to use it when a model has no template,
// or one that fails; nothing in this package falls back to it.
const ChatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// A Request is a conversation to turn into a prompt.
type Request struct {
	Messages            jsonvalue.Value // array of {role, content, tool_calls …}
	Tools               jsonvalue.Value // array of function descriptions, or null
	AddGenerationPrompt bool            // end where the assistant's answer begins
	BOS, EOS            string          // text of the tokenizer's special tokens
	Variables           jsonvalue.Value // object of further variables such as enable_thinking, or null
	Date                Date            // for strftime_now; zero: the template does without
}

// Message is {"role": role, "content": content}.
func Message(role, content string) jsonvalue.Value {
	return jsonvalue.OfObject([]jsonvalue.Member{
		{Key: "role", Value: jsonvalue.OfString(role)},
		{Key: "content", Value: jsonvalue.OfString(content)},
	})
}

// Prompt renders a conversation. The result holds special tokens as text, BOS
// among them if the template writes it: tokenize it with special tokens on and
// without adding BOS again.
//
// Errors: fault.BadRequest if Messages is no array or Variables redefines it;
// fault.Template as Render.
func (t *Template) Prompt(req Request, limits Limits) (string, error) {
	if _, ok := req.Messages.Array(); !ok {
		return "", fault.New(fault.BadRequest, "chat: messages are ", req.Messages.Kind(), ", not an array")
	}
	ctx := []jsonvalue.Member{
		{Key: "messages", Value: req.Messages},
		{Key: "add_generation_prompt", Value: jsonvalue.OfBool(req.AddGenerationPrompt)},
		{Key: "bos_token", Value: jsonvalue.OfString(req.BOS)},
		{Key: "eos_token", Value: jsonvalue.OfString(req.EOS)},
	}
	if !req.Tools.IsNull() {
		ctx = append(ctx, jsonvalue.Member{Key: "tools", Value: req.Tools})
	}
	variables, ok := req.Variables.Object()
	if !ok && !req.Variables.IsNull() {
		return "", fault.New(fault.BadRequest, "chat: variables are ", req.Variables.Kind(), ", not an object")
	}
	for _, m := range variables {
		if m.Key == "messages" || m.Key == "tools" {
			return "", fault.New(fault.BadRequest, "chat: variables redefine ", fault.Quote(m.Key))
		}
	}
	return t.Render(jsonvalue.OfObject(append(ctx, variables...)), req.Date, limits)
}
