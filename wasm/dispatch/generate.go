package dispatch

import (
	"unsafe"

	"pastel/engine"
	"pastel/engine/sample"
	"pastel/fault"
	"pastel/wasm/protocol"
)

// A generation is an engine generation with what its Done will say.
type generation struct {
	engine  *engine.Generation
	request engine.Request
	usage   protocol.Done
	ended   bool // the last token is out, its Done is not

	chunk    protocol.Chunk // the last event, reused
	progress protocol.Progress
}

// generate starts a generation in a session that has none.
func (d *Dispatcher) generate(m *protocol.Generate) error {
	s, err := d.session(m.Session)
	if err != nil {
		return err
	}
	if s.generation != nil {
		return fault.New(fault.BadRequest, "dispatch: session ", m.Session, " is generating already")
	}
	request := d.request(m)
	if m.Format != "" {
		if request.Constraint, err = d.model.Constrain(m.Format); err != nil {
			return err
		}
	}
	g, err := s.engine.Generate(request)
	if err != nil {
		return err
	}
	s.generation = &generation{engine: g, request: request, usage: protocol.Done{
		PromptTokens: uint32(len(request.Prompt)), CachedTokens: uint32(g.Cached()),
	}}
	return nil
}

// request translates a message.
func (d *Dispatcher) request(m *protocol.Generate) engine.Request {
	r := engine.Request{
		Prompt: signed(m.Tokens), MaxTokens: int(m.MaxTokens), Stop: m.Stop, IgnoreEnd: m.IgnoreEOS, ShiftContext: m.ShiftContext,
		Logprobs: m.Logprobs, TopTokens: int(m.TopLogprobs), Adapters: active(m.Adapters),
		Sampling: sample.Options{
			Temperature: m.Temperature, TopK: int(m.TopK), TypicalP: m.TypicalP, TopP: m.TopP, MinP: m.MinP,
			RepeatPenalty: m.RepeatPenalty, PresencePenalty: m.PresencePenalty, FrequencyPenalty: m.FrequencyPenalty,
			RepeatLastN: int(m.RepeatLastN), Seed: m.Seed,
		},
	}
	if len(r.Prompt) == 0 {
		r.Prompt = encode(d.model, m.Prompt, m.AddSpecial, m.ParseSpecial)
	}
	for _, b := range m.LogitBias {
		if r.Sampling.LogitBias == nil {
			r.Sampling.LogitBias = map[int32]float32{}
		}
		r.Sampling.LogitBias[int32(b.Token)] = b.Bias
	}
	return r
}

func active(adapters []protocol.Adapter) []engine.ActiveAdapter {
	var out []engine.ActiveAdapter
	for _, a := range adapters {
		out = append(out, engine.ActiveAdapter{ID: a.ID, Scale: a.Scale})
	}
	return out
}

// abort ends a session's generation; without one it does nothing.
func (d *Dispatcher) abort(id uint32) error {
	s, err := d.session(id)
	if err == nil && s.generation != nil {
		s.generation.usage.FinishReason = "abort"
		s.generation.ended = true
	}
	return err
}

// step runs one pass and returns its event.
func (s *session) step(d *Dispatcher) (protocol.Message, error) {
	g := s.generation
	if g == nil {
		return nil, fault.New(fault.BadRequest, "dispatch: a step without a generation")
	}
	if g.ended {
		s.generation = nil
		return &g.usage, nil
	}
	begun := d.config.NowMs()
	e, err := g.engine.Next()
	if err != nil {
		s.generation = nil
		return nil, err
	}
	g.account(e, d.config.NowMs()-begun)
	if e.Token < 0 {
		g.progress = protocol.Progress{Phase: "prefill", Done: uint32(e.Prefilled), Total: g.usage.PromptTokens}
		return &g.progress, nil
	}
	return s.event(d, e), nil
}

// account adds a pass to the usage. The pass that ends prefill yields the first token.
func (g *generation) account(e engine.Event, ms float64) {
	if g.usage.CompletionTokens == 0 && (e.Token < 0 || g.engine.Produced() <= 1) && g.usage.DecodeMs == 0 {
		g.usage.PrefillMs += ms
	} else {
		g.usage.DecodeMs += ms
	}
	g.usage.CompletionTokens = uint32(g.engine.Produced())
	g.usage.FinishReason = string(e.Finish)
}

// event turns a token into its message. An end token has no chunk of its own: what it
// released comes with Done. Any other last token is a chunk, and Done the next event.
func (s *session) event(d *Dispatcher, e engine.Event) protocol.Message {
	g := s.generation
	isEnd := !g.request.IgnoreEnd && d.model.Tokenizer().IsEndOfGeneration(e.Token)
	if e.Finish != "" && isEnd {
		s.generation = nil
		g.usage.Text = string(e.Text)
		return &g.usage
	}
	g.ended = e.Finish != ""
	// The reply is written before the next step changes e.Text.
	text := unsafe.String(unsafe.SliceData(e.Text), len(e.Text))
	g.chunk = protocol.Chunk{Text: text, Token: uint32(e.Token), Logprob: e.Logprob, Top: g.chunk.Top[:0]}
	for _, t := range e.Top {
		g.chunk.Top = append(g.chunk.Top, protocol.Candidate{Token: uint32(t.ID), Text: d.piece(t.ID), Logprob: t.Logprob})
	}
	return &g.chunk
}

// piece is the text of one token, which may be part of a character.
func (d *Dispatcher) piece(id int32) string {
	return string(d.model.Tokenizer().AppendPiece(nil, id))
}
