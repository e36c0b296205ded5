package dispatch

import (
	"pastel/engine"
	"pastel/engine/tokenizer"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// loaded returns the model.
//
// Errors: ERR_BAD_REQUEST when there is none.
func (d *Dispatcher) loaded() (*engine.Model, error) {
	if d.model == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: no model is loaded")
	}
	return d.model, nil
}

func (d *Dispatcher) info() (protocol.Message, error) {
	m, err := d.loaded()
	if err != nil {
		return nil, err
	}
	c, h, t := m.Config(), m.Header(), m.Tokenizer()
	name, _ := h.Metadata.String("general.name", "") // a name of another type is no name
	template, _ := h.Metadata.String("tokenizer.chat_template", "")
	info := &protocol.ModelInfo{
		Name: name, Architecture: c.Arch, NLayers: uint32(c.NLayers), Dim: uint32(c.Dim), VocabSize: uint32(c.VocabSize),
		ContextLength: uint32(c.TrainContext), WeightBytes: m.Memory().InUse(), ChatTemplate: template,
		BOS: t.BOS(), EOS: t.EOS(), AddBOS: t.AddsBOS(),
	}
	bytesOf := map[string]uint64{}
	for _, tensor := range h.Tensors {
		info.NParams += uint64(tensor.NElems())
		bytesOf[tensor.Type.String()] += tensor.NBytes
	}
	for format, n := range bytesOf {
		if most := bytesOf[info.Format]; n > most || n == most && format < info.Format {
			info.Format = format
		}
	}
	return info, nil
}

func (d *Dispatcher) stats() *protocol.StatsReply {
	s := &protocol.StatsReply{Executor: d.config.Executor, Threads: 1}
	if d.config.Memory != nil {
		s.MemoryBytes, s.HeapBytes = d.config.Memory()
	}
	if d.config.Threads != nil {
		s.Threads = uint32(d.config.Threads())
	}
	return s
}

func (d *Dispatcher) tokenize(m *protocol.Tokenize) (protocol.Message, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	return &protocol.Tokens{Tokens: unsigned(encode(model, m.Text, m.AddSpecial, m.ParseSpecial))}, nil
}

// encode tokenizes; addSpecial adds what the model asks for, never more.
func encode(m *engine.Model, text string, addSpecial, parseSpecial bool) []int32 {
	o := tokenizer.Options{ParseSpecial: parseSpecial}
	if !addSpecial {
		o.AddBOS, o.AddEOS = tokenizer.Never, tokenizer.Never
	}
	return m.Tokenizer().Encode(text, o)
}

func (d *Dispatcher) detokenize(m *protocol.Detokenize) (protocol.Message, error) {
	model, err := d.loaded()
	if err != nil {
		return nil, err
	}
	text := model.Tokenizer().Decode(signed(m.Tokens), tokenizer.DecodeOptions{Special: m.Special})
	return &protocol.Text{Text: text}, nil
}

// signed and unsigned convert ids; an id past 2³¹ becomes negative, which no
// vocabulary holds.
func signed(ids []uint32) []int32   { return convert[int32](ids) }
func unsigned(ids []int32) []uint32 { return convert[uint32](ids) }

func convert[To, From int32 | uint32](ids []From) []To {
	out := make([]To, len(ids))
	for i, id := range ids {
		out[i] = To(id)
	}
	return out
}
