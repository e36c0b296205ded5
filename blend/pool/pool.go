package pool

import (
	"math"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/keys"
	"pastel/engine/tensor"
	"pastel/fault"
)

// A Pool is a manifest with its keys and as many adapters as have been loaded.
// Loading is for one goroutine; the rest may be called from several.
type Pool struct {
	*Manifest
	Keys  *keys.Keys
	ranks int        // ranks in use of every adapter
	slots []slot     // where each target lies in an adapter's values
	total int        // values of one adapter
	f16   [][]uint16 // [adapter][total]; nil until loaded
	alloc func(n int) ([]uint16, error)
	sum   func(n int) ([]float32, error)
}

// A slot is a target's place: A [ranks, in] at a, B [out, ranks] at b.
type slot struct{ a, b int }

// Options of Open. The zero value uses every rank and ordinary memory.
type Options struct {
	Ranks int                           // use only the first so many ranks; 0 means all
	Alloc func(n int) ([]uint16, error) // gives the memory for one adapter's values; nil means make

	// AllocSum gives the memory for a blend's values, which the adapter then uses; nil means make.
	AllocSum func(n int) ([]float32, error)
}

// Open checks the keys' file and returns a pool without adapters.
//
// Errors: fault.Hash and fault.BadFile for the file, fault.BadRequest for Ranks.
func Open(m *Manifest, keysFile []byte, o Options) (*Pool, error) {
	if o.Ranks == 0 {
		o.Ranks = m.Rank
	}
	if o.Ranks < 1 || o.Ranks > m.Rank {
		return nil, fault.New(fault.BadRequest, "pool: ", o.Ranks, " ranks of a pool of rank ", m.Rank)
	}
	k, err := m.readKeys(keysFile)
	if err != nil {
		return nil, err
	}
	p := &Pool{Manifest: m, Keys: k, ranks: o.Ranks, f16: make([][]uint16, len(m.Adapters)), alloc: o.Alloc, sum: o.AllocSum}
	for _, t := range m.Targets {
		s := slot{a: p.total, b: p.total + o.Ranks*t.In}
		p.slots = append(p.slots, s)
		p.total = s.b + t.Out*o.Ranks
	}
	if p.alloc == nil {
		p.alloc = func(n int) ([]uint16, error) { return make([]uint16, n), nil }
	}
	if p.sum == nil {
		p.sum = func(n int) ([]float32, error) { return make([]float32, n), nil }
	}
	return p, nil
}

// readKeys reads mu [dim] and then the keys [n, dim], little-endian float32.
func (m *Manifest) readKeys(b []byte) (*keys.Keys, error) {
	if err := m.Keys.verify(b); err != nil {
		return nil, err
	}
	values := make([]float32, len(b)/4)
	if err := tensor.Dequantize(tensor.F32, values, b); err != nil {
		return nil, err
	}
	dim := m.Embedding.Dim
	k := &keys.Keys{Mu: values[:dim]}
	for at := dim; at < len(values); at += dim {
		k.Centroids = append(k.Centroids, values[at:at+dim])
	}
	return k, k.Validate()
}

func (f *File) verify(b []byte) error {
	if len(b) != f.Bytes {
		return fault.New(fault.Hash, "pool: file ", fault.Quote(f.Name), " has ", len(b), " bytes, want ", f.Bytes)
	}
	if got := digest.Hex(b); got != f.SHA256 {
		return fault.New(fault.Hash, "pool: file ", fault.Quote(f.Name), " has digest ", got, ", want ", f.SHA256)
	}
	return nil
}

// Load takes adapter n from the first PrefixBytes of its file (more is allowed
// and ignored), and checks every slice against its digest.
//
// Errors: fault.Hash for bytes that are missing or changed, fault.BadFile for
// values that are not finite, fault.BadRequest for n, and what Alloc returns.
func (p *Pool) Load(n int, prefix []byte) error {
	if n < 0 || n >= len(p.Adapters) {
		return fault.New(fault.BadRequest, "pool: adapter ", n, " of ", len(p.Adapters))
	}
	size := p.SliceBytes()
	if len(prefix) < p.ranks*size {
		return fault.New(fault.Hash, "pool: adapter ", fault.Quote(p.Adapters[n].Name), ": ", len(prefix), " bytes, want ", p.ranks*size)
	}
	values, err := p.alloc(p.total)
	if err != nil {
		return err
	}
	for k := range p.ranks {
		slice := prefix[k*size : (k+1)*size]
		if got := digest.Hex(slice); got != p.Adapters[n].Slices[k] {
			return fault.New(fault.Hash, "pool: adapter ", fault.Quote(p.Adapters[n].Name), ": rank ", k, " has digest ", got, ", want ", p.Adapters[n].Slices[k])
		}
		if !p.spread(values, k, slice) {
			return fault.New(fault.BadFile, "pool: adapter ", fault.Quote(p.Adapters[n].Name), ": rank ", k, " holds a value that is not finite")
		}
	}
	p.f16[n] = values
	return nil
}

