package offload

import (
	"strconv"
	"unicode/utf8"

	"pastel/fault"
)

// A Message is one turn of a chat.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// Minimise returns the messages that may be sent under an extent: the last user
// turn alone, or all of them.
//
// Aliasing: the result shares the array of messages.
// Errors: ERR_BAD_REQUEST when there is no user turn.
func Minimise(messages []Message, extent Extent) ([]Message, error) {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role != "user" {
			continue
		}
		if extent == Conversation {
			return messages, nil
		}
		return messages[i : i+1], nil
	}
	return nil, fault.New(fault.BadRequest, "offload: no user turn among ", len(messages), " messages")
}

// A Request is everything a routed query sends. There is deliberately no field
// for adapters, caches, samples, embeddings or scores.
type Request struct {
	Model     string
	Messages  []Message
	MaxTokens int // 0: the server's default
	Stream    bool
}

// AppendJSON appends the body of an OpenAI-compatible /v1/chat/completions call.
func (r Request) AppendJSON(buf []byte) []byte {
	buf = append(buf, `{"model":`...)
	buf = appendQuoted(buf, r.Model)
	buf = append(buf, `,"messages":[`...)
	for i, m := range r.Messages {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"role":`...)
		buf = appendQuoted(buf, m.Role)
		buf = append(buf, `,"content":`...)
		buf = appendQuoted(buf, m.Content)
		buf = append(buf, '}')
	}
	buf = append(buf, ']')
	if r.MaxTokens > 0 {
		buf = strconv.AppendInt(append(buf, `,"max_tokens":`...), int64(r.MaxTokens), 10)
	}
	if r.Stream {
		buf = append(buf, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(buf, '}')
}

// AppendScores appends the body of /v1/pools/{id}/blend: N numbers, nothing else.
func AppendScores(buf []byte, scores []float32) []byte {
	buf = append(buf, `{"scores":[`...)
	for i, s := range scores {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = strconv.AppendFloat(buf, float64(s), 'g', -1, 32)
	}
	return append(buf, `]}`...)
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendQuoted(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029:
			buf = append(buf, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	return append(buf, '"')
}

// AppendJSON appends the known signals as one JSON object. Values that are not
// finite are left out: JSON cannot carry them.
func (s Signals) AppendJSON(buf []byte) []byte {
	buf = append(buf, '{')
	for k := range nSignals {
		v, known := s.Get(k)
		if !known || v-v != 0 {
			continue
		}
		if buf[len(buf)-1] != '{' {
			buf = append(buf, ',')
		}
		buf = appendQuoted(buf, k.String())
		buf = strconv.AppendFloat(append(buf, ':'), v, 'g', -1, 64)
	}
	return append(buf, '}')
}
