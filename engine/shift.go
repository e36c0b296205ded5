package engine

import (
	"pastel/engine/model"
	"pastel/fault"
	"pastel/kernels"
)

// Shift makes room in a full context: it forgets drop tokens after the first
// keep ones (the attention sinks) and moves the rest down, turning their keys to
// the new positions. What the model has seen of the forgotten tokens lives on in
// the others' values, so a shifted session is not one that never saw them; later
// requests do not reuse its cache beyond the first keep tokens.
//
// Source: Xiao et al. 2023, arXiv:2309.17453 (StreamingLLM), section 3.2.
// Errors: ERR_BAD_REQUEST when there are not that many tokens, or when positions
// are learned and cannot move.
func (s *Session) Shift(keep, drop int) error {
	n := s.Len()
	if keep < 0 || drop < 1 || keep+drop > n {
		return fault.New(fault.BadRequest, "engine: cannot drop ", drop, " of ", n, " tokens after the first ", keep)
	}
	if s.model.weights.PosEmbd != nil {
		return fault.New(fault.BadRequest, "engine: learned positions cannot be shifted")
	}
	c, cache := s.model.Config(), s.planner.Cache
	from, count := keep+drop, n-keep-drop
	for i, l := range cache.Layers {
		keys := kernels.KVLayout{Heads: c.NKVHeads, Dim: c.KeyDim, Capacity: cache.Capacity, Type: cache.Type}
		values := kernels.KVLayout{Heads: c.NKVHeads, Dim: c.ValueDim, Capacity: cache.Capacity, Type: cache.Type}
		kernels.MoveKeys(s.model.mem, l.Keys, keys, from, keep, count, s.turn(c.Layers[i], drop))
		kernels.MoveValues(s.model.mem, l.Values, values, from, keep, count)
	}
	cache.Drop(keep, drop)
	return nil
}

// turn is the rotation by drop positions of one layer, nil without rope.
func (s *Session) turn(l model.Layer, drop int) *kernels.Turn {
	c := s.model.Config()
	if l.Rope == model.NoRope || c.RopeDims == 0 {
		return nil
	}
	row := s.planner.Ropes[l.Rope] + kernels.Addr(4*drop*c.RopeDims)
	return &kernels.Turn{Table: s.model.mem.F32(row, c.RopeDims), RopeDims: c.RopeDims, Interleaved: c.RopeInterleaved}
}

// sinks is the number of first tokens a generation keeps when it shifts.
const sinks = 4

// makeRoom shifts half of a full context away when the request allows it.
func (g *Generation) makeRoom() error {
	s := g.s
	if !g.req.ShiftContext || s.Len() < s.Capacity() {
		return nil
	}
	return s.Shift(sinks, max(1, (s.Capacity()-sinks)/2))
}
