package dispatch

import (
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A session is an engine session and the generation that runs in it.
type session struct {
	engine     *engine.Session
	generation *generation // nil when none runs
}

func (d *Dispatcher) session(id uint32) (*session, error) {
	s := d.sessions[id]
	if s == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: session ", id, " does not exist")
	}
	return s, nil
}

// kvChoices are the names of cache types.
var kvChoices = map[string]engine.KVChoice{
	"": engine.KVAuto, "F32": engine.KVF32, "F16": engine.KVF16, "Q8_0": engine.KVQ8,
}

func (d *Dispatcher) openSession(m *protocol.OpenSession) (protocol.Message, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	kv, known := kvChoices[m.KVType]
	if !known {
		return nil, fault.New(fault.BadRequest, "dispatch: cache type ", fault.Quote(m.KVType), " is not F32, F16 or Q8_0")
	}
	s, err := model.NewSession(engine.SessionOptions{ContextLength: int(m.ContextLength), KV: kv})
	if err != nil {
		return nil, err
	}
	d.last++
	d.sessions[d.last] = &session{engine: s}
	return d.sessionInfo(d.last, s), nil
}

func (d *Dispatcher) sessionInfo(id uint32, s *engine.Session) *protocol.SessionInfo {
	return &protocol.SessionInfo{Session: id, ContextLength: uint32(s.Capacity()), Length: uint32(s.Len())}
}

func (d *Dispatcher) closeSession(id uint32) error {
	s, err := d.session(id)
	if err != nil {
		return err
	}
	s.engine.Close()
	delete(d.sessions, id)
	return nil
}

func (d *Dispatcher) truncate(m *protocol.Truncate) (protocol.Message, error) {
	s, err := d.session(m.Session)
	if err != nil {
		return nil, err
	}
	if s.generation != nil {
		return nil, fault.New(fault.BadRequest, "dispatch: session ", m.Session, " is generating")
	}
	if int(m.Length) > s.engine.Len() {
		return nil, fault.New(fault.BadRequest, "dispatch: cannot truncate ", s.engine.Len(), " tokens to ", m.Length)
	}
	s.engine.Truncate(int(m.Length))
	return d.sessionInfo(m.Session, s.engine), nil
}

// logits feeds the tokens to an emptied session, one pass for each row asked for.
func (d *Dispatcher) logits(m *protocol.Logits) (protocol.Message, error) {
	s, err := d.session(m.Session)
	if err != nil {
		return nil, err
	}
	if len(m.Tokens) == 0 {
		return nil, fault.New(fault.BadRequest, "dispatch: logits of no tokens")
	}
	if s.generation != nil {
		return nil, fault.New(fault.BadRequest, "dispatch: session ", m.Session, " is generating")
	}
	if err := s.engine.SetAdapters(active(m.Adapters)); err != nil {
		return nil, err
	}
	s.engine.Truncate(0)
	ids := signed(m.Tokens)
	reply := &protocol.LogitsReply{NRows: 1}
	if !m.All {
		if err := s.engine.Prefill(ids); err != nil {
			return nil, err
		}
		reply.Values = s.engine.Logits(0)
		return reply, nil
	}
	reply.NRows = uint32(len(ids))
	for i := range ids {
		if err := s.engine.Forward(ids[i:i+1], 1); err != nil {
			return nil, err
		}
		reply.Values = append(reply.Values, s.engine.Logits(0)...)
	}
	return reply, nil
}
