package dispatch

import (
	"pastel/blend/pool"
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A Config is what a Dispatcher needs from where it runs.
type Config struct {
	Machine  engine.Machine
	Executor string         // the machine's name for Stats: "reference", "simd128", "relaxed"
	NowMs    func() float64 // a monotonic clock, in milliseconds
	Memory   func() (memoryBytes, heapBytes uint64)
	Threads  func() int
}

// A Dispatcher holds one model and its sessions. It must not be used by two
// goroutines at once.
type Dispatcher struct {
	config Config
	stream stream // what is being loaded
	model  *engine.Model
	pool   *pool.Pool // nil when none is loaded

	poolKernel *poolKernel
	search     *customisation // whose Labelled are being tried, nil when none

	sessions map[uint32]*session
	last     uint32          // the number of the newest session
	out      protocol.Writer // holds the last reply
}

// New makes a Dispatcher without a model.
func New(c Config) *Dispatcher {
	return &Dispatcher{config: c, sessions: map[uint32]*session{}}
}

// Handle answers one request. The reply is valid until the next call of any method;
// request may be reused at once.
func (d *Dispatcher) Handle(request []byte) []byte {
	return d.answer(func() (protocol.Message, error) {
		m, err := protocol.Decode(request)
		if err != nil {
			return nil, err
		}
		if _, goesOn := m.(*protocol.Refine); !goesOn {
			d.dropSearch()
		}
		return d.handle(m)
	})
}

// Step runs one step of a session's generation and returns its event.
func (d *Dispatcher) Step(id uint32) []byte {
	return d.answer(func() (protocol.Message, error) {
		s, err := d.session(id)
		if err != nil {
			return nil, err
		}
		return s.step(d)
	})
}

// Write takes the next bytes of a file of the open stream and returns how many it
// took: fewer than all when the headers of other files must come first (see
// engine.Loader). On an error it took none and reply is that error.
func (d *Dispatcher) Write(file uint32, p []byte) (n int, reply []byte) {
	reply = d.answer(func() (m protocol.Message, err error) {
		n, err = d.stream.write(int(file), p)
		return ok, err
	})
	if protocol.IsError(reply) {
		return 0, reply
	}
	return n, nil
}

var ok = &protocol.OK{}

// answer runs f and encodes its reply, its error, or what it panicked with.
func (d *Dispatcher) answer(f func() (protocol.Message, error)) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			reply = d.out.Encode(panicReply(p))
		}
	}()
	m, err := f()
	if err != nil {
		m = &protocol.Error{Code: string(fault.CodeOf(err)), Message: err.Error()}
	}
	return d.out.Encode(m)
}

func panicReply(p any) *protocol.Error {
	return &protocol.Error{Code: string(fault.Internal), Message: fault.New(fault.Internal, "dispatch: panic: ", p).Message}
}

// handle is a closed switch over the requests.
func (d *Dispatcher) handle(m protocol.Message) (protocol.Message, error) {
	switch m := m.(type) {
	case *protocol.Open:
		return ok, d.open(m)
	case *protocol.Finish:
		return d.finish(m)
	case *protocol.Discard:
		d.stream.discard()
		return ok, nil
	case *protocol.Unload:
		return ok, d.unloadAdapter(m.ID)
	case *protocol.Info:
		return d.info()
	case *protocol.Stats:
		return d.stats(), nil
	case *protocol.Preflight:
		return d.preflight(m)
	case *protocol.Tokenize:
		return d.tokenize(m)
	case *protocol.Detokenize:
		return d.detokenize(m)
	case *protocol.Render:
		return d.render(m)
	case *protocol.Embed:
		return d.embed(m)
	case *protocol.OpenSession:
		return d.openSession(m)
	case *protocol.CloseSession:
		return ok, d.closeSession(m.Session)
	case *protocol.Truncate:
		return d.truncate(m)
	case *protocol.SaveSession:
		return d.saveSession(m)
	case *protocol.RestoreSession:
		return d.restoreSession(m)
	case *protocol.Logits:
		return d.logits(m)
	case *protocol.Customize:
		return d.customize(m)
	case *protocol.Refine:
		return d.refine(m)
	case *protocol.ClosePool:
		d.closePool()
		return ok, nil
	case *protocol.Generate:
		return ok, d.generate(m)
	case *protocol.Abort:
		return ok, d.abort(m.Session)
	}
	return nil, fault.New(protocol.BadMessage, "dispatch: tag ", uint8(m.Tag()), " is not a request that is served")
}
