package engine

import (
	"pastel/engine/gguf"
	"pastel/engine/model"
	"pastel/engine/tensor"
	"pastel/engine/tokenizer"
	"pastel/fault"
	"pastel/kernels"
	"pastel/order"
)

// stagingBytes bounds the rows gathered before they are packed.
const stagingBytes = 1 << 20

// A Loader builds a Model from a file's bytes in any cut, or from several
// shards' bytes. No byte is kept longer than until its row is packed, so the
// file is never in memory twice.
type Loader struct {
	machine  Machine
	mem      *kernels.Memory
	files    []*fileStream
	model    *Model
	staging  kernels.Addr
	tape     *kernels.Tape
	err      error
	finished bool
}

// fileStream is one file's place in the stream.
type fileStream struct {
	size    uint64
	pos     uint64 // bytes consumed
	decoder *gguf.Decoder
	order   []gguf.TensorInfo // tensors still to come, by offset
	sink    *tensorSink       // the tensor being filled
}

// NewLoader expects the bytes of files of the given sizes: one, or all shards
// of a model in order.
func NewLoader(m Machine, sizes ...uint64) *Loader {
	l := &Loader{machine: m, mem: new(kernels.Memory)}
	for _, n := range sizes {
		l.files = append(l.files, &fileStream{size: n, decoder: gguf.NewDecoder(n)})
	}
	return l
}

// Progress returns the bytes consumed and the bytes of all files.
func (l *Loader) Progress() (loaded, total uint64) {
	for _, f := range l.files {
		loaded += f.pos
		total += f.size
	}
	return loaded, total
}

// Write takes the next bytes of a file. It consumes fewer than len(p) without
// an error when this file's header is complete but another's is not: write the
// other files' beginnings first, then go on from where each stopped.
//
// Errors: ERR_BAD_FILE, ERR_UNSUPPORTED_ARCH, ERR_UNSUPPORTED_TYPE, ERR_OOM.
// After an error every further Write returns it.
func (l *Loader) Write(file int, p []byte) (n int, err error) {
	if l.err != nil {
		return 0, l.err
	}
	if file < 0 || file >= len(l.files) {
		return 0, fault.New(fault.BadRequest, "engine: file ", file, " of ", len(l.files))
	}
	f := l.files[file]
	if uint64(len(p)) > f.size-f.pos {
		return 0, l.fail(fault.New(fault.BadFile, "engine: ", f.pos+uint64(len(p)), " bytes written to a file of ", f.size))
	}
	if !f.decoder.Done() {
		n, err = f.decoder.Write(p)
		f.pos += uint64(n)
		if err != nil {
			return n, l.fail(err)
		}
		if err := l.headersDone(); err != nil {
			return n, l.fail(err)
		}
	}
	if l.model == nil {
		return n, nil
	}
	for n < len(p) {
		used, err := l.data(f, p[n:])
		if err != nil {
			return n, l.fail(err)
		}
		n += used
		f.pos += uint64(used)
	}
	return n, nil
}

// fail keeps the first error and gives the memory back.
func (l *Loader) fail(err error) error {
	l.err = err
	l.Close()
	return err
}

// headersDone plans the model once every header is complete.
func (l *Loader) headersDone() error {
	var headers []*gguf.File
	for _, f := range l.files {
		if !f.decoder.Done() {
			return nil
		}
		h, err := f.decoder.File()
		if err != nil {
			return err
		}
		headers = append(headers, h)
	}
	header, err := gguf.Merge(headers)
	if err != nil {
		return err
	}
	if l.model, err = newModel(l.machine, l.mem, header); err != nil {
		l.model = nil
		return err
	}
	for _, t := range header.Tensors {
		f := l.files[t.Shard]
		f.order = append(f.order, t)
	}
	for _, f := range l.files {
		t := f.order
		order.By(len(t), func(i, j int) bool { return t[i].Offset < t[j].Offset }, func(i, j int) { t[i], t[j] = t[j], t[i] })
	}
	if l.staging, err = l.mem.Alloc(stagingBytes + maxRowBytes(l.model.weights)); err != nil {
		return err
	}
	l.tape, err = kernels.NewTape(l.mem, 1)
	return err
}

// maxRowBytes is the size of the four widest rows of a file plus their float form.
func maxRowBytes(w *model.Weights) int {
	widest := 0
	for _, m := range w.Matrices {
		widest = max(widest, m.K)
	}
	return 2 * kernels.GroupRows * 4 * widest
}

// data hands bytes to the tensor they belong to, or skips a gap.
func (l *Loader) data(f *fileStream, p []byte) (int, error) {
	if f.sink == nil {
		if len(f.order) == 0 {
			return len(p), nil
		}
		t := f.order[0]
		if f.pos < t.Offset {
			return int(min(uint64(len(p)), t.Offset-f.pos)), nil
		}
		f.order = f.order[1:]
		f.sink = l.newSink(t)
	}
	n, done, err := f.sink.write(l, p)
	if done {
		f.sink = nil
	}
	return n, err
}

