package dispatch

import (
	"pastel/fault"
	"pastel/wasm/protocol"
)

func (d *Dispatcher) generate(m *protocol.Generate) error {
	return fault.New(fault.BadRequest, "dispatch: not yet")
}

func (d *Dispatcher) abort(id uint32) error { return nil }

func (s *session) step(nowMs func() float64) (protocol.Message, error) {
	return nil, fault.New(fault.BadRequest, "dispatch: not yet")
}
