package host

import (
	"context"
	"runtime"
	"sync"
	"time"

	"pastel/fault"
	"pastel/wasm/protocol"
)

// MaxThreads is the most that meet at the control block of engine.wasm.
const MaxThreads = 64

// Options say how an engine runs. The zero value is the module with one thread for
// every core.
type Options struct {
	Threads   int    // 0: one for every core; at most MaxThreads
	CacheDir  string // where compiled modules are kept between runs; "" is nowhere
	Reference bool   // run the plain Go executor in this process instead of the module
}

// An Engine runs one model. It is safe for concurrent use: requests take turns, and
// between two steps of one generation other requests are served.
type Engine struct {
	mu        sync.Mutex
	transport transport
}

// New starts an engine without a model.
//
// Errors: ERR_BAD_FILE when the modules were not built into this program;
// ERR_BAD_REQUEST for more than MaxThreads.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Reference {
		return &Engine{transport: newLocalTransport()}, nil
	}
	if o.Threads <= 0 {
		o.Threads = min(runtime.NumCPU(), MaxThreads)
	}
	if o.Threads > MaxThreads {
		return nil, fault.New(fault.BadRequest, "host: ", o.Threads, " threads, at most ", MaxThreads)
	}
	l, err := newLinker(ctx, o.CacheDir)
	if err != nil {
		return nil, err
	}
	t := &wasmTransport{linker: l, threads: o.Threads}
	if _, err := t.live(ctx); err != nil {
		_ = l.close(ctx)
		return nil, err
	}
	return &Engine{transport: t}, nil
}

// Close frees everything the engine holds.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.transport.close(ctx)
}

// Call sends one request and returns its reply.
//
// Errors: what the engine answered with an Error, as a *fault.Error of its code.
func (e *Engine) Call(ctx context.Context, request protocol.Message) (protocol.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, aborted(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return decode(e.transport.handle(ctx, protocol.Append(nil, request)))
}

// call is Call for a request whose reply is known to be a T.
func call[T protocol.Message](ctx context.Context, e *Engine, request protocol.Message) (T, error) {
	var none T
	m, err := e.Call(ctx, request)
	if err != nil {
		return none, err
	}
	reply, ok := m.(T)
	if !ok {
		return none, fault.New(fault.Internal, "host: reply with tag ", uint8(m.Tag()), " to a request with tag ", uint8(request.Tag()))
	}
	return reply, nil
}

// decode reads a reply and turns an Error into an error.
func decode(b []byte, err error) (protocol.Message, error) {
	if err != nil {
		return nil, err
	}
	m, err := protocol.Decode(b)
	if err != nil {
		return nil, err
	}
	if e, ok := m.(*protocol.Error); ok {
		return nil, &fault.Error{Code: fault.Code(e.Code), Message: e.Message}
	}
	return m, nil
}

func aborted(cause error) error { return fault.New(fault.Aborted, "host: stopped: ", cause) }

var processStart = time.Now()

// nowMs is the monotonic clock of this process.
func nowMs() float64 { return float64(time.Since(processStart)) / float64(time.Millisecond) }
