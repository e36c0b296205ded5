package dispatch

import (
	"pastel/fault"
	"pastel/kernels"
	"pastel/wasm/protocol"
)

// An Executor runs tapes.
type Executor interface {
	Run(t *kernels.Tape)
}

// A Config is what a Dispatcher needs from where it runs.
type Config struct {
	Executor     Executor
	ExecutorName string         // "reference", "simd128", "relaxed": for Stats
	NowMs        func() float64 // a monotonic clock, in milliseconds
}

// A Dispatcher holds one model and its sessions. It must not be used by two
// goroutines at once.
type Dispatcher struct {
	config Config
	out    []byte // the last reply, reused
}

// New makes a Dispatcher without a model.
func New(c Config) *Dispatcher { return &Dispatcher{config: c} }

// Handle answers one request. The reply is valid until the next call of any method;
// request may be reused at once.
func (d *Dispatcher) Handle(request []byte) []byte {
	return d.answer(func() (protocol.Message, error) {
		m, err := protocol.Decode(request)
		if err != nil {
			return nil, err
		}
		return d.handle(m)
	})
}

// answer runs f and encodes its reply, its error, or what it panicked with.
func (d *Dispatcher) answer(f func() (protocol.Message, error)) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			d.out = protocol.Append(d.out[:0], panicReply(p))
			reply = d.out
		}
	}()
	m, err := f()
	if err != nil {
		m = &protocol.Error{Code: string(fault.CodeOf(err)), Message: err.Error()}
	}
	d.out = protocol.Append(d.out[:0], m)
	return d.out
}

func panicReply(p any) *protocol.Error {
	return &protocol.Error{Code: string(fault.Internal), Message: fault.New(fault.Internal, "dispatch: panic: ", p).Message}
}

// handle is a closed switch over the requests.
func (d *Dispatcher) handle(m protocol.Message) (protocol.Message, error) {
	switch m.(type) {
	case *protocol.Stats:
		return d.stats(), nil
	}
	return nil, fault.New(protocol.BadMessage, "dispatch: tag ", uint8(m.Tag()), " is not a request")
}

func (d *Dispatcher) stats() *protocol.StatsReply {
	return &protocol.StatsReply{Executor: d.config.ExecutorName}
}

// Write takes the next bytes of the open stream. It returns nil, or an error reply.
func (d *Dispatcher) Write(p []byte) []byte { return nil }

// Step runs one step of a session's generation and returns its event.
func (d *Dispatcher) Step(session uint32) []byte { return nil }
