package engine

import "pastel/kernels"

// An Executor runs tapes. kernels.Reference is one; engine.wasm brings the
// kernels module's.
type Executor interface {
	Run(t *kernels.Tape)
}

// A Machine is what the engine runs on. It is immutable and may be shared.
type Machine struct {
	Exec Executor
	// Q8Zero is added to Q8_0 weights while packing: 128 for executors whose dot
	// instruction takes unsigned weights, 0 for the others.
	Q8Zero int
	// ExactAct multiplies quantised weights with float activations. Only the
	// reference executor can.
	ExactAct bool
	// BatchTokens is the number of prompt tokens per forward pass; 0 means 128,
	// thirty-two tiles: enough to reuse every weight, short enough to stop quickly.
	BatchTokens int
}

// Reference is the machine that needs nothing: plain Go, exact activations.
func Reference() Machine {
	return Machine{Exec: &kernels.Reference{}, ExactAct: true}
}

func (m *Machine) batch() int {
	if m.BatchTokens > 0 {
		return m.BatchTokens
	}
	return 128
}
