package engine

import (
	"math"

	"pastel/engine/model"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/kernels"
)

// placeFloats places a pair as float32.
func (a *adapter) placeFloats(p *LoRAPair) error {
	side := model.SidePath{Rank: p.Rank, Scale: p.Scale, Format: kernels.F32}
	var err error
	if side.A, err = a.packFloats(p.A, p.Rank, p.In); err != nil {
		return err
	}
	if side.B, err = a.packFloats(p.B, p.Out, p.Rank); err != nil {
		return err
	}
	a.paths[p.Target] = append(a.paths[p.Target], side)
	return nil
}

// packFloats packs a float32 matrix.
func (a *adapter) packFloats(values []float32, rows, k int) (dst kernels.Addr, err error) {
	mem := a.model.mem
	src, err := mem.Alloc(4 * len(values))
	if err != nil {
		return 0, err
	}
	defer mem.Free(src)
	copy(mem.F32(src, len(values)), values)
	if dst, err = a.alloc(kernels.F32.PackedBytes(rows, k)); err != nil {
		return 0, err
	}
	return dst, a.model.runOnce([]kernels.Operation{kernels.Pack{Dst: dst, Src: src, Rows: rows, K: k, Format: kernels.F32}})
}

// runOnce runs operations that do not depend on one another.
func (m *Model) runOnce(ops []kernels.Operation) error {
	tape, err := kernels.NewTape(m.mem, len(ops))
	if err != nil {
		return err
	}
	defer tape.Free()
	for _, op := range ops {
		if err := tape.AddUnordered(op); err != nil {
			return err
		}
	}
	m.machine.Exec.Run(tape)
	return nil
}

// placeRounded places a pair in eight bits: a sum of one, by way of float16.
func (a *adapter) placeRounded(p *LoRAPair) error {
	mem, ranks := a.model.mem, kernels.LoRARank(p.Rank)
	atB := kernels.F16.PackedBytes(ranks, p.In)
	src, err := mem.Alloc(atB + kernels.F16.PackedBytes(p.Out, ranks))
	if err != nil {
		return err
	}
	defer mem.Free(src)
	scale := narrow(mem.U16(src, atB/2), p.A, p.Rank, p.In, p.In)
	scale *= narrow(mem.U16(src+kernels.Addr(atB), kernels.F16.PackedBytes(p.Out, ranks)/2), p.B, p.Out, p.Rank, ranks)
	return a.placeSum(&Sum{Sources: []kernels.Addr{src}, Weights: []float64{1},
		Pairs: []SumPair{{Target: p.Target, B: atB, Rank: p.Rank, In: p.In, Out: p.Out, Scale: p.Scale / scale}}})
}

// narrow writes a matrix [rows, k] times a power of two, which it returns, as float16 packed in
// so many columns.
func narrow(dst []uint16, values []float32, rows, k, columns int) float32 {
	largest := float32(0)
	for _, v := range values {
		largest = max(largest, v, -v)
	}
	power := tensor.HalfScale(float64(largest))
	for r := range rows {
		to := dst[r/kernels.GroupRows*kernels.GroupRows*columns+r%kernels.GroupRows:]
		for c, v := range values[r*k : (r+1)*k] {
			h := math.Float32bits(v * power)
			if h&0x7fffffff < 0x38800000 {
				continue // would be subnormal, on which arithmetic is a hundred times slower
			}
			to[c*kernels.GroupRows] = uint16(h>>16&0x8000 | (h&0x7fffffff+0xfff+h>>13&1-112<<23)>>13)
		}
	}
	return power
}

// sumScale is what weights are multiplied with: it keeps the scales of blocks that are far
// smaller than a factor's largest from being subnormal in float16.
const sumScale = 64

// placeSum places a weighted sum in eight bits. Weights are brought to a sum of at most
// sumScale by powers of two.
func (a *adapter) placeSum(s *Sum) error {
	mem, n := a.model.mem, len(s.Sources)
	lists, err := mem.Alloc(8 * max(1, n))
	if err != nil {
		return err
	}
	defer mem.Free(lists)
	total := 0.0
	for _, w := range s.Weights {
		total += math.Abs(w)
	}
	_, exp := math.Frexp(total)
	power := math.Ldexp(sumScale, -exp)
	op := kernels.Blend{Src: lists, Weights: lists + kernels.Addr(4*n), N: n, Zero: kernels.Q8_0.Zero(a.model.machine.Q8Zero)}
	for i, at := range s.Sources {
		mem.U32(op.Src, n)[i] = uint32(at)
		mem.F32(op.Weights, n)[i] = float32(s.Weights[i] * power)
	}
	at, err := a.room(s.Pairs)
	if err != nil {
		return err
	}
	var ops []kernels.Operation
	for i := range s.Pairs {
		p := &s.Pairs[i]
		down, up := factors(p, at)
		at = up.Dst + kernels.Addr(align(kernels.LoRABytes(p.Out, up.K)))
		a.paths[p.Target] = append(a.paths[p.Target], model.SidePath{A: down.Dst, B: up.Dst, Rank: up.K,
			Scale: p.Scale * float32(1/(power*power)), Format: kernels.Q8_0})
		for _, f := range []kernels.Blend{down, up} {
			f.Src, f.Weights, f.N, f.Zero = op.Src, op.Weights, op.N, op.Zero
			ops = append(ops, f)
		}
	}
	return a.model.runOnce(ops)
}

// align rounds up to a cache line.
func align(nBytes int) int { return (nBytes + 63) &^ 63 }

// room allocates the factors of pairs in one piece: a token reads them one after the other.
//
// Errors: as AddSum.
func (a *adapter) room(pairs []SumPair) (kernels.Addr, error) {
	total := 0
	for i := range pairs {
		p := &pairs[i]
		if err := a.model.checkPair(p.Target, p.Rank, p.In, p.Out); err != nil {
			return 0, err
		}
		if !a.model.EightBit(p.Target) {
			return 0, fault.New(fault.LoRAMismatch, "engine: adapter of ", fault.Quote(p.Target), ": eight bits beside weights that have more")
		}
		ranks := kernels.LoRARank(p.Rank)
		total += align(kernels.Q8_0.PackedBytes(ranks, p.In)) + align(kernels.LoRABytes(p.Out, ranks))
	}
	return a.alloc(total)
}

// factors are the operations that make a pair's factors at an address, but for what they sum.
func factors(p *SumPair, at kernels.Addr) (down, up kernels.Blend) {
	ranks := kernels.LoRARank(p.Rank)
	down = kernels.Blend{Dst: at, Offset: p.A, Groups: ranks / kernels.GroupRows, K: p.In, Block: kernels.BlockK}
	up = kernels.Blend{Dst: at + kernels.Addr(align(kernels.Q8_0.PackedBytes(ranks, p.In))), Offset: p.B,
		Groups: (p.Out + kernels.GroupRows - 1) / kernels.GroupRows, K: ranks, Block: kernels.LoRABlock}
	return down, up
}
