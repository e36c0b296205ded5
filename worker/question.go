package worker

import (
	"encoding/json"

	"pastel/fault"
)

// A Question is a chat request for an Answerer. A zero field is off, but for MaxTokens.
type Question struct {
	Messages    []ChatMessage
	MaxTokens   int
	Temperature float64 // 0: greedy
	TopK        int
	TopP        float64 // 1: off
	MinP        float64

	RepeatPenalty, PresencePenalty, FrequencyPenalty float64

	Seed   int64
	Stop   []string
	Format string // "json": an object; else the text of a JSON Schema
}

// question is the call for an engine in this process, which refuses what it would leave out.
//
// Errors: ERR_BAD_REQUEST for tools, log-probabilities, biases, or a format there is not.
func question(c *Call) (Question, error) {
	for _, name := range []string{"tools", "logit_bias"} {
		if raw := string(c.fields[name]); raw != "" && raw != "[]" && raw != "{}" {
			return Question{}, badField(name, "is not for a model in this process")
		}
	}
	if string(c.fields["logprobs"]) == "true" {
		return Question{}, badField("logprobs", "is not for a model in this process")
	}
	format, err := formatOf(c.fields["response_format"])
	return Question{
		Messages: c.Messages(), MaxTokens: c.MaxTokens, Seed: int64(c.Number("seed", 0)), Stop: c.Stop(), Format: format,
		Temperature: c.Number("temperature", 1), TopK: int(c.Number("top_k", 0)), TopP: c.Number("top_p", 1), MinP: c.Number("min_p", 0),
		RepeatPenalty: c.Number("repeat_penalty", 0), PresencePenalty: c.Number("presence_penalty", 0), FrequencyPenalty: c.Number("frequency_penalty", 0),
	}, err
}

// formatOf reads OpenAI's response_format.
func formatOf(raw json.RawMessage) (string, error) {
	var f struct {
		Type   string
		Schema struct{ Schema json.RawMessage } `json:"json_schema"`
	}
	if raw == nil {
		return "", nil
	}
	if json.Unmarshal(raw, &f) == nil {
		switch {
		case f.Type == "text":
			return "", nil
		case f.Type == "json_object":
			return "json", nil
		case f.Type == "json_schema" && f.Schema.Schema != nil:
			return string(f.Schema.Schema), nil
		}
	}
	return "", fault.New(fault.BadRequest, "worker: field \"response_format\" is not of type text, json_object or json_schema with a schema")
}
