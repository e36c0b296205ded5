package host

import (
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/tetratelabs/wazero/sys"

	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/dispatch"
)

// A transport carries messages to an engine. An error from it means that the engine
// itself is gone, with its model and sessions; errors of requests travel in replies.
type transport interface {
	// handle sends a request and returns its reply.
	handle(ctx context.Context, request []byte) ([]byte, error)
	// write reads n bytes of r at an offset into the engine's open stream and returns how
	// many of them it took; reply is nil, or an error.
	write(ctx context.Context, file uint32, r io.ReaderAt, offset int64, n int) (taken int, reply []byte, err error)
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
	return t.run(ctx, func(in *instance) ([]byte, error) { return in.send(ctx, request) })
}

func (t *wasmTransport) step(ctx context.Context, session uint32) ([]byte, error) {
	return t.run(ctx, func(in *instance) ([]byte, error) { return in.request(ctx, in.step, uint64(session)) })
}

// write lets r fill the engine's own buffer: weights are copied once.
func (t *wasmTransport) write(ctx context.Context, file uint32, r io.ReaderAt, offset int64, n int) (taken int, reply []byte, err error) {
	var readErr error
	reply, err = t.run(ctx, func(in *instance) ([]byte, error) {
		view, err := in.view(ctx, n)
		if err != nil {
			return nil, err
		}
		if readErr = readFull(r, view, offset); readErr != nil {
			return nil, nil
		}
		got, err := in.invoke(ctx, in.write, uint64(file), uint64(n))
		if err != nil || int32(got) >= 0 {
			taken = int(got)
			return nil, err
		}
		return in.receive(ctx, uint32(-int32(got)))
	})
	return taken, reply, firstError(err, readErr)
}

func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	return fault.New(fault.BadFile, "host: read ", n, " of ", len(p), " bytes at ", offset, ": ", err)
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
		Machine: engine.Reference(), Executor: "reference", NowMs: nowMs,
	})}
}

func (t *localTransport) handle(_ context.Context, request []byte) ([]byte, error) {
	return t.dispatcher.Handle(request), nil
}

func (t *localTransport) step(_ context.Context, session uint32) ([]byte, error) {
	return t.dispatcher.Step(session), nil
}

func (t *localTransport) write(_ context.Context, file uint32, r io.ReaderAt, offset int64, n int) (int, []byte, error) {
	if n > len(t.buffer) {
		t.buffer = make([]byte, n)
	}
	if err := readFull(r, t.buffer[:n], offset); err != nil {
		return 0, nil, err
	}
	taken, reply := t.dispatcher.Write(file, t.buffer[:n])
	return taken, reply, nil
}

func (t *localTransport) close(context.Context) error {
	t.dispatcher = nil
	runtime.GC() // a model may be most of this process
	return nil
}
