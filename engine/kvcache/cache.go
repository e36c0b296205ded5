package kvcache

import (
	"pastel/fault"
	"pastel/kernels"
)

// ErrContextFull matches, under errors.Is, a session that ran out of positions.
var ErrContextFull = fault.Sentinel(fault.Context)

// A Layer is where one block's keys and values lie (see kernels.KVLayout).
type Layer struct{ Keys, Values kernels.Addr }

// A Cache holds the keys and values of up to Capacity positions. It owns its
// memory until Free. It must not be used by two goroutines at once.
type Cache struct {
	Type     kernels.KVType
	Capacity int     // positions
	Layers   []Layer // one per block
	tokens   []int32 // what fills the positions
	shifted  int     // positions from here on saw tokens that are gone; 0: none did
	mem      *kernels.Memory
}

// New allocates a cache of nLayers layers with the given heads.
//
// Errors: ERR_OOM with nothing left allocated; ERR_BAD_REQUEST for KVQ8 heads
// that are no multiple of 32 wide.
func New(mem *kernels.Memory, kv kernels.KVType, nLayers, nKVHeads, keyDim, valueDim, capacity int) (*Cache, error) {
	if kv == kernels.KVQ8 && (keyDim%kernels.BlockK != 0 || valueDim%kernels.BlockK != 0) {
		return nil, fault.New(fault.BadRequest, "kvcache: heads of ", keyDim, " and ", valueDim, " values cannot be cached in 8 bits (blocks of 32)")
	}
	c := &Cache{Type: kv, Capacity: capacity, mem: mem, tokens: make([]int32, 0, capacity)}
	keys := kernels.KVLayout{Heads: nKVHeads, Dim: keyDim, Capacity: capacity, Type: kv}.Bytes()
	values := kernels.KVLayout{Heads: nKVHeads, Dim: valueDim, Capacity: capacity, Type: kv}.Bytes()
	for range nLayers {
		k, err := mem.Alloc(keys)
		if err == nil {
			c.Layers = append(c.Layers, Layer{Keys: k})
			c.Layers[len(c.Layers)-1].Values, err = mem.Alloc(values)
		}
		if err != nil {
			c.Free()
			return nil, err
		}
	}
	return c, nil
}

// Len is the number of filled positions.
func (c *Cache) Len() int { return len(c.tokens) }

// Tokens are the tokens of the filled positions. The slice is the cache's own.
func (c *Cache) Tokens() []int32 { return c.tokens }

// Append reserves the next positions for ids.
//
// Errors: ErrContextFull, with the cache as it was.
func (c *Cache) Append(ids []int32) error {
	if len(c.tokens)+len(ids) > c.Capacity {
		return fault.New(fault.Context, "kvcache: ", len(c.tokens), " + ", len(ids), " tokens exceed the context of ", c.Capacity)
	}
	c.tokens = append(c.tokens, ids...)
	return nil
}

// Truncate forgets all positions from n on. It panics when n is out of range.
func (c *Cache) Truncate(n int) {
	c.tokens = c.tokens[:n]
	if n <= c.shifted {
		c.shifted = 0
	}
}

// Drop forgets n tokens from position at on; the caller has moved the rest down.
func (c *Cache) Drop(at, n int) {
	c.tokens = append(c.tokens[:at], c.tokens[at+n:]...)
	c.shifted = max(1, at)
}

// CommonPrefix is the number of leading ids the cache holds as if only they had
// been run.
func (c *Cache) CommonPrefix(ids []int32) int {
	n, limit := 0, min(len(ids), len(c.tokens))
	if c.shifted > 0 {
		limit = min(limit, c.shifted)
	}
	for n < limit && ids[n] == c.tokens[n] {
		n++
	}
	return n
}

// Free gives the memory back.
func (c *Cache) Free() {
	for _, l := range c.Layers {
		c.mem.Free(l.Keys)
		c.mem.Free(l.Values)
	}
	c.Layers = nil
}
