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

// tapeOp is an operation and what it has to do with its neighbours.
type tapeOp struct {
	op   kernels.Operation
	kind tapeKind
}

type tapeKind int

const (
	barrier tapeKind = iota // the next waits for it
	unordered
	then // follows the one before share by share
)

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

// product is one input times matrices, in the order of model.Planner.
func (t *loraTape) product(k int, rows []int, rank int) {
	t.quantize(kernels.Q4_0, t.acts, k)
	acts8 := t.acts + 64<<10
	var downs, bases []tapeOp
	for i, r := range rows {
		dst, low := t.floats[1]+kernels.Addr(8192*i), t.floats[2]+kernels.Addr(4*rank*i)
		base := t.matmul(kernels.Q4_0, t.take(kernels.Q4_0.PackedBytes(r, k)), 1, r, k)
		base.Dst = dst
		bases = append(bases, tapeOp{base, unordered})
		if rank == 0 {
			continue
		}
		down := t.matmul(kernels.Q8_0, t.take(kernels.Q8_0.PackedBytes(rank, k)), 1, rank, k)
		down.X, down.Dst = acts8, low
		downs = append(downs, tapeOp{down, unordered})
		bases = append(bases, tapeOp{kernels.AddLoRA{Dst: dst, W: t.take(kernels.LoRABytes(r, rank)), X: low,
			N: 1, Rows: r, Rank: rank, DstStride: r, Scale: 1, Zero: 128}, then})
	}
	if rank > 0 {
		t.ops = append(t.ops, tapeOp{kernels.Rebias{Dst: acts8, Src: t.acts, N: 1, K: k, Factor: kernels.Q8_0.Zero(128) / kernels.Q4_0.Zero(128)}, barrier})
		downs[len(downs)-1].kind = barrier
		t.ops = append(t.ops, downs...)
		bases[len(bases)-2].kind = barrier
	} else {
		bases[len(bases)-1].kind = barrier
	}
	t.ops = append(t.ops, bases...)
}

func (t *loraTape) quantize(f kernels.Format, dst kernels.Addr, k int) {
	t.ops = append(t.ops, tapeOp{kernels.Quantize{Dst: dst, X: t.floats[0], N: 1, K: k, XStride: k, Zero: f.Zero(128), Sub: f.Sub()}, barrier})
}

// take returns room for so many bytes of weights.
func (t *loraTape) take(n int) kernels.Addr {
	at := t.at
	t.at += kernels.Addr((n + 63) &^ 63)
	return at
}

// addTape makes a case of operations.
func (s *Suite) addTape(c Case, ops []tapeOp) {
	c.Tape = check(kernels.NewTape(s.mem, len(ops)))
	s.spans = append(s.spans, Span{Addr: c.Tape.Addr(), Bytes: len(ops) * kernels.OpWords * 4})
	for _, o := range ops {
		add := []func(kernels.Operation) error{c.Tape.Add, c.Tape.AddUnordered, c.Tape.AddThen}[o.kind]
		if err := add(o.op); err != nil {
			panic(err)
		}
	}
	s.cases = append(s.cases, c)
}
