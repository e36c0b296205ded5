package dispatch

import (
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
		p.pool, err = pool.Open(p.header, p.buf, pool.Options{Alloc: p.kernel.allocHalf, AllocSum: p.kernel.allocSum})
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
	if h.Embedding.Layer != 0 || h.Embedding.Pooling != "mean" {
		return fault.New(fault.UnsupportedType, "dispatch: the pool's embedding is the ", h.Embedding.Pooling, " of layer ", h.Embedding.Layer, ", want the mean of layer 0")
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

// A poolKernel keeps a pool's factors where the kernels reach them, and blends them
// by a tape.
type poolKernel struct {
	mem   *kernels.Memory
	exec  engine.Executor
	half  map[*uint16]kernels.Addr
	sums  map[*float32]kernels.Addr
	bytes uint64
}

func newPoolKernel(m *engine.Model) *poolKernel {
	return &poolKernel{mem: m.Memory(), exec: m.Executor(), half: map[*uint16]kernels.Addr{}, sums: map[*float32]kernels.Addr{}}
}

func (k *poolKernel) allocHalf(n int) ([]uint16, error) {
	at, err := k.mem.Alloc(2 * n)
	if err != nil {
		return nil, err
	}
	k.bytes += uint64(2 * n)
	values := k.mem.U16(at, n)
	k.half[&values[0]] = at
	return values, nil
}

// allocSum gives memory that lives until the next freeSums.
func (k *poolKernel) allocSum(n int) ([]float32, error) {
	at, err := k.mem.Alloc(4 * n)
	if err != nil {
		return nil, err
	}
	values := k.mem.F32(at, n)
	k.sums[&values[0]] = at
	return values, nil
}

func (k *poolKernel) freeSums() {
	for first, at := range k.sums {
		k.mem.Free(at)
		delete(k.sums, first)
	}
}

func (k *poolKernel) free() {
	k.freeSums()
	for first, at := range k.half {
		k.mem.Free(at)
		delete(k.half, first)
	}
}

// blendChunk is how many values are summed at a time: 64 KB of sums stay in a core's
// second-level cache while every adapter passes over them.
const blendChunk = 16384

// WeightedSum implements pool.Kernel for slices that came from its own memory.
func (k *poolKernel) WeightedSum(dst []float32, src [][]uint16, weights []float32) {
	clear(dst)
	at, known := k.sums[&dst[0]]
	tape, err := kernels.NewTape(k.mem, (len(dst)+blendChunk-1)/blendChunk*len(src))
	if !known || err != nil {
		pool.Generic{}.WeightedSum(dst, src, weights)
		return
	}
	defer tape.Free()
	for first := 0; first < len(dst); first += blendChunk {
		for n, s := range src {
			op := kernels.Axpy{Dst: at + kernels.Addr(4*first), Src: k.half[&s[0]] + kernels.Addr(2*first),
				Count: min(blendChunk, len(dst)-first), Half: 1, Scale: weights[n]}
			if tape.Add(op) != nil {
				panic("dispatch: the blend's tape is full") // it was made for this many
			}
		}
	}
	k.exec.Run(tape)
}
