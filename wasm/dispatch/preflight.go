package dispatch

import (
	"pastel/engine"
	"pastel/engine/gguf"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A headerStream reads the headers of a model's files and nothing behind them.
type headerStream struct {
	files []*gguf.Decoder
}

func newHeaderStream(m *protocol.Open) *headerStream {
	h := &headerStream{}
	for _, f := range m.Files {
		h.files = append(h.files, gguf.NewDecoder(f.Size))
	}
	return h
}

// write takes bytes until the file's header ends; what follows is not taken.
func (h *headerStream) write(file int, p []byte) (int, error) {
	if file < 0 || file >= len(h.files) {
		return 0, fault.New(fault.BadRequest, "dispatch: file ", file, " of ", len(h.files))
	}
	return h.files[file].Write(p)
}

func (h *headerStream) merged() (*gguf.File, error) {
	var all []*gguf.File
	for _, d := range h.files {
		f, err := d.File()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return gguf.Merge(all)
}

// preflight ends a stream of headers with the engine's estimate.
func (d *Dispatcher) preflight(m *protocol.Preflight) (protocol.Message, error) {
	h := d.stream.header
	if h == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: no open header to estimate")
	}
	defer d.stream.discard()
	kv, err := kvChoice(m.KVType)
	if err != nil {
		return nil, err
	}
	header, err := h.merged()
	if err != nil {
		return nil, err
	}
	o := engine.SessionOptions{ContextLength: int(m.ContextLength), KV: kv}
	e, err := engine.Preflight(header, d.config.Machine, o, engine.Rates{ReadBytesPerS: m.ReadBytesPerS, MacsPerS: m.MacsPerS})
	if err != nil {
		return nil, err
	}
	return &protocol.Estimate{
		WeightBytes: e.WeightBytes, KVBytes: e.KVBytes, WorkBytes: e.WorkBytes, TotalBytes: e.TotalBytes, LimitBytes: e.LimitBytes,
		Fits: e.Fits, ContextLength: uint32(e.ContextLength), MacsPerToken: e.MacsPerToken, BytesPerToken: e.BytesPerToken,
		DecodeTokS: e.DecodeTokS, PrefillTokS: e.PrefillTokS,
	}, nil
}
