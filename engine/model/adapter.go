package model

import "pastel/kernels"

// A SidePath is one adapter's low-rank path beside one matrix: the matrix's
// output grows by Scale·B·(A·x).
type SidePath struct {
	A, B   kernels.Addr   // packed [Rank, K] and [Rows, Rank]
	Rank   int            // of eight-bit factors a multiple of kernels.LoRABlock
	Scale  float32        // the adapter's scaling times the user's
	Format kernels.Format // F32, or Q8_0 for eight bits, whose B is packed as kernels.AddLoRA wants it
}

// An AdapterSet maps tensor names to the side paths of all active adapters.
// The nil set is the base model.
type AdapterSet map[string][]SidePath

// EightBit reports whether any path's factors have eight bits.
func (s AdapterSet) EightBit() bool {
	for _, paths := range s {
		for _, p := range paths {
			if p.Format == kernels.Q8_0 {
				return true
			}
		}
	}
	return false
}

// loraActs names the input that eight-bit factors are multiplied with.
func loraActs(q8Zero int) actKey { return actKey{kernels.Q8_0.Zero(q8Zero), kernels.Q8_0.Sub()} }

// FitLoRA makes room for the input of eight-bit adapters, which most sessions never have.
//
// Errors: ERR_OOM.
func (work *Work) FitLoRA(mem *kernels.Memory, w *Weights, q8Zero int) error {
	key := loraActs(q8Zero)
	for _, b := range addActs(nil, work.acts, key, work.N, widest(w.Config)) {
		addr, err := mem.Alloc(4 * b.floats)
		if err != nil {
			delete(work.acts, key)
			return err
		}
		*b.at = addr
		work.region = append(work.region, addr)
	}
	return nil
}
