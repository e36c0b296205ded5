package dispatch

import (
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// logits feeds the tokens to an emptied session.
func (d *Dispatcher) logits(m *protocol.Logits) (protocol.Message, error) {
	s, err := d.idle(m.Session)
	if err != nil {
		return nil, err
	}
	if len(m.Tokens) == 0 {
		return nil, fault.New(fault.BadRequest, "dispatch: logits of no tokens")
	}
	if err := s.engine.SetAdapters(active(m.Adapters)); err != nil {
		return nil, err
	}
	s.engine.Truncate(0)
	ids := signed(m.Tokens)
	if m.All {
		return allLogits(s.engine, ids)
	}
	if err := s.engine.Prefill(ids); err != nil {
		return nil, err
	}
	return &protocol.LogitsReply{NRows: 1, Values: s.engine.Logits(0)}, nil
}

// allLogits runs passes of as many tokens as the session has rows of logits for.
func allLogits(s *engine.Session, ids []int32) (protocol.Message, error) {
	reply := &protocol.LogitsReply{NRows: uint32(len(ids))}
	for len(ids) > 0 {
		n := min(len(ids), s.LogitRows())
		if err := s.Forward(ids[:n], n); err != nil {
			return nil, err
		}
		for i := range n {
			reply.Values = append(reply.Values, s.Logits(i)...)
		}
		ids = ids[n:]
	}
	return reply, nil
}
