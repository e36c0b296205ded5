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

// idle is session for one in which no generation runs.
func (d *Dispatcher) idle(id uint32) (*session, error) {
	s, err := d.session(id)
	if err == nil && s.generation != nil {
		return nil, fault.New(fault.BadRequest, "dispatch: session ", id, " is generating")
	}
	return s, err
}

// kvChoices are the names of cache types.
var kvChoices = map[string]engine.KVChoice{
	"": engine.KVAuto, "F32": engine.KVF32, "F16": engine.KVF16, "Q8_0": engine.KVQ8,
}

func kvChoice(name string) (engine.KVChoice, error) {
	kv, known := kvChoices[name]
	if !known {
		return kv, fault.New(fault.BadRequest, "dispatch: cache type ", fault.Quote(name), " is not F32, F16 or Q8_0")
	}
	return kv, nil
}

// maxLogitRows bounds what a session may reserve for rows of logits; the engine bounds
// it further by the tokens of one pass.
const maxLogitRows = 1 << 10

func (d *Dispatcher) openSession(m *protocol.OpenSession) (protocol.Message, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	kv, err := kvChoice(m.KVType)
	if err != nil {
		return nil, err
	}
	rows := int(min(m.LogitRows, maxLogitRows))
	s, err := model.NewSession(engine.SessionOptions{ContextLength: int(m.ContextLength), KV: kv, LogitRows: rows})
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

func (d *Dispatcher) saveSession(m *protocol.SaveSession) (protocol.Message, error) {
	s, err := d.idle(m.Session)
	if err != nil {
		return nil, err
	}
	return &protocol.Snapshot{Snapshot: s.engine.Save()}, nil
}

func (d *Dispatcher) restoreSession(m *protocol.RestoreSession) (protocol.Message, error) {
	s, err := d.idle(m.Session)
	if err != nil {
		return nil, err
	}
	if err := s.engine.SetAdapters(active(m.Adapters)); err != nil {
		return nil, err
	}
	if err := s.engine.Restore(m.Snapshot); err != nil {
		return nil, err
	}
	return d.sessionInfo(m.Session, s.engine), nil
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
	s, err := d.idle(m.Session)
	if err != nil {
		return nil, err
	}
	if int(m.Length) > s.engine.Len() {
		return nil, fault.New(fault.BadRequest, "dispatch: cannot truncate ", s.engine.Len(), " tokens to ", m.Length)
	}
	s.engine.Truncate(int(m.Length))
	return d.sessionInfo(m.Session, s.engine), nil
}
