package lab

import "pastel/kernels"

// loras are what adapters need: the sum of eight, and the products of a token of SmolLM2-135M's blocks
// without an adapter and with one of rank 16 on every map.
func (s *Suite) loras() {
	s.blend()
	for _, c := range []struct {
		name string
		rank int
	}{{"without", 0}, {"with", 16}} {
		s.addTape(Case{Name: "lora/token " + c.name, Work: 1, Unit: "ns"}, s.loraToken(c.rank))
	}
}

// blend adds up 8 adapters' values; the work is what is read.
func (s *Suite) blend() {
	const adapters, groups, k = 8, 128, 2048
	op := kernels.Blend{Dst: s.floats[1], Src: s.alloc(4*adapters, false), Weights: s.alloc(4*adapters, false), N: adapters,
		Groups: groups, K: k, Block: kernels.BlockK, Zero: 128}
	for i := range adapters {
		s.mem.U32(op.Src, adapters)[i] = uint32(s.weights) + uint32(8*groups*k*i)
		s.mem.F32(op.Weights, adapters)[i] = 1.0 / adapters
	}
	s.add(Case{Name: "lora/blend", Work: 8 * groups * k * adapters, Unit: "GB/s"}, op)
}

// A loraTape lays the weights of a token's products out one behind the other.
type loraTape struct {
	*Suite
	ops []tapeOp
	at  kernels.Addr // of the next weights
}

// tapeOp is an operation, and whether the next one waits for it.
type tapeOp struct {
	op      kernels.Operation
	barrier bool
}

// loraToken is 30 blocks of linear maps in Q4_0, and of an adapter's when rank is not zero.
func (s *Suite) loraToken(rank int) []tapeOp {
	t := &loraTape{Suite: s, at: s.weights}
	for range 30 {
		for _, maps := range []struct {
			k    int
			rows []int
		}{{576, []int{576, 192, 192}}, {576, []int{576}}, {576, []int{1536, 1536}}, {1536, []int{576}}} {
			t.product(maps.k, maps.rows, rank)
		}
	}
	return t.ops
}

// product is one input times matrices.
func (t *loraTape) product(k int, rows []int, rank int) {
	t.quantize(kernels.Q4_0, t.acts, k)
	acts8 := t.acts + 64<<10
	var ups []kernels.Operation
	if rank > 0 {
		t.quantize(kernels.Q8_0, acts8, k)
	}
	for i := range rows {
		if rank == 0 {
			break
		}
		low := t.floats[2] + kernels.Addr(4*rank*i)
		down := t.matmul(kernels.Q8_0, t.take(kernels.Q8_0.PackedBytes(rank, k)), 1, rank, k)
		down.X, down.Dst = acts8, low
		t.ops = append(t.ops, tapeOp{down, false})
		ups = append(ups, kernels.AddLoRA{Dst: t.floats[1] + kernels.Addr(8192*i), W: t.take(kernels.LoRABytes(rows[i], rank)), X: low,
			N: 1, Rows: rows[i], Rank: rank, DstStride: rows[i], Scale: 1, Zero: 128})
	}
	for i, r := range rows {
		op := t.matmul(kernels.Q4_0, t.take(kernels.Q4_0.PackedBytes(r, k)), 1, r, k)
		op.Dst = t.floats[1] + kernels.Addr(8192*i)
		t.ops = append(t.ops, tapeOp{op, i == len(rows)-1})
	}
	for i, up := range ups {
		t.ops = append(t.ops, tapeOp{up, i == len(ups)-1})
	}
}

func (t *loraTape) quantize(f kernels.Format, dst kernels.Addr, k int) {
	t.ops = append(t.ops, tapeOp{kernels.Quantize{Dst: dst, X: t.floats[0], N: 1, K: k, XStride: k, Zero: f.Zero(128), Sub: f.Sub()}, true})
}

// take returns room for so many bytes of weights.
func (t *loraTape) take(n int) kernels.Addr {
	at := t.at
	t.at += kernels.Addr((n + 63) &^ 63)
	return at
}

// addTape makes a case of operations, barriers where they say so.
func (s *Suite) addTape(c Case, ops []tapeOp) {
	c.Tape = check(kernels.NewTape(s.mem, len(ops)))
	s.spans = append(s.spans, Span{Addr: c.Tape.Addr(), Bytes: len(ops) * kernels.OpWords * 4})
	for _, o := range ops {
		add := c.Tape.Add
		if !o.barrier {
			add = c.Tape.AddUnordered
		}
		if err := add(o.op); err != nil {
			panic(err)
		}
	}
	s.cases = append(s.cases, c)
}
