package host

import (
	"context"

	"pastel/wasm/protocol"
)

// LoadPool loads a pool from its manifest, its keys and, unless it is only for scores,
// its adapters in the manifest's order. id is the manifest's wanted SHA-256, or "".
func (e *Engine) LoadPool(ctx context.Context, id string, files []File) (*protocol.PoolInfo, error) {
	if err := e.stream(ctx, &protocol.Open{Kind: "pool", ID: id}, files, nil); err != nil {
		return nil, err
	}
	return call[*protocol.PoolInfo](ctx, e, &protocol.Finish{})
}

// Customize makes an adapter from the loaded pool. When ctx ends during a search, that of
// the best weights so far.
func (e *Engine) Customize(ctx context.Context, request *protocol.Customize) (*protocol.Customized, error) {
	reply, err := call[*protocol.Customized](ctx, e, request)
	for err == nil && reply.Searching {
		reply, err = call[*protocol.Customized](context.WithoutCancel(ctx), e, &protocol.Refine{Stop: ctx.Err() != nil})
	}
	return reply, err
}
