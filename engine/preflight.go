package engine

import (
	"pastel/engine/gguf"
	"pastel/engine/model"
	"pastel/fault"
	"pastel/kernels"
)

// memoryLimit is what a 32-bit memory holds beside the engine itself, in bytes:
// 4 GiB less 128 MiB for code, stacks, tokenizer and slack.
const memoryLimit = 4<<30 - 128<<20

// An Estimate says, before any weight is read, what a model will need and how
// fast it can be at most.
type Estimate struct {
	WeightBytes uint64 // packed weights
	KVBytes     uint64 // cache of the asked context
	WorkBytes   uint64 // buffers of one session
	TotalBytes  uint64
	LimitBytes  uint64 // what can be had
	Fits        bool

	ContextLength int
	MacsPerToken  uint64  // multiplications of one token with all matrices
	BytesPerToken uint64  // weights one decoded token reads
	DecodeTokS    float64 // upper bounds from the machine's rates; 0 when unknown
	PrefillTokS   float64
}

// Rates are what a machine was measured to do; zero means unknown.
type Rates struct {
	ReadBytesPerS float64 // memory read rate
	MacsPerS      float64 // rate of the dot instruction
}

// Preflight estimates a model from its header alone.
//
// Errors: those of reading the configuration and the tensors.
func Preflight(h *gguf.File, machine Machine, o SessionOptions, rates Rates) (*Estimate, error) {
	c, err := model.ReadConfig(h)
	if err != nil {
		return nil, err
	}
	w, err := model.ReadWeights(h, c)
	if err != nil {
		return nil, err
	}
	m := &Model{machine: machine, weights: w}
	w.Choose()
	if o.ContextLength <= 0 {
		o.ContextLength = m.defaultContext()
	}
	e := &Estimate{ContextLength: o.ContextLength, WeightBytes: w.PackedBytes(), LimitBytes: memoryLimit}
	kv := m.kvType(o.KV)
	for _, dim := range []int{c.KeyDim, c.ValueDim} {
		e.KVBytes += uint64(c.NLayers) * uint64(kernels.KVLayout{Heads: c.NKVHeads, Dim: dim, Capacity: o.ContextLength, Type: kv}.Bytes())
	}
	e.WorkBytes = uint64(model.WorkBytes(w, machine.Q8Zero, min(machine.batch(), o.ContextLength), max(1, o.LogitRows)))
	e.TotalBytes = e.WeightBytes + e.KVBytes + e.WorkBytes
	e.Fits = e.TotalBytes <= e.LimitBytes
	e.MacsPerToken, e.BytesPerToken = w.PerToken()
	e.speed(rates)
	return e, nil
}

// speed fills the roofline: decode reads every weight once, prefill multiplies.
func (e *Estimate) speed(r Rates) {
	if r.MacsPerS > 0 {
		e.PrefillTokS = r.MacsPerS / float64(e.MacsPerToken)
	}
	if r.ReadBytesPerS > 0 {
		e.DecodeTokS = r.ReadBytesPerS / float64(e.BytesPerToken)
		if r.MacsPerS > 0 {
			e.DecodeTokS = min(e.DecodeTokS, e.PrefillTokS)
		}
	}
}

// Check refuses what does not fit, with the numbers.
func (e *Estimate) Check() error {
	if e.Fits {
		return nil
	}
	return fault.New(fault.OOM, "engine: needs ", e.TotalBytes, " bytes (weights ", e.WeightBytes, ", cache ", e.KVBytes, ", work ", e.WorkBytes,
		"), a 32-bit memory holds ", e.LimitBytes)
}

// fits refuses weights that no 32-bit memory holds, before any is allocated.
func (m *Model) fits() error {
	if n := m.weights.PackedBytes(); n > memoryLimit {
		return fault.New(fault.OOM, "engine: weights of ", n, " bytes, a 32-bit memory holds ", uint64(memoryLimit))
	}
	return nil
}
