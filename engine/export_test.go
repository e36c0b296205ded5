package engine

import "pastel/kernels"

// FirstLayer returns the cached keys and values of the first layer as floats.
func (s *Session) FirstLayer() (out []float32) {
	c, cache := s.model.Config(), s.planner.Cache
	l := kernels.KVLayout{Heads: c.NKVHeads, Dim: c.KeyDim, Capacity: cache.Capacity, Type: cache.Type}
	x := make([]float32, c.KeyDim)
	for h := range c.NKVHeads {
		for p := range s.Len() {
			kernels.ReadKey(s.model.mem, cache.Layers[0].Keys, l, h, p, x)
			out = append(out, x...)
			kernels.ReadValue(s.model.mem, cache.Layers[0].Values, l, h, p, x)
			out = append(out, x...)
		}
	}
	return out
}
