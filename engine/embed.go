package engine

import "pastel/kernels"

// Embed returns the sum over ids of the first layer's queries before rotation
// [nHeads·keyDim]: the layer-1 query embedding of a text, not yet divided by its
// length. Nothing else of the model runs, no adapter acts, and the session's cache is
// untouched.
//
// Source: Bang et al. 2024, arXiv:2406.07007; pooling and normalisation are ours
// (package blend/keys).
// Errors: ERR_BAD_REQUEST for ids outside the vocabulary.
func (s *Session) Embed(ids []int32) ([]float32, error) {
	if err := s.checkTokens(ids); err != nil {
		return nil, err
	}
	c, mem, w := s.model.Config(), s.model.mem, s.planner.Work
	sum := make([]float32, c.QueryDim())
	stride := c.QKVDim()
	s.planned = shape{}
	adapters := s.planner.Adapters
	s.planner.Adapters = nil // keys are embeddings of the base
	defer func() { s.planner.Adapters = adapters }()
	for first := 0; first < len(ids); first += s.Batch() {
		n := min(s.Batch(), len(ids)-first)
		copy(mem.I32(w.IDs, n), ids[first:first+n])
		for i, p := 0, mem.I32(w.Positions, n); i < n; i++ {
			p[i] = int32(i)
		}
		s.prefill.Reset()
		if err := s.planner.FirstQuery(s.prefill, n); err != nil {
			return nil, err
		}
		s.model.machine.Exec.Run(s.prefill)
		for t := range n {
			for i, v := range mem.F32(w.QKV+kernels.Addr(4*t*stride), len(sum)) {
				sum[i] += v
			}
		}
	}
	return sum, nil
}
