package dispatch

import (
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A stream is what is being loaded; the zero value is nothing.
type stream struct {
	kind   string
	loader *engine.Loader // of a model
}

// open begins a stream. Opening a model frees the one there is, with its sessions:
// two do not fit where one is large.
func (d *Dispatcher) open(m *protocol.Open) error {
	d.stream.discard()
	var sizes []uint64
	for _, f := range m.Files {
		sizes = append(sizes, f.Size)
	}
	switch {
	case len(sizes) == 0:
		return fault.New(fault.BadRequest, "dispatch: no files to load")
	case m.Kind == "model":
		d.unloadModel()
		d.stream = stream{kind: m.Kind, loader: engine.NewLoader(d.config.Machine, sizes...)}
		return nil
	}
	return fault.New(fault.BadRequest, "dispatch: cannot load a ", fault.Quote(m.Kind))
}

// write takes the next bytes of a file. After an error the stream is gone.
func (s *stream) write(file int, p []byte) (n int, err error) {
	if s.loader == nil {
		return 0, fault.New(fault.BadRequest, "dispatch: bytes without an open stream")
	}
	if n, err = s.loader.Write(file, p); err != nil {
		s.discard()
	}
	return n, err
}

// discard throws a half-written stream away.
func (s *stream) discard() {
	if s.loader != nil {
		s.loader.Close()
	}
	*s = stream{}
}

// finish ends the stream and installs what it loaded.
func (d *Dispatcher) finish() (protocol.Message, error) {
	if d.stream.loader == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: no open stream to finish")
	}
	model, err := d.stream.loader.Finish()
	if err != nil {
		d.stream.discard()
		return nil, err
	}
	d.stream = stream{}
	d.model = model
	return d.info()
}

// unloadModel frees the model and its sessions.
func (d *Dispatcher) unloadModel() {
	for id := range d.sessions {
		_ = d.closeSession(id) // it exists
	}
	if d.model != nil {
		d.model.Close()
		d.model = nil
	}
}
