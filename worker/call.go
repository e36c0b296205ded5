package worker

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"

	"pastel/fault"
)

// A Call is a chat request that passed validation. Immutable.
type Call struct {
	Model        string // the public id
	Stream       bool
	IncludeUsage bool // the client gets usage: always, except in a stream without include_usage
	MaxTokens    int

	fields      map[string]json.RawMessage // what is passed on
	promptBytes int
}

// A rangeRule bounds a numeric field of a request.
type rangeRule struct{ low, high float64 }

// numeric holds the numbers that are passed on and what they may be
// (CVE-2026-21869 was a negative count that nobody checked).
var numeric = map[string]rangeRule{
	"temperature":           {0, 2},
	"top_p":                 {0, 1},
	"top_k":                 {0, 1 << 20},
	"min_p":                 {0, 1},
	"presence_penalty":      {-2, 2},
	"frequency_penalty":     {-2, 2},
	"repeat_penalty":        {0, 10},
	"seed":                  {math.MinInt64, math.MaxInt64},
	"top_logprobs":          {0, 20},
	"n":                     {1, 1},
	"max_tokens":            {1, 1 << 20},
	"max_completion_tokens": {1, 1 << 20},
}

// passed holds the other fields that are passed on. Everything else is dropped:
// what a backend does with a field nobody here knows is not known either.
var passed = []string{
	"stop", "stream", "logprobs", "logit_bias", "response_format",
	"tools", "tool_choice", "parallel_tool_calls", "reasoning_effort",
}

// parseCall validates the body of a chat request.
//
// Errors: ERR_BAD_REQUEST; ERR_TOO_LARGE for too many messages.
func parseCall(body []byte, l Limits) (*Call, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fault.New(fault.BadRequest, "worker: the body is not a JSON object")
	}
	dropNulls(all)
	c := &Call{fields: map[string]json.RawMessage{}}
	for _, step := range []func() error{
		func() error { return readField(all, "model", &c.Model, true) },
		func() error { return readField(all, "stream", &c.Stream, false) },
		func() error { return c.readStreamOptions(all) },
		func() error { return c.readMessages(all["messages"], l) },
		func() error { return readSchemas(all) },
		func() error { return c.readNumbers(all) },
		func() error { return c.readMaxTokens(all, l) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for _, name := range passed {
		if raw, ok := all[name]; ok {
			c.fields[name] = raw
		}
	}
	return c, nil
}

// dropNulls makes null mean absent, as OpenAI's clients do.
func dropNulls(all map[string]json.RawMessage) {
	maps.DeleteFunc(all, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" })
}

func readField[T any](all map[string]json.RawMessage, name string, into *T, required bool) error {
	raw, ok := all[name]
	if !ok {
		if required {
			return badField(name, "is missing")
		}
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return badField(name, "has the wrong type")
	}
	return nil
}

func badField(name, what string) error {
	return fault.New(fault.BadRequest, "worker: field ", fault.Quote(name), " ", what)
}

func (c *Call) readStreamOptions(all map[string]json.RawMessage) error {
	var options struct {
		IncludeUsage bool `json:"include_usage"`
	}
	err := readField(all, "stream_options", &options, false)
	c.IncludeUsage = options.IncludeUsage || !c.Stream
	return err
}

func (c *Call) readNumbers(all map[string]json.RawMessage) error {
	for name, rule := range numeric {
		raw, ok := all[name]
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(string(raw), 64) // a quoted number fails
		if err != nil || !(v >= rule.low && v <= rule.high) {
			return fault.New(fault.BadRequest, "worker: field ", fault.Quote(name), " is ", fault.Quote(string(raw)),
				", not a number from ", rule.low, " to ", rule.high)
		}
		c.fields[name] = raw
	}
	return nil
}

// readMaxTokens puts the limit on the answer's length into the field the client
// used, or into max_tokens.
func (c *Call) readMaxTokens(all map[string]json.RawMessage, l Limits) error {
	field := "max_tokens"
	if _, ok := all["max_completion_tokens"]; ok {
		field = "max_completion_tokens"
	}
	c.MaxTokens = l.MaxTokens
	if raw, ok := all[field]; ok {
		n, err := strconv.Atoi(string(raw))
		if err != nil {
			return badField(field, "is not a whole number")
		}
		c.MaxTokens = min(n, l.MaxTokens)
	}
	c.fields[field] = strconv.AppendInt(nil, int64(c.MaxTokens), 10)
	return nil
}

// Body returns the request for a backend that calls the model so. Usage is
// always asked for: budgets are kept in tokens.
func (c *Call) Body(model string) []byte {
	fields := maps.Clone(c.fields)
	fields["model"], _ = json.Marshal(model)
	if c.Stream {
		fields["stream_options"] = json.RawMessage(`{"include_usage":true}`)
	}
	body, _ := json.Marshal(fields)
	return body
}

// estimate is the number of tokens reserved before the answer is known: four
// bytes a token for the prompt, and all the tokens it may generate.
func (c *Call) estimate() int64 { return c.promptTokens() + int64(c.MaxTokens) }

func (c *Call) promptTokens() int64 { return int64(c.promptBytes/4 + 1) }

// Number returns a numeric field, or otherwise when the client did not set it.
func (c *Call) Number(name string, otherwise float64) float64 {
	if v, err := strconv.ParseFloat(string(c.fields[name]), 64); err == nil {
		return v
	}
	return otherwise
}

// Stop returns the stop strings.
func (c *Call) Stop() []string {
	var one string
	var many []string
	if json.Unmarshal(c.fields["stop"], &one) == nil && one != "" {
		return []string{one}
	}
	_ = json.Unmarshal(c.fields["stop"], &many)
	return many
}
