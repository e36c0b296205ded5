package engine

import (
	"pastel/fault"
	"pastel/kernels"
)

// A Recipe says which embedding of a text is taken. The zero value is the
// product's default: first layer, mean over tokens.
type Recipe struct {
	Layer int  // whose query is taken
	Last  bool // the last token's instead of the mean
}

// Embed returns a layer's query before rotation [nHeads·keyDim], pooled over ids: the
// query embedding of a text, zero for no ids. No adapter acts. For the first layer nothing else of the
// model runs and the session's cache is untouched; for another the layers below it run
// in the session's cache, which is empty afterwards.
//
// Source: Bang et al. 2024, arXiv:2406.07007; pooling, normalisation and other layers are ours
// (package blend/keys).
// Errors: ERR_BAD_REQUEST for ids outside the vocabulary or no such layer;
// ERR_CONTEXT for more than the cache holds.
func (s *Session) Embed(ids []int32, r Recipe) ([]float32, error) {
	if r.Layer < 0 || r.Layer >= s.model.Config().NLayers {
		return nil, fault.New(fault.BadRequest, "engine: embedding at layer ", r.Layer, " of ", s.model.Config().NLayers)
	}
	if err := s.checkTokens(ids); err != nil {
		return nil, err
	}
	if r.Layer > 0 {
		s.Truncate(0)
		defer s.Truncate(0)
	}
	s.planned = shape{}
	adapters := s.planner.Adapters
	s.planner.Adapters = nil // keys are embeddings of the base
	defer func() { s.planner.Adapters = adapters }()
	sum := make([]float32, s.model.Config().QueryDim())
	for first := 0; first < len(ids); first += s.Batch() {
		if err := s.addQueries(sum, ids[first:min(first+s.Batch(), len(ids))], first, r); err != nil {
			return nil, err
		}
	}
	if !r.Last && len(ids) > 0 {
		for i := range sum {
			sum[i] /= float32(len(ids))
		}
	}
	return sum, nil
}

// addQueries runs one pass and adds its tokens' queries to sum, or puts the last
// one's there.
func (s *Session) addQueries(sum []float32, ids []int32, first int, r Recipe) error {
	mem, w, n := s.model.mem, s.planner.Work, len(ids)
	if r.Layer > 0 {
		if err := s.planner.Cache.Append(ids); err != nil {
			return err
		}
	}
	copy(mem.I32(w.IDs, n), ids)
	for i, p := 0, mem.I32(w.Positions, n); i < n; i++ {
		p[i] = int32((first + i) % s.Capacity()) // beyond the cache only the first layer gets, which has no use for them
	}
	s.prefill.Reset()
	if err := s.planner.Query(s.prefill, n, r.Layer); err != nil {
		return err
	}
	s.model.machine.Exec.Run(s.prefill)
	from := 0
	if r.Last {
		from = n - 1
		clear(sum)
	}
	for t := from; t < n; t++ {
		for i, v := range mem.F32(w.QKV+kernels.Addr(4*t*s.model.Config().QKVDim()), len(sum)) {
			sum[i] += v
		}
	}
	return nil
}
