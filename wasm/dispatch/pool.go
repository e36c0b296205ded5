package dispatch

import (
	"pastel/blend"
	"pastel/blend/pool"
	"pastel/engine"
	"pastel/fault"
	"pastel/kernels"
	"pastel/wasm/protocol"
)

// A poolStream reads a pool file by file: the manifest says what the others are.
type poolStream struct {
	model  *engine.Model
	want   string // digest of the manifest, "" for any
	sizes  []uint64
	file   int // that is being written
	buf    []byte
	pool   *pool.Pool
	header *pool.Manifest
	kernel *poolKernel
}

// maxManifest bounds what is kept before a manifest is understood.
const maxManifest = 16 << 20

func (d *Dispatcher) newPoolStream(m *protocol.Open) (*poolStream, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	d.closePool()
	p := &poolStream{model: model, want: m.ID, kernel: newPoolKernel(model)}
	for _, f := range m.Files {
		p.sizes = append(p.sizes, f.Size)
	}
	if len(p.sizes) < 2 || p.sizes[0] > maxManifest {
		return nil, fault.New(fault.BadRequest, "dispatch: pool of ", len(p.sizes), " files, the first of ", p.sizes[0], " bytes: want its manifest and keys, and perhaps its adapters")
	}
	return p, nil
}

// write takes bytes of the file that is due, and reads that once it is whole.
func (p *poolStream) write(file int, b []byte) (int, error) {
	if file != p.file || file >= len(p.sizes) || uint64(len(p.buf)+len(b)) > p.sizes[file] {
		return 0, fault.New(fault.BadRequest, "dispatch: ", len(b), " bytes for file ", file, " of the pool, at file ", p.file)
	}
	if p.buf == nil {
		if err := p.expect(file); err != nil {
			return 0, err
		}
	}
	p.buf = append(p.buf, b...)
	if uint64(len(p.buf)) < p.sizes[file] {
		return len(b), nil
	}
	err := p.read(file)
	p.file++
	p.buf = p.buf[:0]
	if file == 0 || p.file == len(p.sizes) {
		p.buf = nil
	}
	return len(b), err
}

// expect makes room for a file, of as many bytes as the manifest says.
func (p *poolStream) expect(file int) error {
	if file == 0 {
		p.buf = make([]byte, 0, p.sizes[0])
		return nil
	}
	h := p.header
	if n := len(p.sizes); n != 2 && n != 2+len(h.Adapters) {
		return fault.New(fault.BadRequest, "dispatch: pool of ", n, " files, it has ", 2+len(h.Adapters))
	}
	if p.sizes[1] != uint64(h.Keys.Bytes) {
		return fault.New(fault.Hash, "dispatch: the pool's keys have ", p.sizes[1], " bytes, want ", h.Keys.Bytes)
	}
	for i, n := range p.sizes[2:] {
		if want := h.Adapters[i].File.Bytes; n != uint64(want) {
			return fault.New(fault.Hash, "dispatch: adapter ", fault.Quote(h.Adapters[i].Name), " has ", n, " bytes, want ", want)
		}
	}
	p.buf = make([]byte, 0, p.sizes[len(p.sizes)-1])
	return nil
}

// read takes one whole file.
func (p *poolStream) read(file int) (err error) {
	switch file {
	case 0:
		if p.header, err = pool.ParseManifest(p.buf, p.want); err != nil {
			return err
		}
		return p.checkBase()
	case 1:
		p.pool, err = pool.Open(p.header, p.buf, pool.Options{Alloc: p.kernel.alloc})
		return err
	}
	return p.pool.Load(file-2, p.buf)
}

