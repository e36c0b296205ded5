package lab

import (
	"pastel/kernels"
)

// A Case is one kernel on one shape.
type Case struct {
	Name  string
	Work  float64 // multiplications, bytes or operations per call
	Unit  string  // Gmac/s or GB/s, or ns for each operation
	Bytes float64 // bytes of weights read per call, 0: of no interest
	Tape  *kernels.Tape
}

// rate is the case's figure in its unit when a call takes seconds.
func (c Case) rate(seconds float64) float64 {
	if c.Unit == "ns" {
		return seconds * 1e9 / c.Work
	}
	return c.Work / seconds / 1e9
}

// Suite lays the cases out in one memory. Contents are filler, addresses are real.
type Suite struct {
	mem     *kernels.Memory
	spans   []Span
	weights kernels.Addr // weightBytes that all matrices share
	floats  [4]kernels.Addr
	acts    kernels.Addr
	cache   [2]kernels.Addr
	counts  kernels.Addr // 0, 1, 2 …
	cases   []Case
}

// ReadBytes is how much is read at once where memory is the limit: far more than
// the second level of the cache, little enough for a quick call.
const ReadBytes = 256 << 20

const (
	weightBytes = 300 << 20
	floatBytes  = 16 << 20
	maxTokens   = 2048
)

// check turns errors of laying out into panics: shapes are constants here.
func check[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// NewSuite lays out all cases.
func NewSuite() *Suite {
	s := &Suite{mem: new(kernels.Memory)}
	s.weights = s.alloc(weightBytes, true)
	for i := range s.floats {
		s.floats[i] = s.alloc(floatBytes, true)
	}
	s.acts = s.alloc(8<<20, true)
	for i := range s.cache {
		s.cache[i] = s.alloc(4<<20, true)
	}
	s.counts = s.alloc(4*maxTokens, false)
	for i, v := 0, s.mem.I32(s.counts, maxTokens); i < len(v); i++ {
		v[i] = int32(i)
	}
	s.decode()
	s.batches()
	s.prefill()
	s.attention()
	s.elementwise()
	s.packing()
	s.handover()
	s.loras()
	return s
}

func (s *Suite) alloc(n int, fill bool) kernels.Addr {
	a := check(s.mem.Alloc(n))
	s.spans = append(s.spans, Span{Addr: a, Bytes: n, Fill: fill})
	return a
}

// add makes a case of operations.
func (s *Suite) add(c Case, ops ...kernels.Operation) {
	c.Tape = check(kernels.NewTape(s.mem, len(ops)))
	s.spans = append(s.spans, Span{Addr: c.Tape.Addr(), Bytes: len(ops) * kernels.OpWords * 4})
	for _, op := range ops {
		if err := c.Tape.Add(op); err != nil {
			panic(err)
		}
	}
	s.cases = append(s.cases, c)
}

// matmul is a matrix [rows, k] of format f at w with n tokens.
func (s *Suite) matmul(f kernels.Format, w kernels.Addr, n, rows, k int) kernels.Matmul {
	op := kernels.Matmul{Dst: s.floats[1], W: w, X: s.floats[0], N: n, Rows: rows, K: k, XStride: k, DstStride: rows,
		Format: f, Scale: 1, Zero: f.Zero(128), Sub: f.Sub()}
	if f.Quantised() {
		op.X, op.Act = s.acts, kernels.ActQ8
	}
	return op
}

// decode multiplies one token with a matrix far larger than the caches, and
// and, four times, with one that fits the second level.
func (s *Suite) decode() {
	for f := range kernels.Formats() {
		if f == kernels.FormatNone {
			continue
		}
		const k = 2048
		rows := ReadBytes / f.GroupBytes(k) * 4
		s.add(Case{Name: "decode/" + f.String(), Work: float64(rows * k), Unit: "Gmac/s", Bytes: float64(f.PackedBytes(rows, k))},
			s.matmul(f, s.weights, 1, rows, k))
	}
	for _, f := range []kernels.Format{kernels.Q4_0, kernels.Q8_0} {
		s.small(f)
	}
	for f := range kernels.Formats() {
		if f.Quantised() {
			op := s.matmul(f, s.weights, 1, 1152, 768)
			s.add(Case{Name: "decode-cached/" + f.String(), Work: 4 * 1152 * 768, Unit: "Gmac/s", Bytes: 4 * float64(f.PackedBytes(1152, 768))}, op, op, op, op)
		}
	}
}

// small multiplies one token with many matrices of a small model, which together
// are as large as one of a large model.
func (s *Suite) small(f kernels.Format) {
	const rows, k = 1536, 576
	c := Case{Name: "decode-small/" + f.String(), Unit: "Gmac/s"}
	var ops []kernels.Operation
	size := f.PackedBytes(rows, k)
	for at := 0; at+size <= ReadBytes; at += size {
		ops = append(ops, s.matmul(f, s.weights+kernels.Addr(at), 1, rows, k))
		c.Work += rows * k
		c.Bytes += float64(size)
	}
	s.add(c, ops...)
}

// batches multiplies few tokens: per token it must never cost more than one alone.
func (s *Suite) batches() {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 11, 16} {
		s.add(Case{Name: "batch/Q4_0/n=" + itoa(n), Work: float64(n) * 4096 * 2048, Unit: "Gmac/s"}, s.matmul(kernels.Q4_0, s.weights, n, 4096, 2048))
	}
}

