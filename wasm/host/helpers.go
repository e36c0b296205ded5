package host

import "context"

// helpers are the goroutines that run the kernels beside the engine's own thread.
type helpers struct{}

func (l *linker) startHelpers(ctx context.Context, in *instance, nThreads int) (*helpers, error) {
	return &helpers{}, nil
}

func (h *helpers) stop(ctx context.Context) error { return nil }
