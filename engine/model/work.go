package model

import "pastel/kernels"

// Work is the memory one forward pass of up to N tokens needs beside weights
// and cache. One session owns it.
type Work struct {
	N         int          // most tokens per pass
	LogitRows int          // most rows of logits per pass
	IDs       kernels.Addr // [N] int32
	Positions kernels.Addr // [N] int32
	X         kernels.Addr // [N, dim] residual stream
	H         kernels.Addr // [N, dim] normalised input of a block's half
	H2        kernels.Addr // [N, dim] the other half's, in parallel blocks
	QKV       kernels.Addr // [N, qkvDim]
	Attn      kernels.Addr // [N, attnDim]
	FFN       kernels.Addr // [N, 2·hiddenDim] gate and up side by side
	Tmp       kernels.Addr // [N, dim]
	Logits    kernels.Addr // [LogitRows, vocabSize]
	Best      kernels.Addr // [1] int32, the largest logit's index
	acts      map[actKey]*kernels.Addr
	experts   expertWork
	lora      kernels.Addr // [N, mostShared·loraRank] products with A, see FitLoRA
	loraRank  int
	region    []kernels.Addr
}

// buffer is one allocation of floats (or int32 values).
type buffer struct {
	at     *kernels.Addr
	floats int
}

// actKey names one quantised form of an input.
type actKey struct{ zero, sub int }

// MaxRank is the largest rank of a side path.
const MaxRank = 256

// mostShared is the largest number of matrices with a common input: query, key, value.
const mostShared = 3

// buffers lists what passes of up to n tokens need.
func (work *Work) buffers(w *Weights, q8Zero, n, logitRows int) []buffer {
	c := w.Config
	list := append(work.expertBuffers(c, n), []buffer{
		{&work.IDs, n}, {&work.Positions, n}, {&work.X, n * c.Dim}, {&work.H, n * c.Dim}, {&work.H2, n * c.Dim},
		{&work.QKV, n * c.QKVDim()}, {&work.Attn, n * c.AttnDim()}, {&work.FFN, n * 2 * c.HiddenDim},
		{&work.Tmp, n * c.Dim}, {&work.Logits, logitRows * c.VocabSize}, {&work.Best, 1},
	}...)
	for _, m := range w.Matrices {
		if !m.Format.Quantised() {
			continue
		}
		key := actKey{m.Format.Zero(q8Zero), m.Format.Sub()}
		list = addActs(list, work.acts, key, n, widest(c))
		if stacked(m.Info) {
			list = addActs(list, work.experts.acts, key, n*c.Experts.Used, max(c.Dim, c.Experts.HiddenDim))
		}
	}
	return list
}

// widest is the number of values of a matrix's widest input.
func widest(c *Config) int { return max(c.Dim, c.AttnDim(), c.HiddenDim, c.Experts.Shared) }

// addActs lists room for n tokens of up to widest quantised values.
func addActs(list []buffer, acts map[actKey]*kernels.Addr, key actKey, n, widest int) []buffer {
	if acts[key] != nil {
		return list
	}
	acts[key] = new(kernels.Addr)
	return append(list, buffer{acts[key], kernels.ActLayout{K: (widest + 31) &^ 31, Sub: key.sub}.Bytes(n) / 4})
}

// WorkBytes is what NewWork allocates.
func WorkBytes(w *Weights, q8Zero, n, logitRows int) (bytes int) {
	for _, b := range newWork(n, logitRows).buffers(w, q8Zero, n, logitRows) {
		bytes += 4 * b.floats
	}
	return bytes
}

func newWork(n, logitRows int) *Work {
	work := &Work{N: n, LogitRows: logitRows, acts: map[actKey]*kernels.Addr{}}
	work.experts.acts = map[actKey]*kernels.Addr{}
	return work
}

// NewWork allocates the buffers of passes of up to n tokens.
//
// Errors: ERR_OOM, with nothing left allocated.
func NewWork(mem *kernels.Memory, w *Weights, q8Zero, n, logitRows int) (*Work, error) {
	work := newWork(n, logitRows)
	for _, b := range work.buffers(w, q8Zero, n, logitRows) {
		addr, err := mem.Alloc(4 * b.floats)
		if err != nil {
			work.Free(mem)
			return nil, err
		}
		*b.at = addr
		work.region = append(work.region, addr)
	}
	return work, nil
}

// Free gives the buffers back.
func (work *Work) Free(mem *kernels.Memory) {
	for _, a := range work.region {
		mem.Free(a)
	}
	work.region = nil
	mem.Free(work.lora)
	work.lora, work.loraRank = 0, 0
}
