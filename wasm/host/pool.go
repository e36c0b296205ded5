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

// Customize makes an adapter from the loaded pool.
func (e *Engine) Customize(ctx context.Context, request *protocol.Customize) (*protocol.Customized, error) {
	return call[*protocol.Customized](ctx, e, request)
}
