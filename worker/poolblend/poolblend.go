// Package poolblend makes a user's adapter on the server: it fills
// worker.Blender with package blend/pool, so that only N similarity scores leave
// a device. It must not know HTTP.
package poolblend

import (
	"context"
	"io"
	"maps"
	"sync"

	"pastel/blend/digest"
	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/worker"
)

// maxPools is how many pools stay loaded.
const maxPools = 4

// A Blender implements worker.Blender. The zero value is ready. It keeps the
// pools it used last, by digest; safe for concurrent use.
type Blender struct {
	mu    sync.Mutex
	pools map[string]*pool.Pool
}

// Blend implements worker.Blender: scores to weights by the pool's own rule,
// weights to one adapter, which is a GGUF LoRA with F32 factors, the same bytes
// as `pastel pool blend` writes for these weights.
//
// Shapes: scores [N], cosines of the user's embedding to the pool's keys.
// Errors: ERR_BAD_REQUEST for another N; ERR_INTERNAL for a broken pool.
func (b *Blender) Blend(_ context.Context, manifest []byte, open worker.Opener, scores []float32) ([]byte, error) {
	p, err := b.load(manifest, open)
	if err != nil {
		return nil, fault.New(fault.Internal, "poolblend: ", err)
	}
	if len(scores) != len(p.Adapters) {
		return nil, fault.New(fault.BadRequest, "poolblend: ", len(scores), " scores for a pool of ", len(p.Adapters))
	}
	wide := make([]float64, len(scores))
	for i, s := range scores {
		wide[i] = float64(s)
	}
	weights, err := p.Weighting.Weights(wide)
	if err != nil {
		return nil, err
	}
	a, err := p.Blend(p.Name+", blended", weights)
	if err != nil {
		return nil, err
	}
	return gguflora.Write(a, p.Base.Arch, tensor.F32)
}

// load returns a pool with all its adapters, each checked against its digest.
func (b *Blender) load(manifest []byte, open worker.Opener) (*pool.Pool, error) {
	id := digest.Hex(manifest)
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.pools[id]; p != nil {
		return p, nil
	}
	p, err := read(manifest, open)
	if err != nil {
		return nil, err
	}
	if b.pools == nil {
		b.pools = map[string]*pool.Pool{}
	}
	maps.DeleteFunc(b.pools, func(string, *pool.Pool) bool { return len(b.pools) >= maxPools })
	b.pools[id] = p
	return p, nil
}

func read(manifest []byte, open worker.Opener) (*pool.Pool, error) {
	m, err := pool.ParseManifest(manifest, "")
	if err != nil {
		return nil, err
	}
	keys, err := readFile(open, m.Keys)
	if err != nil {
		return nil, err
	}
	p, err := pool.Open(m, keys, pool.Options{})
	if err != nil {
		return nil, err
	}
	for n, a := range m.Adapters {
		data, err := readFile(open, a.File)
		if err != nil {
			return nil, err
		}
		if err := p.Load(n, data); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func readFile(open worker.Opener, file pool.File) ([]byte, error) {
	f, err := open(file.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, int64(file.Bytes)))
}
