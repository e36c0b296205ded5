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
	slots []Slot     // where each target lies in an adapter's values
	total int        // values of one adapter
	f16   [][]uint16 // [adapter][total]; nil until loaded
	alloc func(n int) ([]uint16, error)
}

// A Slot is where a target's factors lie in an adapter's values: A [ranks, in] from
// A on, B [out, ranks] from B on, with zeros up to a multiple of rankBlock ranks. Each is
// packed as kernels.F16 packs a matrix, rows in groups of four, column by column
// [groups][columns][4], as the kernels that make an adapter of a weighted sum want it.
type Slot struct{ A, B int }

// groupRows is kernels.GroupRows, rankBlock is kernels.LoRABlock.
const (
	groupRows = 4
	rankBlock = 16
)

// columns is the number of columns that B's take in memory.
func (p *Pool) columns() int { return (p.ranks + rankBlock - 1) &^ (rankBlock - 1) }

// packed is the place of row r and column c of a packed matrix of so many columns.
func packed(r, c, columns int) int { return (r/groupRows*columns+c)*groupRows + r%groupRows }

// packedLen is the number of values of a packed matrix.
func packedLen(rows, columns int) int {
	return (rows + groupRows - 1) / groupRows * groupRows * columns
}

// Options of Open. The zero value uses every rank and ordinary memory.
type Options struct {
	Ranks int                           // use only the first so many ranks; 0 means all
	Alloc func(n int) ([]uint16, error) // gives zeros for one adapter's values; nil means make
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
	p := &Pool{Manifest: m, Keys: k, ranks: o.Ranks, f16: make([][]uint16, len(m.Adapters)), alloc: o.Alloc}
	for _, t := range m.Targets {
		s := Slot{A: p.total, B: p.total + packedLen(p.columns(), t.In)}
		p.slots = append(p.slots, s)
		p.total = s.B + packedLen(t.Out, p.columns())
	}
	if p.alloc == nil {
		p.alloc = func(n int) ([]uint16, error) { return make([]uint16, n), nil }
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

// spread puts one rank's slice in its places and reports whether all values are finite.
func (p *Pool) spread(values []uint16, k int, slice []byte) bool {
	finite := true
	for i, t := range p.Targets {
		a, b := values[p.slots[i].A+packed(k, 0, t.In):], values[p.slots[i].B+packed(0, k, p.columns()):]
		finite = scatter(a, 1, groupRows, slice[:2*t.In]) && finite
		slice = slice[2*t.In:]
		finite = scatter(b, groupRows, groupRows*p.columns(), slice[:2*t.Out]) && finite
		slice = slice[2*t.Out:]
	}
	return finite
}

// scatter writes the halves of src to dst in runs that begin step values apart, and
// reports whether all are finite. Subnormal values become zero: the writer makes none,
// and arithmetic on them is a hundred times slower.
func scatter(dst []uint16, run, step int, src []byte) bool {
	finite := true
	at, left := 0, run
	for len(src) >= 2 {
		h := uint16(src[0]) | uint16(src[1])<<8
		src = src[2:]
		switch h & 0x7c00 {
		case 0x7c00:
			finite = false
		case 0:
			h = 0
		}
		dst[at] = h
		at++
		if left--; left == 0 {
			at, left = at+step-run, run
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

// Slots tells where targets' factors lie in every adapter's values, in the order of Targets.
func (p *Pool) Slots() []Slot { return p.slots }

// Ranks is the number of ranks in use.
func (p *Pool) Ranks() int { return p.ranks }

// Select returns the values of the adapters whose weight is not zero, and those weights.
// The values are the pool's own.
//
// Errors: fault.BadRequest for weights of another number, beyond ±1e6, or for an
// adapter that is not loaded.
func (p *Pool) Select(weights []float64) (values [][]uint16, used []float64, err error) {
	if len(weights) != len(p.f16) {
		return nil, nil, fault.New(fault.BadRequest, "pool: ", len(weights), " weights for ", len(p.f16), " adapters")
	}
	for n, w := range weights {
		switch {
		case !(w >= -1e6 && w <= 1e6):
			return nil, nil, fault.New(fault.BadRequest, "pool: weight ", n, " is ", w)
		case w == 0:
		case p.f16[n] == nil:
			return nil, nil, fault.New(fault.BadRequest, "pool: adapter ", fault.Quote(p.Adapters[n].Name), " is not loaded")
		default:
			values, used = append(values, p.f16[n]), append(used, w)
		}
	}
	return values, used, nil
}

// Blend makes the adapter of some weights, in the pool's space. Adapters of
// weight zero need not be loaded.
//
// Shapes: weights [n].
// Errors: those of Select; in the delta space those of blend.Delta.
func (p *Pool) Blend(name string, weights []float64) (*blend.Adapter, error) {
	values, used, err := p.Select(weights)
	if err != nil {
		return nil, err
	}
	if p.Space == blend.FactorSpace {
		return p.sum(name, values, used)
	}
	var list []*blend.Adapter
	for n := range values {
		a, err := p.sum(name, values[n:n+1], []float64{1})
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return &blend.Adapter{Name: name, Arch: p.Base.Arch}, nil
	}
	return blend.Delta(name, list, used)
}

// sum adds values up and unpacks them into pairs.
func (p *Pool) sum(name string, values [][]uint16, weights []float64) (*blend.Adapter, error) {
	total := make([]float32, p.total)
	weightedSum(total, values, weights)
	pairs := make([]blend.Pair, len(p.Targets))
	for i, t := range p.Targets {
		s := p.slots[i]
		pairs[i] = blend.Pair{Target: t.Name, Rank: p.ranks, In: t.In, Out: t.Out, Scaling: t.Scale,
			A: unpack(total[s.A:], p.ranks, t.In, t.In), B: unpack(total[s.B:], t.Out, p.ranks, p.columns())}
	}
	a, err := blend.NewAdapter(name, pairs)
	if err == nil {
		a.Arch = p.Base.Arch
	}
	return a, err
}

// unpack returns the first columns of a packed matrix row by row.
func unpack(from []float32, rows, columns, packedColumns int) []float32 {
	out := make([]float32, rows*columns)
	for r := range rows {
		at := packed(r, 0, packedColumns)
		for c := range columns {
			out[r*columns+c] = from[at]
			at += groupRows
		}
	}
	return out
}

// chunk is how many values are summed at a time: 16 KB of float32 stay in the
// first-level cache while every adapter passes over them.
const chunk = 4096

// weightedSum is dst[i] = Σₙ weights[n]·src[n][i].
func weightedSum(dst []float32, src [][]uint16, weights []float64) {
	for at := 0; at < len(dst); at += chunk {
		part := dst[at:min(at+chunk, len(dst))]
		for n, s := range src {
			addHalf(part, s[at:], float32(weights[n]))
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
