package host

import (
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/tetratelabs/wazero/sys"

	"pastel/fault"
	"pastel/kernels"
	"pastel/wasm/dispatch"
)

// A transport carries messages to an engine. An error from it means that the engine
// itself is gone, with its model and sessions; errors of requests travel in replies.
type transport interface {
	// handle sends a request and returns its reply.
	handle(ctx context.Context, request []byte) ([]byte, error)
	// write reads n bytes of r into the engine's open stream; the reply is empty or an error.
	write(ctx context.Context, r io.Reader, n int) ([]byte, error)
	// step runs one step of a session's generation.
	step(ctx context.Context, session uint32) ([]byte, error)
	close(ctx context.Context) error
}

// wasmTransport runs engine.wasm, and replaces it after a trap.
type wasmTransport struct {
	linker  *linker
	threads int
	current *instance // nil after a trap, until the next request
}

// live returns the instance, making one when there is none.
func (t *wasmTransport) live(ctx context.Context) (*instance, error) {
	if t.current != nil {
		return t.current, nil
	}
	in, err := t.linker.instantiate(ctx, t.threads)
	t.current = in
	return in, err
}

// run does f with the instance and throws the instance away when it traps.
func (t *wasmTransport) run(ctx context.Context, f func(in *instance) ([]byte, error)) ([]byte, error) {
	in, err := t.live(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := f(in)
	if err == nil {
		return reply, nil
	}
	err = in.explain(err)
	t.current = nil
	_ = in.close(ctx) // the reason it is closed for is the better error
	return nil, err
}

// explain turns a trap into an error for people. A memory that cannot grow by one
// more page is the reason, whatever the runtime printed.
func (in *instance) explain(err error) error {
	code := fault.Internal
	if _, ok := in.memory.Grow(1); !ok {
		code = fault.OOM
	}
	why := in.stderr.line()
	var exit *sys.ExitError
	if why == "" || !errors.As(err, &exit) {
		why += " " + err.Error()
	}
	return fault.New(code, "host: the engine stopped and was restarted, its model is gone: ", why)
}

func (t *wasmTransport) handle(ctx context.Context, request []byte) ([]byte, error) {
	return t.run(ctx, func(in *instance) ([]byte, error) { return in.send(ctx, in.call, request) })
}

func (t *wasmTransport) step(ctx context.Context, session uint32) ([]byte, error) {
	return t.run(ctx, func(in *instance) ([]byte, error) { return in.receive(ctx, in.step, session) })
}

// write lets r fill the engine's own buffer: weights are copied once.
func (t *wasmTransport) write(ctx context.Context, r io.Reader, n int) ([]byte, error) {
	var readErr error
	reply, err := t.run(ctx, func(in *instance) ([]byte, error) {
		at, err := in.invoke(ctx, in.buffer, uint32(n))
		if err != nil {
			return nil, err
		}
		view, ok := in.memory.Read(at, uint32(n))
		if !ok {
			return nil, fault.New(fault.Internal, "host: buffer of ", n, " bytes at ", at, " is past the end of memory")
		}
		if _, readErr = io.ReadFull(r, view); readErr != nil {
			return nil, nil
		}
		return in.receive(ctx, in.write, uint32(n))
	})
	return reply, firstError(err, readErr)
}

func (t *wasmTransport) close(ctx context.Context) error {
	var err error
	if t.current != nil {
		err = t.current.close(ctx)
	}
	return firstError(err, t.linker.close(ctx))
}

// localTransport runs package dispatch in this process.
type localTransport struct {
	dispatcher *dispatch.Dispatcher
	buffer     []byte
}

func newLocalTransport() *localTransport {
	return &localTransport{dispatcher: dispatch.New(dispatch.Config{
		Executor: &kernels.Reference{}, ExecutorName: "reference", NowMs: nowMs,
	})}
}

func (t *localTransport) handle(_ context.Context, request []byte) ([]byte, error) {
	return t.dispatcher.Handle(request), nil
}

func (t *localTransport) step(_ context.Context, session uint32) ([]byte, error) {
	return t.dispatcher.Step(session), nil
}

func (t *localTransport) write(_ context.Context, r io.Reader, n int) ([]byte, error) {
	if n > len(t.buffer) {
		t.buffer = make([]byte, n)
	}
	if _, err := io.ReadFull(r, t.buffer[:n]); err != nil {
		return nil, err
	}
	return t.dispatcher.Write(t.buffer[:n]), nil
}

func (t *localTransport) close(context.Context) error {
	t.dispatcher = nil
	runtime.GC() // a model may be most of this process
	return nil
}
