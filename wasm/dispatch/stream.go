package dispatch

import (
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A stream is what is being loaded; the zero value is nothing.
type stream struct {
	model   *engine.Loader
	adapter *adapterStream
	header  *headerStream
	pool    *poolStream
}

// open begins a stream. Opening a model frees the one there is, with its sessions:
// two do not fit where one is large.
func (d *Dispatcher) open(m *protocol.Open) (err error) {
	d.stream.discard()
	switch {
	case len(m.Files) == 0:
		return fault.New(fault.BadRequest, "dispatch: no files to load")
	case m.Kind == "model":
		var sizes []uint64
		for _, f := range m.Files {
			sizes = append(sizes, f.Size)
		}
		d.unloadModel()
		d.stream.model = engine.NewLoader(d.config.Machine, sizes...)
		return nil
	case m.Kind == "adapter":
		d.stream.adapter, err = newAdapterStream(m)
		return err
	case m.Kind == "pool":
		d.stream.pool, err = d.newPoolStream(m)
		return err
	case m.Kind == "header":
		d.stream.header = newHeaderStream(m)
		return nil
	}
	return fault.New(fault.BadRequest, "dispatch: cannot load a ", fault.Quote(m.Kind))
}

// write takes the next bytes of a file. After an error the stream is gone.
func (s *stream) write(file int, p []byte) (n int, err error) {
	switch {
	case s.model != nil:
		n, err = s.model.Write(file, p)
	case s.adapter != nil:
		n, err = s.adapter.write(file, p)
	case s.header != nil:
		n, err = s.header.write(file, p)
	case s.pool != nil:
		n, err = s.pool.write(file, p)
	default:
		return 0, fault.New(fault.BadRequest, "dispatch: bytes without an open stream")
	}
	if err != nil {
		s.discard()
	}
	return n, err
}

// discard throws a half-written stream away.
func (s *stream) discard() {
	if s.model != nil {
		s.model.Close()
	}
	if s.pool != nil {
		s.pool.kernel.free()
	}
	*s = stream{}
}

// finish ends the stream and installs what it loaded.
func (d *Dispatcher) finish(request *protocol.Finish) (protocol.Message, error) {
	s := d.stream
	defer d.stream.discard()
	switch {
	case s.model != nil:
		m, err := s.model.Finish()
		if err != nil {
			return nil, err
		}
		d.stream.model = nil
		m.SetDigest(request.Digest)
		d.model = m
		return d.info()
	case s.adapter != nil:
		return d.finishAdapter(s.adapter)
	case s.pool != nil:
		d.stream.pool = nil
		return d.finishPool(s.pool)
	}
	return nil, fault.New(fault.BadRequest, "dispatch: nothing is open to finish")
}

// unloadModel frees the model and its sessions.
func (d *Dispatcher) unloadModel() {
	for id := range d.sessions {
		_ = d.closeSession(id) // it exists
	}
	d.closePool()
	if d.model != nil {
		d.model.Close()
		d.model = nil
	}
}
