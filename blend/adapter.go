package blend

import (
	"cmp"
	"slices"

	"pastel/fault"
	"pastel/order"
)

// Limits on an adapter from outside. A rank above MaxRank or more than
// MaxBytes of float32 factors is refused before anything is computed with it.
const (
	MaxRank  = 256
	MaxBytes = 1 << 30
)

// A Pair is the low-rank delta of one base tensor:
//
//	delta[out, in] = Scaling · B[out, rank] · A[rank, in]
//
// Target is the GGUF name of the base tensor (blk.0.attn_q.weight). For
// token_embd.weight, out is the vocabulary and in is the embedding width, as
// for every other tensor: readers turn the flipped factors of the formats round.
type Pair struct {
	Target  string
	Rank    int
	In, Out int
	A       []float32 // [rank, in]
	B       []float32 // [out, rank]
	Scaling float32   // alpha/rank, or alpha/√rank for rsLoRA
}

// An Adapter is a set of pairs with distinct targets, sorted by target. The
// zero value is the adapter that changes nothing. An Adapter owns its factors
// and is immutable once made, so any number of goroutines may read it.
type Adapter struct {
	Name  string
	Arch  string // general.architecture it was made for, "" when the format does not say
	Pairs []Pair
}

// Shapes tells the shape [out, in] of a base tensor by its GGUF name; ok is
// false when the base has no such two-dimensional tensor.
type Shapes func(target string) (out, in int, ok bool)

// NewAdapter sorts pairs by target and checks everything about them that needs
// no base: distinct targets, ranks, factor lengths, total bytes.
//
// Errors: fault.BadFile.
func NewAdapter(name string, pairs []Pair) (*Adapter, error) {
	order.By(len(pairs), func(i, j int) bool { return pairs[i].Target < pairs[j].Target },
		func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	a := &Adapter{Name: name, Pairs: pairs}
	for i := range pairs {
		if i > 0 && pairs[i-1].Target == pairs[i].Target {
			return nil, fault.New(fault.BadFile, "blend: two pairs for tensor ", fault.Quote(pairs[i].Target))
		}
		if err := pairs[i].check(); err != nil {
			return nil, err
		}
	}
	if err := CheckSize(float64(a.Bytes() / 4)); err != nil {
		return nil, err
	}
	return a, nil
}

// CheckSize refuses factors of more values than an adapter may have. Readers ask before
// they convert any: values are claims then, and a float64 that nothing wraps.
//
// Errors: fault.BadFile.
func CheckSize(values float64) error {
	if 4*values > MaxBytes {
		return fault.New(fault.BadFile, "blend: adapter of ", 4*values, " bytes is over the limit of ", MaxBytes)
	}
	return nil
}

// Transpose returns x [rows, cols] as [cols, rows]: files hold the factors of
// token_embd.weight flipped.
func Transpose(x []float32, rows, cols int) []float32 {
	out := make([]float32, len(x))
	for r := range rows {
		for c := range cols {
			out[c*rows+r] = x[r*cols+c]
		}
	}
	return out
}

// check reports what is wrong with p alone.
func (p *Pair) check() error {
	switch {
	case p.Rank < 1 || p.Rank > MaxRank:
		return fault.New(fault.BadFile, "blend: tensor ", fault.Quote(p.Target), ": rank ", p.Rank, " is not in 1..", MaxRank)
	case p.In < 1 || p.Out < 1:
		return fault.New(fault.BadFile, "blend: tensor ", fault.Quote(p.Target), ": shape [", p.Out, " ", p.In, "]")
	case len(p.A) != p.Rank*p.In || len(p.B) != p.Out*p.Rank:
		return fault.New(fault.BadFile, "blend: tensor ", fault.Quote(p.Target), ": factors of ", len(p.A), " and ", len(p.B),
			" values for rank ", p.Rank, ", shape [", p.Out, " ", p.In, "]")
	}
	return nil
}

// Check reports whether every pair fits the base.
//
// Errors: fault.LoRAMismatch, naming the tensor and the two shapes.
func (a *Adapter) Check(base Shapes) error {
	for i := range a.Pairs {
		p := &a.Pairs[i]
		out, in, ok := base(p.Target)
		if !ok {
			return fault.New(fault.LoRAMismatch, "blend: adapter ", fault.Quote(a.Name), ": the base has no tensor ", fault.Quote(p.Target))
		}
		if out != p.Out || in != p.In {
			return fault.New(fault.LoRAMismatch, "blend: adapter ", fault.Quote(a.Name), ": tensor ", fault.Quote(p.Target),
				" is [", p.Out, " ", p.In, "] but the base has [", out, " ", in, "]")
		}
	}
	return nil
}

// Bytes is the size of all factors as float32.
func (a *Adapter) Bytes() int64 {
	var n int64
	for i := range a.Pairs {
		n += int64(len(a.Pairs[i].A)+len(a.Pairs[i].B)) * 4
	}
	return n
}

// Pair returns the pair of target, or nil.
func (a *Adapter) Pair(target string) *Pair {
	i, ok := slices.BinarySearchFunc(a.Pairs, target, func(p Pair, t string) int { return cmp.Compare(p.Target, t) })
	if !ok {
		return nil
	}
	return &a.Pairs[i]
}

// Rank is the largest rank of any pair, 0 for the empty adapter.
func (a *Adapter) Rank() int {
	r := 0
	for i := range a.Pairs {
		r = max(r, a.Pairs[i].Rank)
	}
	return r
}
