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

// needs returns the largest total rank beside one matrix, and whether any path's factors have eight bits.
func (s AdapterSet) needs() (rank int, eightBit bool) {
	for _, paths := range s {
		total := 0
		for _, p := range paths {
			total += p.Rank
			eightBit = eightBit || p.Format == kernels.Q8_0
		}
		rank = max(rank, total)
	}
	return rank, eightBit
}

// loraActs names the input that eight-bit factors are multiplied with.
func loraActs(q8Zero int) actKey { return actKey{kernels.Q8_0.Zero(q8Zero), kernels.Q8_0.Sub()} }

// FitLoRA makes room for adapters' products and inputs, which most sessions never have.
// Tapes planned before may no longer be run.
//
// Errors: ERR_OOM; the work is then as it was.
func (work *Work) FitLoRA(mem *kernels.Memory, w *Weights, q8Zero int, set AdapterSet) error {
	rank, eightBit := set.needs()
	if key := loraActs(q8Zero); eightBit && work.acts[key] == nil {
		for _, b := range addActs(nil, work.acts, key, work.N, widest(w.Config)) {
			addr, err := mem.Alloc(4 * b.floats)
			if err != nil {
				delete(work.acts, key)
				return err
			}
			*b.at = addr
			work.region = append(work.region, addr)
		}
	}
	if rank <= work.loraRank {
		return nil
	}
	addr, err := mem.Alloc(4 * work.N * mostShared * rank)
	if err != nil {
		return err
	}
	mem.Free(work.lora)
	work.lora, work.loraRank = addr, rank
	return nil
}