// prefill multiplies a whole prompt.
func (s *Suite) prefill() {
	for f := range kernels.Formats() {
		if f != kernels.FormatNone {
			s.add(Case{Name: "prefill/" + f.String(), Work: 128 * 1536 * 576, Unit: "Gmac/s"}, s.matmul(f, s.weights, 128, 1536, 576))
		}
	}
	for _, f := range []kernels.Format{kernels.Q4_0, kernels.Q8_0} {
		s.add(Case{Name: "prefill-2048/" + f.String(), Work: 128 * 512 * 2048, Unit: "Gmac/s"}, s.matmul(f, s.weights, 128, 512, 2048))
	}
}

// attention has the heads of SmolLM2-135M: 9 over 3 of 64 values.
func (s *Suite) attention() {
	kinds := []string{"f32", "f16", "q8"}
	for kind, name := range kinds {
		for _, c := range []struct{ n, past int }{{128, 0}, {512, 0}, {1, 1000}} {
			op := kernels.Attention{Dst: s.floats[1], Q: s.floats[0], K: s.cache[0], V: s.cache[1], Positions: s.counts + kernels.Addr(4*c.past),
				N: c.n, Heads: 9, KVHeads: 3, KeyDim: 64, ValueDim: 64, QStride: 576, DstStride: 576, Capacity: 2048, Type: kernels.KVType(kind), Scale: 0.125}
			macs := float64(c.n*c.past+c.n*(c.n+1)/2) * 9 * 64 * 2
			s.add(Case{Name: "attention/" + name + "/n=" + itoa(c.n) + "/past=" + itoa(c.past), Work: macs, Unit: "Gmac/s"}, op)
		}
	}
	for kind, name := range kinds {
		for i, values := range []bool{false, true} {
			s.add(Case{Name: "store" + []string{"k", "v"}[i] + "/" + name, Work: 128 * 192 * 4, Unit: "GB/s"},
				kernels.StoreKV{Values: values, Cache: s.cache[i], X: s.floats[0], Positions: s.counts, N: 128, Heads: 3, HeadDim: 64, Stride: 192, Capacity: 2048, Type: kernels.KVType(kind)})
		}
	}
}

func (s *Suite) elementwise() {
	const n, dim = 128, 576
	bytes := float64(4 * n * dim)
	s.add(Case{Name: "rmsnorm", Work: bytes, Unit: "GB/s"},
		kernels.RMSNorm{Dst: s.floats[1], X: s.floats[0], Weight: s.floats[2], N: n, Rows: 1, Dim: dim, XStride: dim, DstStride: dim, Eps: 1e-5})
	s.add(Case{Name: "quantize", Work: bytes, Unit: "GB/s"},
		kernels.Quantize{Dst: s.acts, X: s.floats[0], N: n, K: dim, XStride: dim, Zero: 8, Sub: 32})
	s.add(Case{Name: "quantize/n=1", Work: 4 * dim, Unit: "GB/s"},
		kernels.Quantize{Dst: s.acts, X: s.floats[0], N: 1, K: dim, XStride: dim, Zero: 8, Sub: 32})
	s.add(Case{Name: "rope", Work: bytes, Unit: "GB/s"},
		kernels.Rope{X: s.floats[0], Positions: s.counts, Table: s.floats[2], N: n, Heads: 9, HeadDim: 64, Stride: dim, RopeDims: 64})
	s.add(Case{Name: "glu", Work: bytes, Unit: "GB/s"},
		kernels.GLU{Dst: s.floats[1], Gate: s.floats[0], Up: s.floats[2], N: n, Dim: dim, Stride: dim, DstStride: dim})
	s.add(Case{Name: "add", Work: bytes, Unit: "GB/s"}, kernels.Add{Dst: s.floats[1], A: s.floats[0], B: s.floats[2], Count: n * dim, Scale: 1})
	s.add(Case{Name: "argmax", Work: 4 * 49152, Unit: "GB/s"}, kernels.Argmax{Dst: s.floats[1], X: s.floats[0], Count: 49152})
	s.add(Case{Name: "embed/Q8_0", Work: bytes, Unit: "GB/s"},
		kernels.Embed{Dst: s.floats[1], Table: s.weights, IDs: s.counts, N: n, Rows: 49152, K: dim, Format: kernels.Q8_0, Scale: 1})
}

// packing reads a file's rows and writes groups.
func (s *Suite) packing() {
	for f := range kernels.Formats() {
		if f == kernels.FormatNone {
			continue
		}
		s.add(Case{Name: "pack/" + f.String(), Work: float64(f.FileRowBytes(2048)) * 2048, Unit: "GB/s"},
			kernels.Pack{Dst: s.weights + weightBytes/2, Src: s.weights, Rows: 2048, K: 2048, Format: f, Zero: f.Zero(128)})
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}
