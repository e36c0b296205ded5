package eval

import (
	"context"
	"math"

	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// A HostModel is a Model on an engine of this process. It is not safe for concurrent use.
type HostModel struct {
	engine   *host.Engine
	adapters []protocol.Adapter
	session  uint32
	context  int
}

// NewHostModel opens a session on an engine that has a model. adapters act in all of it.
//
// Errors: the engine's.
func NewHostModel(ctx context.Context, e *host.Engine, adapters []protocol.Adapter, contextLength int) (*HostModel, error) {
	info, err := e.OpenSession(ctx, &protocol.OpenSession{ContextLength: uint32(contextLength), LogitRows: 32})
	if err != nil {
		return nil, err
	}
	return &HostModel{engine: e, adapters: adapters, session: info.Session, context: int(info.ContextLength)}, nil
}

// LogProbs implements Model. Of texts longer than the context the end is kept.
func (m *HostModel) LogProbs(ctx context.Context, prompt, continuation string) ([]float64, error) {
	ids, err := m.tokenize(ctx, prompt+continuation)
	if err != nil {
		return nil, err
	}
	start := 1 // the first token has nothing before it
	if prompt != "" {
		head, err := m.tokenize(ctx, prompt)
		if err != nil {
			return nil, err
		}
		start = max(1, commonPrefix(ids, head))
	}
	if over := len(ids) - m.context; over > 0 {
		ids, start = ids[over:], max(1, start-over)
	}
	if start >= len(ids) {
		return nil, nil
	}
	rows, err := m.rows(ctx, ids[:len(ids)-1], len(ids)-start)
	if err != nil {
		return nil, err
	}
	logs := make([]float64, len(rows))
	for i, row := range rows {
		logs[i] = logSoftmax(row, int(ids[start+i]))
	}
	return logs, nil
}

// rows are the logits after each of the last n of ids.
func (m *HostModel) rows(ctx context.Context, ids []uint32, n int) ([][]float32, error) {
	all := n > 1
	rows, err := m.engine.Logits(ctx, &protocol.Logits{Session: m.session, Tokens: ids, All: all, Adapters: m.adapters})
	if err != nil {
		return nil, err
	}
	return rows[len(rows)-n:], nil
}

func (m *HostModel) tokenize(ctx context.Context, text string) ([]uint32, error) {
	return m.engine.Tokenize(ctx, &protocol.Tokenize{Text: text, AddSpecial: true})
}

func commonPrefix(a, b []uint32) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// logSoftmax is the logarithm of the i-th probability.
func logSoftmax(logits []float32, i int) float64 {
	top := math.Inf(-1)
	for _, v := range logits {
		top = max(top, float64(v))
	}
	total := 0.0
	for _, v := range logits {
		total += math.Exp(float64(v) - top)
	}
	return float64(logits[i]) - top - math.Log(total)
}

// Complete implements Model.
func (m *HostModel) Complete(ctx context.Context, prompt string, maxTokens int, stops []string) (string, []float64, error) {
	request := &protocol.Generate{
		Session: m.session, Prompt: prompt, AddSpecial: true, MaxTokens: uint32(maxTokens),
		Stop: stops, Logprobs: true, Adapters: m.adapters,
	}
	var text []byte
	var logs []float64
	done, err := m.engine.Generate(ctx, request, func(e protocol.Message) error {
		if c, ok := e.(*protocol.Chunk); ok {
			text = append(text, c.Text...)
			logs = append(logs, float64(c.Logprob))
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	return string(text) + done.Text, logs, nil
}