// Finish returns the model once all bytes are in.
//
// Errors: what Write returned, or ERR_BAD_FILE when bytes are missing.
func (l *Loader) Finish() (*Model, error) {
	if l.err != nil {
		return nil, l.err
	}
	for i, f := range l.files {
		if l.model == nil || f.sink != nil || len(f.order) > 0 {
			return nil, l.fail(fault.New(fault.BadFile, "engine: file ", i, " ended at byte ", f.pos, " of ", f.size))
		}
	}
	l.finished = true
	l.release()
	return l.model, nil
}

// release frees what only loading needs.
func (l *Loader) release() {
	if l.tape != nil {
		l.tape.Free()
		l.tape = nil
	}
	l.mem.Free(l.staging)
	l.staging = 0
}

// Close gives up loading and frees everything, unless Finish has succeeded.
func (l *Loader) Close() {
	if l.finished {
		return
	}
	l.release()
	if l.model != nil {
		l.model.Close()
		l.model = nil
	}
}

// tensorSink gathers whole rows of one tensor and packs them.
type tensorSink struct {
	info     gguf.TensorInfo
	matrix   *model.Matrix // nil for a vector
	vector   *model.Vector
	rowBytes int    // of the file
	left     uint64 // bytes of the tensor still to come
	row      int    // rows packed
	filled   int    // bytes in staging
	capacity int    // bytes of staging used per round: a whole number of groups
}

func (l *Loader) newSink(t gguf.TensorInfo) *tensorSink {
	s := &tensorSink{info: t, matrix: l.model.weights.Matrices[t.Name], vector: l.model.weights.Vectors[t.Name], left: t.NBytes}
	switch {
	case s.matrix != nil:
		s.rowBytes = int(t.NBytes / uint64(s.matrix.Rows))
		s.capacity = max(1, stagingBytes/(kernels.GroupRows*s.rowBytes)) * kernels.GroupRows * s.rowBytes
	case s.vector != nil:
		s.rowBytes = int(t.NBytes)
		s.capacity = s.rowBytes
	default: // a tensor nothing computes with
		s.capacity = 1
	}
	return s
}

// write takes bytes of the tensor; done when it is complete.
func (s *tensorSink) write(l *Loader, p []byte) (n int, done bool, err error) {
	if s.matrix == nil && s.vector == nil {
		n = int(min(uint64(len(p)), s.left))
		s.left -= uint64(n)
		return n, s.left == 0, nil
	}
	want := int(min(uint64(s.capacity-s.filled), s.left, uint64(len(p))))
	if s.vector != nil && s.capacity > stagingBytes {
		return 0, false, fault.New(fault.BadFile, "engine: vector ", fault.Quote(s.info.Name), " of ", s.capacity, " bytes is too long")
	}
	copy(l.mem.Bytes(l.staging+kernels.Addr(s.filled), want), p[:want])
	s.filled += want
	s.left -= uint64(want)
	if s.filled == s.capacity || s.left == 0 {
		err = s.flush(l)
	}
	return want, s.left == 0, err
}

// flush moves the rows in staging to their place.
func (s *tensorSink) flush(l *Loader) error {
	src := l.mem.Bytes(l.staging, s.filled)
	if s.vector != nil {
		s.filled = 0
		return tensor.Dequantize(s.info.Type, l.mem.F32(s.vector.Addr, s.vector.N), src)
	}
	m := s.matrix
	rows := s.filled / s.rowBytes
	s.filled = 0
	if direct, ok := model.PackedFormat(s.info.Type); ok && direct == m.Format {
		l.pack(m, s.row, rows, l.staging)
		s.row += rows
		return nil
	}
	for done := 0; done < rows; done += kernels.GroupRows {
		n := min(kernels.GroupRows, rows-done)
		if err := s.convert(l, src[done*s.rowBytes:(done+n)*s.rowBytes], n); err != nil {
			return err
		}
	}
	return nil
}

// convert dequantises n rows, behind those in staging, and packs them.
func (s *tensorSink) convert(l *Loader, src []byte, n int) error {
	at := l.staging + kernels.Addr(s.capacity)
	if err := tensor.Dequantize(s.info.Type, l.mem.F32(at, n*s.matrix.K), src); err != nil {
		return err
	}
	l.pack(s.matrix, s.row, n, at)
	s.row += n
	return nil
}

// pack runs one Pack operation for rows first..first+n.
func (l *Loader) pack(m *model.Matrix, first, n int, src kernels.Addr) {
	l.tape.Reset()
	dst := m.Addr + kernels.Addr(m.Format.PackedBytes(first, m.K))
	if err := l.tape.Add(kernels.Pack{Dst: dst, Src: src, Rows: n, K: m.K, Format: m.Format, Zero: m.Format.Zero(l.machine.Q8Zero)}); err != nil {
		panic(err)
	}
	l.machine.Exec.Run(l.tape)
}

// newTokenizer reads the tokenizer of a header.
func newTokenizer(h *gguf.File) (*tokenizer.Tokenizer, error) { return tokenizer.New(&h.Metadata) }