// checkBase compares the pool's base with the model. Where the host does not know the
// model's digest, architecture and shapes decide alone.
func (p *poolStream) checkBase() error {
	h, c := p.header, p.model.Config()
	if h.Base.Arch != c.Arch || h.Embedding.Dim != c.QueryDim() {
		return fault.New(fault.LoRAMismatch, "dispatch: the pool is for ", fault.Quote(h.Base.Arch), " with queries of ", h.Embedding.Dim,
			", the model is ", fault.Quote(c.Arch), " with ", c.QueryDim())
	}
	if h.Embedding.Layer >= c.NLayers {
		return fault.New(fault.LoRAMismatch, "dispatch: the pool's embedding is of layer ", h.Embedding.Layer, " of ", c.NLayers)
	}
	digest := p.model.Digest()
	if digest == "" {
		digest = h.Base.Digest
	}
	return h.CheckBase(digest, p.model.Shape)
}

// finishPool installs the pool that has been streamed.
func (d *Dispatcher) finishPool(p *poolStream) (protocol.Message, error) {
	if p.file != len(p.sizes) {
		p.kernel.free()
		return nil, fault.New(fault.BadFile, "dispatch: the pool ended in file ", p.file, " of ", len(p.sizes))
	}
	d.pool, d.poolKernel = p.pool, p.kernel
	info := &protocol.PoolInfo{ID: p.header.ID, Name: p.header.Name, Rank: uint32(p.header.Rank), CanBlend: len(p.sizes) > 2, WeightBytes: p.kernel.bytes}
	for _, a := range p.header.Adapters {
		info.Adapters = append(info.Adapters, a.Name)
	}
	return info, nil
}

// closePool frees the pool, if there is one.
func (d *Dispatcher) closePool() {
	if d.poolKernel != nil {
		d.poolKernel.free()
	}
	d.pool, d.poolKernel = nil, nil
}

// A poolKernel keeps a pool's factors where the kernels reach them, and makes
// adapters of them.
type poolKernel struct {
	model   *engine.Model
	regions map[*uint16]kernels.Addr // by an adapter's first value
	bytes   uint64
}

func newPoolKernel(m *engine.Model) *poolKernel {
	return &poolKernel{model: m, regions: map[*uint16]kernels.Addr{}}
}

func (k *poolKernel) alloc(n int) ([]uint16, error) {
	at, err := k.model.Memory().Alloc(2 * n)
	if err != nil {
		return nil, err
	}
	k.bytes += uint64(2 * n)
	values := k.model.Memory().U16(at, n)
	k.regions[&values[0]] = at
	return values, nil
}

func (k *poolKernel) free() {
	for first, at := range k.regions {
		k.model.Memory().Free(at)
		delete(k.regions, first)
	}
}

// eightBit reports whether blends of a pool have eight bits: all of its targets must.
func (k *poolKernel) eightBit(p *pool.Pool) bool {
	for _, t := range p.Targets {
		if !k.model.EightBit(t.Name) {
			return false
		}
	}
	return true
}

// sums are the adapter of some weights: in the factor space one sum, in the delta space one for
// each of the pool's adapters.
func (k *poolKernel) sums(p *pool.Pool, weights []float64) ([]engine.Sum, error) {
	values, used, err := p.Select(weights)
	if err != nil {
		return nil, err
	}
	sum := engine.Sum{Weights: used}
	for i, t := range p.Targets {
		s := p.Slots()[i]
		sum.Pairs = append(sum.Pairs, engine.SumPair{Target: t.Name, A: 2 * s.A, B: 2 * s.B, Rank: p.Ranks(), In: t.In, Out: t.Out, Scale: t.Scale})
	}
	for _, v := range values {
		sum.Sources = append(sum.Sources, k.regions[&v[0]])
	}
	if p.Space != blend.DeltaSpace {
		return []engine.Sum{sum}, nil
	}
	var sums []engine.Sum
	for n, w := range used {
		one := engine.Sum{Sources: sum.Sources[n : n+1], Weights: []float64{1}}
		for _, pair := range sum.Pairs {
			pair.Scale *= float32(w)
			one.Pairs = append(one.Pairs, pair)
		}
		sums = append(sums, one)
	}
	return sums, nil
}
