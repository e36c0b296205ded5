package engine

import (
	"slices"

	"pastel/engine/model"
	"pastel/engine/tensor"
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

// A PlacedPair is an adapter's two factors as they already lie in the model's
// memory, packed as kernels.F16.
type PlacedPair struct {
	Target  string
	A, B    kernels.Addr // packed [Rank, In] and [Out, Rank]
	Rank    int
	In, Out int
	Scale   float32 // delta = Scale·B·A
}

// adapter is an adapter in place: its paths by target, and what gives its memory back.
type adapter struct {
	paths map[string][]model.SidePath
	free  func()
}

// AddAdapter places an adapter's factors in memory under an id: as float32 beside
// float32 weights, else as float16 scaled by powers of two. An adapter of
// the same id is replaced; sessions that use it must be closed or set to other
// adapters before.
//
// Errors: ERR_LORA_MISMATCH when a pair does not fit the base, ERR_OOM; nothing
// is then changed.
func (m *Model) AddAdapter(id string, pairs []LoRAPair) error {
	for i := range pairs {
		p := &pairs[i]
		if err := m.checkPair(p.Target, p.Rank, p.In, p.Out); err != nil {
			return err
		}
		if len(p.A) != p.Rank*p.In || len(p.B) != p.Out*p.Rank {
			return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(p.Target), ": ", len(p.A), " and ", len(p.B), " values, want ", p.Rank*p.In, " and ", p.Out*p.Rank)
		}
	}
	a := adapter{paths: map[string][]model.SidePath{}}
	var taken []kernels.Addr
	a.free = func() {
		for _, at := range taken {
			m.mem.Free(at)
		}
	}
	for i := range pairs {
		p := &pairs[i]
		side := model.SidePath{Rank: p.Rank, Scale: p.Scale, Format: m.AdapterFormat()}
		for _, f := range []struct {
			dst     *kernels.Addr
			values  []float32
			rows, k int
		}{{&side.A, p.A, p.Rank, p.In}, {&side.B, p.B, p.Out, p.Rank}} {
			at, scale, err := m.packFactor(f.values, f.rows, f.k, side.Format)
			if err != nil {
				a.free()
				return err
			}
			taken = append(taken, at)
			*f.dst = at
			side.Scale *= scale
		}
		a.paths[p.Target] = append(a.paths[p.Target], side)
	}
	m.install(id, a)
	return nil
}

// PlaceAdapter adds an adapter whose factors lie in the model's memory already.
// Several pairs may have one target: their deltas add up. free is called when the
// adapter is removed or replaced, not when PlaceAdapter fails. Otherwise as AddAdapter.
//
// Errors: ERR_LORA_MISMATCH when a pair does not fit the base; nothing is then changed.
func (m *Model) PlaceAdapter(id string, pairs []PlacedPair, free func()) error {
	a := adapter{paths: map[string][]model.SidePath{}, free: free}
	for i := range pairs {
		p := &pairs[i]
		if err := m.checkPair(p.Target, p.Rank, p.In, p.Out); err != nil {
			return err
		}
		a.paths[p.Target] = append(a.paths[p.Target], model.SidePath{A: p.A, B: p.B, Rank: p.Rank, Scale: p.Scale, Format: kernels.F16})
	}
	m.install(id, a)
	return nil
}

// install puts an adapter in the place of another of its id.
func (m *Model) install(id string, a adapter) {
	m.RemoveAdapter(id)
	if m.adapters == nil {
		m.adapters = map[string]adapter{}
	}
	m.adapters[id] = a
}

// checkPair compares a pair with the base matrix it names.
func (m *Model) checkPair(target string, rank, in, out int) error {
	base := m.weights.Matrices[target]
	switch {
	case base == nil || base == m.weights.TokenEmbd && base != m.weights.Output:
		return fault.New(fault.LoRAMismatch, "engine: adapter tensor ", fault.Quote(target), " names no matrix of the base")
	case in != base.K || out != base.Rows:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(target), ": shape ", []int{out, in}, ", base ", []int{base.Rows, base.K})
	case rank < 1 || rank > model.MaxRank:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(target), ": rank ", rank, " not in 1..", model.MaxRank)
	}
	return nil
}

// AdapterFormat is what adapters are packed as: beside rounded weights a float16
// factor changes no digit that counts, and takes half the time to read.
func (m *Model) AdapterFormat() kernels.Format {
	if m.isFloat32() {
		return kernels.F32
	}
	return kernels.F16
}

// packFactor packs a float32 matrix into memory of its own. Its values are scale
// times what is packed.
func (m *Model) packFactor(values []float32, rows, k int, format kernels.Format) (dst kernels.Addr, scale float32, err error) {
	src, err := m.mem.Alloc(4 * len(values))
	if err != nil {
		return 0, 0, err
	}
	defer m.mem.Free(src)
	scale = 1
	if format == kernels.F16 {
		scale = 1 / narrow(m.mem.U16(src, len(values)), values)
	} else {
		copy(m.mem.F32(src, len(values)), values)
	}
	if dst, err = m.mem.Alloc(format.PackedBytes(rows, k)); err != nil {
		return 0, 0, err
	}
	tape, err := kernels.NewTape(m.mem, 1)
	if err == nil {
		defer tape.Free()
		err = tape.Add(kernels.Pack{Dst: dst, Src: src, Rows: rows, K: k, Format: format})
	}
	if err != nil {
		m.mem.Free(dst)
		return 0, 0, err
	}
	m.machine.Exec.Run(tape)
	return dst, scale, nil
}

// narrow writes values times a power of two, which it returns, as float16.
func narrow(dst []uint16, values []float32) float32 {
	largest := float32(0)
	for _, v := range values {
		largest = max(largest, v, -v)
	}
	power := tensor.HalfScale(float64(largest))
	for i, v := range values {
		dst[i] = tensor.F32ToNormalF16(v * power)
	}
	return power
}

// RemoveAdapter frees an adapter. Removing one that is not there does nothing.
func (m *Model) RemoveAdapter(id string) {
	if a, ok := m.adapters[id]; ok {
		a.free()
		delete(m.adapters, id)
	}
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
		for target, sides := range placed.paths {
			for _, side := range sides {
				side.Scale *= a.Scale
				set[target] = append(set[target], side)
			}
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
