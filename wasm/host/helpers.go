package host

import (
	"context"
	"sync"

	"github.com/tetratelabs/wazero/api"

	"pastel/fault"
	"pastel/kernels"
)

// helpers are goroutines that run the kernels on the engine's memory beside the
// engine's own: each has an instance of the kernels module and spends its life in the
// module's help export, waiting for tapes.
type helpers struct {
	instance *instance
	control  uint32 // address of the control block
	modules  []api.Module
	done     sync.WaitGroup
	mu       sync.Mutex
	failed   error // why the first helper died
}

// startHelpers starts nThreads-1 helpers; none for one thread. A helper joins when
// it is ready, and tapes that run before that run without it.
func (l *linker) startHelpers(ctx context.Context, in *instance, nThreads int) (*helpers, error) {
	h := &helpers{instance: in}
	if nThreads < 2 {
		return h, nil
	}
	var err error
	if h.control, err = in.invoke(ctx, in.control, uint64(nThreads)); err != nil {
		return nil, err
	}
	if h.control == 0 {
		return nil, fault.New(fault.OOM, "host: no memory for ", nThreads, " threads")
	}
	for range nThreads - 1 {
		if err := h.start(ctx, l); err != nil {
			return nil, firstError(err, h.stop(ctx))
		}
	}
	return h, nil
}

// start runs one helper.
func (h *helpers) start(ctx context.Context, l *linker) error {
	module, err := h.instance.add(ctx, l, l.kernels, "kernels")
	if err != nil {
		return err
	}
	h.modules = append(h.modules, module)
	help := module.ExportedFunction("help")
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		_, err := help.Call(context.WithoutCancel(ctx), uint64(h.control))
		h.died(err)
	}()
	return nil
}

// died makes whoever waits for a dead helper trap at once instead of waiting for it.
func (h *helpers) died(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = firstError(h.failed, err)
	h.instance.memory.WriteUint32Le(h.control+kernels.ControlState, kernels.StateFailed)
}

// stop makes the helpers return, waits for them, and then closes their modules: the
// first module closed on a memory takes it from all others.
func (h *helpers) stop(ctx context.Context) error {
	if h.control == 0 {
		return nil
	}
	stop := h.instance.modules[1].ExportedFunction("stop")
	_, err := stop.Call(context.WithoutCancel(ctx), uint64(h.control))
	h.done.Wait()
	for _, m := range h.modules {
		err = firstError(err, m.Close(ctx))
	}
	return firstError(err, h.failed)
}
