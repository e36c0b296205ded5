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

// A Sum is a weighted sum of adapters whose factors lie in the model's memory: its A is the
// sum of their A's, its B of their B's.
type Sum struct {
	Pairs   []SumPair
	Sources []kernels.Addr
	Weights []float64
}

// A SumPair says where a target's factors begin in every source, in bytes: float16, packed as
// kernels.F16 packs a matrix, of kernels.LoRARank(Rank) ranks.
type SumPair struct {
	Target  string
	A, B    int // of [ranks, In] and [Out, ranks]
	Rank    int
	In, Out int
	Scale   float32 // delta = Scale·B·A
}

// adapter is an adapter in place: its paths by target, and the memory that holds them.
type adapter struct {
	model *Model
	paths map[string][]model.SidePath
	taken []kernels.Addr
	bytes int
}

func (m *Model) newAdapter() *adapter {
	return &adapter{model: m, paths: map[string][]model.SidePath{}}
}

// alloc takes memory that goes with the adapter.
func (a *adapter) alloc(nBytes int) (kernels.Addr, error) {
	at, err := a.model.mem.Alloc(nBytes)
	if err == nil {
		a.taken = append(a.taken, at)
		a.bytes += nBytes
	}
	return at, err
}

func (a *adapter) free() {
	for _, at := range a.taken {
		a.model.mem.Free(at)
	}
	a.taken = nil
}

// EightBit reports whether factors beside a matrix have eight bits: where its weights are
// rounded and its inputs with them. Elsewhere they stay float32.
func (m *Model) EightBit(target string) bool {
	base := m.weights.Matrices[target]
	return base != nil && base.Format.Quantised() && !m.machine.ExactAct
}

// AddAdapter places an adapter's factors in memory under an id, each as EightBit says. An
// adapter of the same id is replaced; sessions that use it must be closed or set to other
// adapters before.
//
// Error:  eight-bit factors are off by half a step, 1/254 of the largest of a row's 32 columns of A
// or 16 ranks of B; as are what they are multiplied with.
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
	a := m.newAdapter()
	for i := range pairs {
		place := a.placeFloats
		if m.EightBit(pairs[i].Target) {
			place = a.placeRounded
		}
		if err := place(&pairs[i]); err != nil {
			a.free()
			return err
		}
	}
	m.install(id, a)
	return nil
}

// AddSum places the sum of adapters in eight bits. Of several sums the deltas add up.
// Otherwise as AddAdapter; every target must be one that EightBit reports.
//
// Errors: as AddAdapter.
func (m *Model) AddSum(id string, sums ...Sum) error {
	a := m.newAdapter()
	for i := range sums {
		if err := a.placeSum(&sums[i]); err != nil {
			a.free()
			return err
		}
	}
	m.install(id, a)
	return nil
}

// install puts an adapter in the place of another of its id.
func (m *Model) install(id string, a *adapter) {
	m.RemoveAdapter(id)
	if m.adapters == nil {
		m.adapters = map[string]*adapter{}
	}
	m.adapters[id] = a
}

// checkPair compares a pair with the base matrix it names.
func (m *Model) checkPair(target string, rank, in, out int) error {
	base := m.weights.Matrices[target]
	switch {
	case base == nil || base == m.weights.TokenEmbd && base != m.weights.Output:
		return fault.New(fault.LoRAMismatch, "engine: adapter tensor ", fault.Quote(target), " names no matrix of the base")
	case base.IsStack():
		return fault.New(fault.LoRAMismatch, "engine: adapter tensor ", fault.Quote(target), " names experts, which have no side path")
	case in != base.K || out != base.Rows:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(target), ": shape ", []int{out, in}, ", base ", []int{base.Rows, base.K})
	case rank < 1 || rank > model.MaxRank:
		return fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(target), ": rank ", rank, " not in 1..", model.MaxRank)
	}
	return nil
}

// RemoveAdapter frees an adapter. Removing one that is not there does nothing.
func (m *Model) RemoveAdapter(id string) {
	if a, ok := m.adapters[id]; ok {
		a.free()
		delete(m.adapters, id)
	}
	m.adapterEpoch++
}

// AdapterBytes is the memory that a placed adapter takes.
func (m *Model) AdapterBytes(id string) int {
	if a := m.adapters[id]; a != nil {
		return a.bytes
	}
	return 0
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
// Errors: ERR_BAD_REQUEST for an unknown id or a scale that is no number, ERR_OOM; the
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
	if err := s.planner.Work.FitLoRA(s.model.mem, s.model.weights, s.model.machine.Q8Zero, set); err != nil {
		return err
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
