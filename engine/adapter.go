package engine

import (
	"slices"

	"pastel/engine/model"
	"pastel/fault"
	"pastel/kernels"
)

// A LoRAPair is an adapter's two factors beside one matrix of the base.
type LoRAPair struct {
	Target  string    // the base tensor, e.g. "blk.0.attn_q.weight"
	A       []float32 // [Rank, In]
	B       []float32 // [Out, Rank]
	Rank    int
	In, Out int
	Scale   float32 // delta = Scale·B·A
}

// An ActiveAdapter is one adapter in use, with the user's scale.
type ActiveAdapter struct {
	ID    string
	Scale float32
}

// adapter is a placed adapter: packed factors by target.
type adapter map[string]model.SidePath

// AddAdapter places an adapter's factors in memory under an id. An adapter of
// the same id is replaced; sessions that use it must be closed or set to other
// adapters before.
//
// Errors: ERR_LORA_MISMATCH when a pair does not fit the base, ERR_OOM; nothing
// is then changed.
func (m *Model) AddAdapter(id string, pairs []LoRAPair) error {
	for i := range pairs {
		if err := m.checkPair(&pairs[i]); err != nil {
			return err
		}
	}
	placed := adapter{}
	for i := range pairs {
		p := &pairs[i]
		side := model.SidePath{Rank: p.Rank, Scale: p.Scale, Format: kernels.F32}
		var err error
		if side.A, err = m.packFloats(p.A, p.Rank, p.In); err == nil {
			side.B, err = m.packFloats(p.B, p.Out, p.Rank)
		}
		placed[p.Target] = side
		if err != nil {
			m.freeAdapter(placed)
			return err
		}
	}
	m.freeAdapter(m.adapters[id])
	if m.adapters == nil {
		m.adapters = map[string]adapter{}
	}
	m.adapters[id] = placed
	m.adapterEpoch++
	return nil
}

// checkPair compares a pair with the base matrix it names.
func (m *Model) checkPair(p *LoRAPair) error {
	base := m.weights.Matrices[p.Target]
	switch {
	case base == nil || base == m.weights.TokenEmbd && base != m.weights.Output:
		return fault.New(fault.LoRAMismatch, "engine: adapter tensor ", fault.Quote(p.Target), " names no matrix of the base")
	case p.In != base.K || p.Out != base.Rows:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(p.Target), ": shape ", []int{p.Out, p.In}, ", base ", []int{base.Rows, base.K})
	case p.Rank < 1 || p.Rank > model.MaxRank:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(p.Target), ": rank ", p.Rank, " not in 1..", model.MaxRank)
	case len(p.A) != p.Rank*p.In || len(p.B) != p.Out*p.Rank:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(p.Target), ": ", len(p.A), " and ", len(p.B), " values, want ", p.Rank*p.In, " and ", p.Out*p.Rank)
	}
	return nil
}

// packFloats packs a float32 matrix into memory of its own.
func (m *Model) packFloats(values []float32, rows, k int) (kernels.Addr, error) {
	src, err := m.mem.Alloc(4 * len(values))
	if err != nil {
		return 0, err
	}
	defer m.mem.Free(src)
	copy(m.mem.F32(src, len(values)), values)
	dst, err := m.mem.Alloc(kernels.F32.PackedBytes(rows, k))
	if err != nil {
		return 0, err
	}
	tape, err := kernels.NewTape(m.mem, 1)
	if err == nil {
		defer tape.Free()
		err = tape.Add(kernels.Pack{Dst: dst, Src: src, Rows: rows, K: k, Format: kernels.F32})
	}
	if err != nil {
		m.mem.Free(dst)
		return 0, err
	}
	m.machine.Exec.Run(tape)
	return dst, nil
}

// RemoveAdapter frees an adapter. Removing one that is not there does nothing.
func (m *Model) RemoveAdapter(id string) {
	m.freeAdapter(m.adapters[id])
	delete(m.adapters, id)
	m.adapterEpoch++
}

// Adapters lists the ids of the placed adapters, sorted.
func (m *Model) Adapters() []string {
	ids := make([]string, 0, len(m.adapters))
	for id := range m.adapters {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *Model) freeAdapter(a adapter) {
	for _, s := range a {
		m.mem.Free(s.A)
		m.mem.Free(s.B)
	}
}

// SetAdapters makes a session use exactly these adapters. When they differ from
// those in use, what the cache holds is forgotten: keys and values depend on
// every weight before them.
//
// Errors: ERR_BAD_REQUEST for an unknown id or a scale that is no number; the
// session is then as it was.
func (s *Session) SetAdapters(active []ActiveAdapter) error {
	if slices.Equal(active, s.adapters) && s.adapterEpoch == s.model.adapterEpoch {
		return nil
	}
	set := model.AdapterSet{}
	for _, a := range active {
		placed, ok := s.model.adapters[a.ID]
		if !ok {
			return fault.New(fault.BadRequest, "engine: adapter ", fault.Quote(a.ID), " is not loaded")
		}
		if !(a.Scale >= -1e6 && a.Scale <= 1e6) {
			return fault.New(fault.BadRequest, "engine: adapter ", fault.Quote(a.ID), ": scale ", a.Scale)
		}
		for target, side := range placed {
			side.Scale *= a.Scale
			set[target] = append(set[target], side)
		}
	}
	if len(active) != 0 || len(s.adapters) != 0 {
		s.Truncate(0)
	}
	s.adapters = slices.Clone(active)
	s.adapterEpoch = s.model.adapterEpoch
	s.planner.Adapters = set
	return s.plan()
}

// Digest is the SHA-256 of the model's file in hex, "" when the host has not said.
func (m *Model) Digest() string { return m.digest }

// Shape tells the extents of a weight matrix by its GGUF name.
func (m *Model) Shape(name string) (out, in int, ok bool) {
	w := m.weights.Matrices[name]
	if w == nil {
		return 0, 0, false
	}
	return w.Rows, w.K, true
}

// Executor runs tapes over the model's memory.
func (m *Model) Executor() Executor { return m.machine.Exec }
