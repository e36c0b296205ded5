package host

import (
	"context"
	"encoding/binary"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"pastel/fault"
	"pastel/wasm/bundle"
	"pastel/wasm/module"
)

// A linker holds the compiled modules, from which instances are made.
type linker struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	engine  wazero.CompiledModule
	kernels wazero.CompiledModule
	pages   uint32 // the memory's first size
}

// newLinker compiles the bundled modules. cacheDir may be empty.
func newLinker(ctx context.Context, cacheDir string) (*linker, error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads).
		WithMemoryCapacityFromMax(true)
	l := &linker{}
	if cacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return nil, err
		}
		l.cache = cache
		config = config.WithCompilationCache(cache)
	}
	l.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := l.compile(ctx); err != nil {
		return nil, firstError(err, l.close(ctx))
	}
	return l, nil
}

func (l *linker) compile(ctx context.Context) (err error) {
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, l.runtime); err != nil {
		return err
	}
	if l.kernels, err = l.compileBundled(ctx, bundle.KernelsSIMD128); err != nil {
		return err
	}
	if l.engine, err = l.compileBundled(ctx, bundle.Engine); err != nil {
		return err
	}
	memories := l.engine.ImportedMemories()
	if len(memories) != 1 {
		return fault.New(fault.Internal, "host: engine.wasm imports ", len(memories), " memories, want 1: was it linked?")
	}
	l.pages = memories[0].Min()
	return nil
}

func (l *linker) compileBundled(ctx context.Context, name string) (wazero.CompiledModule, error) {
	b, err := bundle.Read(name)
	if err != nil {
		return nil, err
	}
	return l.runtime.CompileModule(ctx, b)
}

func (l *linker) close(ctx context.Context) error {
	err := l.runtime.Close(ctx)
	if l.cache != nil {
		err = firstError(err, l.cache.Close(ctx))
	}
	return err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// memoryModule is a module that only defines and exports a shared memory: in wazero
// a memory always belongs to a module. (Core Specification 5.5.)
func memoryModule(pages uint32) []byte {
	limits := []byte{1, 3} // one memory, shared with a maximum
	limits = binary.AppendUvarint(limits, uint64(pages))
	limits = binary.AppendUvarint(limits, module.MaxPages)
	return module.Encode([]module.Section{
		{ID: module.Memory, Payload: limits},
		{ID: module.Export, Payload: []byte("\x01\x06memory\x02\x00")},
	})
}
