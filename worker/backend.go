package worker

import (
	"context"
	"encoding/json"
)

// A Backend answers chats. Implementations are safe for concurrent use.
type Backend interface {
	// Name appears in logs and counters.
	Name() string
	// Models lists the public ids this backend answers for.
	Models() []string
	// Chat starts an answer. Cancelling ctx aborts it, also after Chat returned.
	//
	// Errors: coded; see retryable for which are tried elsewhere.
	Chat(ctx context.Context, c *Call) (Answer, error)
}

// An Answer is a running answer. It is not safe for concurrent use.
type Answer interface {
	// Next returns the next chunk of a stream, or the one object of an answer
	// that is not streamed: JSON of an object. At the proper end it returns io.EOF.
	//
	// Aliasing: the result is valid until the next call.
	Next() ([]byte, error)
	// Close releases the answer and aborts it when it is not finished.
	Close() error
}

// chunk is what the server needs to know about a chunk or an object.
type chunk struct {
	fields  map[string]json.RawMessage
	usage   usage
	isUsage bool // only usage: OpenAI's last chunk under include_usage
}

type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
}

func (u usage) total() int64 { return max(0, u.Prompt) + max(0, u.Completion) }

// parseChunk reads what a backend sent.
//
// Errors: ERR_UPSTREAM for anything but an object with choices or usage.
func parseChunk(data []byte) (chunk, error) {
	var c chunk
	if err := json.Unmarshal(data, &c.fields); err != nil {
		return c, errUpstream("sent what is not a JSON object")
	}
	if _, failed := c.fields["error"]; failed {
		return c, errUpstream("reported an error")
	}
	choices, has := c.fields["choices"]
	if !has {
		return c, errUpstream("sent an object without choices")
	}
	if raw, ok := c.fields["usage"]; ok {
		if err := json.Unmarshal(raw, &c.usage); err != nil {
			return c, errUpstream("sent usage that is not an object of numbers")
		}
		c.isUsage = c.usage != usage{} && string(choices) == "[]"
	}
	return c, nil
}

// encode writes the chunk with the model's public id: what a backend calls its
// model may be a path. Without withUsage, usage the client did not ask for goes.
func (c chunk) encode(model string, withUsage bool) []byte {
	c.fields["model"], _ = json.Marshal(model)
	if !withUsage {
		delete(c.fields, "usage")
	}
	data, _ := json.Marshal(c.fields)
	return data
}
