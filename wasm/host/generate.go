package host

import (
	"context"

	"pastel/fault"
	"pastel/wasm/protocol"
)

// OpenSession makes a session.
func (e *Engine) OpenSession(ctx context.Context, request *protocol.OpenSession) (*protocol.SessionInfo, error) {
	return call[*protocol.SessionInfo](ctx, e, request)
}

// SaveSession returns a session's snapshot, which holds its conversation.
func (e *Engine) SaveSession(ctx context.Context, session uint32) ([]byte, error) {
	m, err := call[*protocol.Snapshot](ctx, e, &protocol.SaveSession{Session: session})
	if err != nil {
		return nil, err
	}
	return m.Snapshot, nil
}

// RestoreSession makes a session continue where a snapshot was taken.
func (e *Engine) RestoreSession(ctx context.Context, request *protocol.RestoreSession) (*protocol.SessionInfo, error) {
	return call[*protocol.SessionInfo](ctx, e, request)
}

// Render writes a conversation down as a prompt.
func (e *Engine) Render(ctx context.Context, request *protocol.Render) (string, error) {
	m, err := call[*protocol.Text](ctx, e, request)
	if err != nil {
		return "", err
	}
	return m.Text, nil
}

// Embed returns a text's query embedding.
func (e *Engine) Embed(ctx context.Context, request *protocol.Embed) ([]float32, error) {
	m, err := call[*protocol.Embedding](ctx, e, request)
	if err != nil {
		return nil, err
	}
	return m.Values, nil
}

// Tokenize turns text into ids.
func (e *Engine) Tokenize(ctx context.Context, request *protocol.Tokenize) ([]uint32, error) {
	m, err := call[*protocol.Tokens](ctx, e, request)
	if err != nil {
		return nil, err
	}
	return m.Tokens, nil
}

// Detokenize turns ids into text; special tokens are written out when special is set.
func (e *Engine) Detokenize(ctx context.Context, tokens []uint32, special bool) (string, error) {
	m, err := call[*protocol.Text](ctx, e, &protocol.Detokenize{Tokens: tokens, Special: special})
	if err != nil {
		return "", err
	}
	return m.Text, nil
}

// Logits feeds tokens to an emptied session and returns the rows asked for.
// Shapes: [NRows][vocabSize].
func (e *Engine) Logits(ctx context.Context, request *protocol.Logits) ([][]float32, error) {
	m, err := call[*protocol.LogitsReply](ctx, e, request)
	if err != nil {
		return nil, err
	}
	rows := make([][]float32, m.NRows)
	vocab := len(m.Values) / max(len(rows), 1)
	for i := range rows {
		rows[i] = m.Values[i*vocab : (i+1)*vocab]
	}
	return rows, nil
}

// Generate runs a generation to its end. onEvent is called with every *protocol.Chunk
// and *protocol.Progress; an error from it, or the end of ctx, aborts within a step.
//
// Errors: ERR_ABORTED with the Done so far when ctx ended.
func (e *Engine) Generate(ctx context.Context, request *protocol.Generate, onEvent func(protocol.Message) error) (*protocol.Done, error) {
	if _, err := call[*protocol.OK](ctx, e, request); err != nil {
		return nil, err
	}
	var stopped error
	for {
		if stopped == nil && ctx.Err() != nil {
			stopped = aborted(ctx.Err())
			e.abort(ctx, request.Session)
		}
		m, err := e.step(ctx, request.Session)
		if err != nil {
			return nil, err
		}
		if done, ok := m.(*protocol.Done); ok {
			return done, stopped
		}
		if stopped != nil {
			continue
		}
		if stopped = onEvent(m); stopped != nil {
			e.abort(ctx, request.Session)
		}
	}
}

func (e *Engine) abort(ctx context.Context, session uint32) {
	_, _ = e.Call(context.WithoutCancel(ctx), &protocol.Abort{Session: session}) // the step that follows tells
}

func (e *Engine) step(ctx context.Context, session uint32) (protocol.Message, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.transport.step(context.WithoutCancel(ctx), session)
	if err == nil && len(b) == 0 {
		return nil, fault.New(fault.Internal, "host: a step without an event")
	}
	return decode(b, err)
}
