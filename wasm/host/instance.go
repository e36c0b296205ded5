package host

import (
	"context"
	"crypto/rand"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"pastel/fault"
)

// An instance is one running engine.wasm with its memory and kernels. After a trap
// it is unusable and only fit to be closed.
type instance struct {
	memory  api.Memory
	space   *reservation
	modules []api.Module // in the order they were made: env, kernels, engine
	helpers *helpers
	stderr  head
	buffer  api.Function
	call    api.Function
	write   api.Function
	step    api.Function
	reply   api.Function
	control api.Function
}

// instantiate makes an instance with its own memory and nThreads threads.
func (l *linker) instantiate(ctx context.Context, nThreads int) (*instance, error) {
	in := &instance{space: newReservation()}
	if err := in.link(ctx, l); err != nil {
		return nil, firstError(err, in.close(ctx))
	}
	if err := in.bind(); err != nil {
		return nil, firstError(err, in.close(ctx))
	}
	helpers, err := l.startHelpers(ctx, in, nThreads)
	if err != nil {
		return nil, firstError(err, in.close(ctx))
	}
	in.helpers = helpers
	return in, nil
}

// link instantiates memory, kernels and engine, each importing from those before it.
func (in *instance) link(ctx context.Context, l *linker) error {
	env, err := l.runtime.CompileModule(ctx, memoryModule(l.pages))
	if err != nil {
		return err
	}
	if _, err = in.add(ctx, l, env, "env"); err != nil {
		return err
	}
	in.memory = in.modules[0].ExportedMemory("memory")
	if _, err = in.add(ctx, l, l.kernels, "kernels"); err != nil {
		return err
	}
	_, err = in.add(ctx, l, l.engine, "engine")
	return err
}

// names are what the modules of an instance import each other by.
var names = []string{"env", "kernels", "engine"}

// add instantiates a module without a name in the runtime, so that many instances
// can live in it, and resolves its imports among the modules of this one.
func (in *instance) add(ctx context.Context, l *linker, m wazero.CompiledModule, name string) (api.Module, error) {
	ctx = experimental.WithImportResolver(ctx, func(want string) api.Module {
		for i, made := range in.modules {
			if names[i] == want {
				return made
			}
		}
		return nil
	})
	ctx = experimental.WithMemoryAllocator(ctx, in.space.allocator())
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").
		WithStderr(&in.stderr).WithRandSource(rand.Reader).WithSysNanotime().WithSysWalltime()
	made, err := l.runtime.InstantiateModule(ctx, m, config)
	if err != nil {
		return nil, fault.New(fault.Internal, "host: instantiate ", name, ": ", err)
	}
	if len(in.modules) < len(names) {
		in.modules = append(in.modules, made)
	}
	return made, nil
}

// bind looks the engine's exports up.
func (in *instance) bind() error {
	engine := in.modules[len(names)-1]
	for name, f := range map[string]*api.Function{
		"buffer": &in.buffer, "call": &in.call, "write": &in.write, "step": &in.step, "reply": &in.reply, "control": &in.control,
	} {
		if *f = engine.ExportedFunction(name); *f == nil {
			return fault.New(fault.Internal, "host: engine.wasm does not export ", name)
		}
	}
	return nil
}

// close frees everything. The memory goes last: helpers and engine use it.
func (in *instance) close(ctx context.Context) error {
	var errs []error
	if in.helpers != nil {
		errs = append(errs, in.helpers.stop(ctx))
	}
	for i := len(in.modules) - 1; i >= 0; i-- {
		errs = append(errs, in.modules[i].Close(ctx))
	}
	return firstError(append(errs, in.space.release())...)
}

// invoke calls an export that takes u32 and returns one. An error is a trap.
func (in *instance) invoke(ctx context.Context, f api.Function, args ...uint64) (uint32, error) {
	stack := [2]uint64{}
	copy(stack[:], args)
	if err := f.CallWithStack(ctx, stack[:max(len(args), 1)]); err != nil {
		return 0, err
	}
	return uint32(stack[0]), nil
}

// view returns the engine's buffer with room for n bytes.
func (in *instance) view(ctx context.Context, n int) ([]byte, error) {
	at, err := in.invoke(ctx, in.buffer, uint64(n))
	if err != nil {
		return nil, err
	}
	return in.slice(at, n)
}

// send copies a request into the engine's buffer and returns its reply.
func (in *instance) send(ctx context.Context, request []byte) ([]byte, error) {
	view, err := in.view(ctx, len(request))
	if err != nil {
		return nil, err
	}
	copy(view, request)
	return in.request(ctx, in.call, uint64(len(request)))
}

// request calls f, which returns the length of a reply.
func (in *instance) request(ctx context.Context, f api.Function, arg uint64) ([]byte, error) {
	n, err := in.invoke(ctx, f, arg)
	if err != nil {
		return nil, err
	}
	return in.receive(ctx, n)
}

// receive copies the last reply, of n bytes, out of memory.
func (in *instance) receive(ctx context.Context, n uint32) ([]byte, error) {
	at, err := in.invoke(ctx, in.reply)
	if err != nil {
		return nil, err
	}
	view, err := in.slice(at, int(n))
	return append([]byte(nil), view...), err
}

// slice returns n bytes of memory, which are stale after the next call.
func (in *instance) slice(at uint32, n int) ([]byte, error) {
	view, ok := in.memory.Read(at, uint32(n))
	if !ok {
		return nil, fault.New(fault.Internal, "host: ", n, " bytes at ", at, " are past the end of memory")
	}
	return view, nil
}
