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
	modules []api.Module // in the order they were made: env, kernels, engine
	helpers *helpers
	stderr  head
	buffer  api.Function
	call    api.Function
	write   api.Function
	step    api.Function
	reply   api.Function
}

// instantiate makes an instance with its own memory and nThreads threads.
func (l *linker) instantiate(ctx context.Context, nThreads int) (*instance, error) {
	in := &instance{}
	if err := in.link(ctx, l); err != nil {
		in.close(ctx)
		return nil, err
	}
	if err := in.bind(); err != nil {
		in.close(ctx)
		return nil, err
	}
	helpers, err := l.startHelpers(ctx, in, nThreads)
	if err != nil {
		in.close(ctx)
		return nil, err
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
	ctx = experimental.WithMemoryAllocator(ctx, memoryAllocator)
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
		"buffer": &in.buffer, "call": &in.call, "write": &in.write, "step": &in.step, "reply": &in.reply,
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
	return firstError(errs...)
}

// invoke calls an export that takes and returns one u32. An error is a trap.
func (in *instance) invoke(ctx context.Context, f api.Function, arg uint32) (uint32, error) {
	stack := [1]uint64{uint64(arg)}
	if err := f.CallWithStack(ctx, stack[:]); err != nil {
		return 0, err
	}
	return uint32(stack[0]), nil
}

// send copies p into the engine's buffer and calls f with its length.
func (in *instance) send(ctx context.Context, f api.Function, p []byte) ([]byte, error) {
	at, err := in.invoke(ctx, in.buffer, uint32(len(p)))
	if err != nil {
		return nil, err
	}
	if !in.memory.Write(at, p) {
		return nil, fault.New(fault.Internal, "host: buffer of ", len(p), " bytes at ", at, " is past the end of memory")
	}
	return in.receive(ctx, f, uint32(len(p)))
}

// receive calls f and copies the reply it announces out of memory.
func (in *instance) receive(ctx context.Context, f api.Function, arg uint32) ([]byte, error) {
	n, err := in.invoke(ctx, f, arg)
	if err != nil || n == 0 {
		return nil, err
	}
	at, err := in.invoke(ctx, in.reply, 0)
	if err != nil {
		return nil, err
	}
	view, ok := in.memory.Read(at, n)
	if !ok {
		return nil, fault.New(fault.Internal, "host: reply of ", n, " bytes at ", at, " is past the end of memory")
	}
	return append([]byte(nil), view...), nil
}