// spread puts one rank's slice in its places and reports whether all values are
// finite. Subnormal values become zero: the writer makes none, and arithmetic on
// them is a hundred times slower.
func (p *Pool) spread(values []uint16, k int, slice []byte) bool {
	finite := true
	next := func() uint16 {
		h := uint16(slice[0]) | uint16(slice[1])<<8
		slice = slice[2:]
		switch h & 0x7C00 {
		case 0x7C00:
			finite = false
		case 0:
			return 0
		}
		return h
	}
	for i, t := range p.Targets {
		s := p.slots[i]
		for j := range t.In {
			values[s.a+k*t.In+j] = next()
		}
		for o := range t.Out {
			values[s.b+o*p.ranks+k] = next()
		}
	}
	return finite
}

// Loaded reports whether adapter n is in memory.
func (p *Pool) Loaded(n int) bool { return p.f16[n] != nil }

// Customise weighs the pool for a user who shows some samples.
//
// Shapes: samples [m][dim], embeddings by the manifest's recipe; both results [n].
// Errors: fault.BadRequest for no samples or other dimensions.
func (p *Pool) Customise(samples [][]float32) (scores, weights []float64, err error) {
	q, err := p.Keys.Query(samples)
	if err != nil {
		return nil, nil, err
	}
	scores = p.Keys.Scores(q)
	weights, err = p.Weighting.Weights(scores)
	return scores, weights, err
}

// A Kernel adds up adapters' values: dst[i] = Σₙ weights[n]·src[n][i], src in
// binary16 without infinities, NaNs and subnormals.
type Kernel interface {
	WeightedSum(dst []float32, src [][]uint16, weights []float32)
}

// Blend makes the adapter of some weights, in the pool's space. Adapters of
// weight zero need not be loaded. kernel may be nil.
//
// Shapes: weights [n].
// Errors: fault.BadRequest for weights of another number, not finite, or for an
// adapter that is not loaded; what AllocSum returns; in the delta space those of blend.Delta.
func (p *Pool) Blend(name string, weights []float64, kernel Kernel) (*blend.Adapter, error) {
	if len(weights) != len(p.f16) {
		return nil, fault.New(fault.BadRequest, "pool: ", len(weights), " weights for ", len(p.f16), " adapters")
	}
	var src [][]uint16
	var used []float32
	for n, w := range weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return nil, fault.New(fault.BadRequest, "pool: weight ", n, " is ", w)
		}
		if w == 0 {
			continue
		}
		if p.f16[n] == nil {
			return nil, fault.New(fault.BadRequest, "pool: adapter ", fault.Quote(p.Adapters[n].Name), " is not loaded")
		}
		src, used = append(src, p.f16[n]), append(used, float32(w))
	}
	if kernel == nil {
		kernel = Generic{}
	}
	if p.Space == blend.FactorSpace {
		dst, err := p.sum(p.total)
		if err != nil {
			return nil, err
		}
		kernel.WeightedSum(dst, src, used)
		return p.adapter(name, dst)
	}
	return p.blendDeltas(name, src, used, kernel)
}

func (p *Pool) blendDeltas(name string, src [][]uint16, used []float32, kernel Kernel) (*blend.Adapter, error) {
	var list []*blend.Adapter
	var weights []float64
	for n := range src {
		dst, err := p.sum(p.total)
		if err != nil {
			return nil, err
		}
		kernel.WeightedSum(dst, src[n:n+1], []float32{1})
		a, err := p.adapter(name, dst)
		if err != nil {
			return nil, err
		}
		list, weights = append(list, a), append(weights, float64(used[n]))
	}
	if len(list) == 0 {
		return &blend.Adapter{Name: name, Arch: p.Base.Arch}, nil
	}
	return blend.Delta(name, list, weights)
}

// adapter cuts values, in the order of the slots, into pairs.
func (p *Pool) adapter(name string, values []float32) (*blend.Adapter, error) {
	pairs := make([]blend.Pair, len(p.Targets))
	for i, t := range p.Targets {
		s := p.slots[i]
		pairs[i] = blend.Pair{Target: t.Name, Rank: p.ranks, In: t.In, Out: t.Out, Scaling: t.Scale,
			A: values[s.a:s.b:s.b], B: values[s.b:][: t.Out*p.ranks : t.Out*p.ranks]}
	}
	a, err := blend.NewAdapter(name, pairs)
	if err == nil {
		a.Arch = p.Base.Arch
	}
	return a, err
}

// Generic is the Kernel in plain Go.
type Generic struct{}

// chunk is how many values are summed at a time: 16 KB of float32 stay in the
// first-level cache while every adapter passes over them.
const chunk = 4096

// WeightedSum implements Kernel.
func (Generic) WeightedSum(dst []float32, src [][]uint16, weights []float32) {
	for at := 0; at < len(dst); at += chunk {
		part := dst[at:min(at+chunk, len(dst))]
		clear(part)
		for n, s := range src {
			addHalf(part, s[at:], weights[n])
		}
	}
}

// addHalf adds w·src to dst. Shifted by 13 bits a half is the float32 of 2⁻¹¹²
// times its value, so one multiplication converts and weighs.
func addHalf(dst []float32, src []uint16, w float32) {
	src = src[:len(dst)]
	for i, h := range src {
		f := math.Float32frombits(uint32(int32(int16(h))<<13) & 0x8FFFFFFF)
		dst[i] += f * 0x1p112 * w
	}
}
