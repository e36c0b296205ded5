package dispatch

import (
	"strings"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/peft"
	"pastel/engine"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// An adapterStream gathers the files of one adapter: a GGUF LoRA, or the two files of a
// PEFT directory (adapter_config.json, adapter_model.safetensors).
type adapterStream struct {
	id    string
	names []string
	files [][]byte
	sizes []uint64
}

// newAdapterStream checks what is announced before anything is allocated.
func newAdapterStream(m *protocol.Open) (*adapterStream, error) {
	a := &adapterStream{id: m.ID}
	var total uint64
	for _, f := range m.Files {
		if total += f.Size; f.Size > blend.MaxBytes || total > blend.MaxBytes {
			return nil, fault.New(fault.BadFile, "dispatch: adapter file ", fault.Quote(f.Name), " of ", f.Size, " bytes, at most ", uint64(blend.MaxBytes), " in all")
		}
		a.names = append(a.names, f.Name)
		a.sizes = append(a.sizes, f.Size)
		a.files = append(a.files, nil)
	}
	if m.ID == "" || len(a.files) < 1 || len(a.files) > 2 {
		return nil, fault.New(fault.BadRequest, "dispatch: adapter ", fault.Quote(m.ID), " of ", len(a.files), " files: want a name, and one GGUF file or a PEFT configuration and its weights")
	}
	return a, nil
}

// write appends bytes of a file.
func (a *adapterStream) write(file int, p []byte) (int, error) {
	if file < 0 || file >= len(a.files) || uint64(len(a.files[file])+len(p)) > a.sizes[file] {
		return 0, fault.New(fault.BadRequest, "dispatch: more bytes than file ", file, " of the adapter has")
	}
	a.files[file] = append(a.files[file], p...)
	return len(p), nil
}

// read parses the files.
func (a *adapterStream) read(m *engine.Model) (*blend.Adapter, error) {
	for i, b := range a.files {
		if uint64(len(b)) != a.sizes[i] {
			return nil, fault.New(fault.BadFile, "dispatch: adapter file ", fault.Quote(a.names[i]), " ended at byte ", len(b), " of ", a.sizes[i])
		}
	}
	if len(a.files) == 1 {
		return gguflora.Read(a.id, a.files[0], m.Config().Arch)
	}
	config, weights := 0, 1
	if strings.HasSuffix(a.names[1], ".json") {
		config, weights = 1, 0
	}
	c := m.Config()
	base := peft.Base{Arch: c.Arch, NHeads: c.NHeads, NKVHeads: c.NKVHeads}
	return peft.Read(a.id, a.files[config], a.files[weights], base)
}

// finishAdapter installs the adapter that has been streamed.
func (d *Dispatcher) finishAdapter(a *adapterStream) (protocol.Message, error) {
	m, err := d.loaded()
	if err != nil {
		return nil, err
	}
	read, err := a.read(m)
	if err != nil {
		return nil, err
	}
	pairs := loraPairs(read)
	if err := m.AddAdapter(a.id, pairs); err != nil {
		return nil, err
	}
	return &protocol.AdapterInfo{
		ID: a.id, Rank: uint32(read.Rank()), NModules: uint32(len(pairs)), WeightBytes: uint64(read.Bytes()),
	}, nil
}

func loraPairs(a *blend.Adapter) []engine.LoRAPair {
	var pairs []engine.LoRAPair
	for _, p := range a.Pairs {
		pairs = append(pairs, engine.LoRAPair{
			Target: p.Target, A: p.A, B: p.B, Rank: p.Rank, In: p.In, Out: p.Out, Scale: p.Scaling,
		})
	}
	return pairs
}

// unloadAdapter frees an adapter that no generation uses.
func (d *Dispatcher) unloadAdapter(id string) error {
	m, err := d.loaded()
	if err != nil {
		return err
	}
	if err := d.allIdle(); err != nil {
		return err
	}
	m.RemoveAdapter(id)
	return nil
}

// allIdle reports whether no session generates: adapters may then change.
func (d *Dispatcher) allIdle() error {
	for n, s := range d.sessions {
		if s.generation != nil {
			return fault.New(fault.BadRequest, "dispatch: session ", n, " is generating")
		}
	}
	return nil
}
