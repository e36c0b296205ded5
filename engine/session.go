package engine

import (
	"pastel/engine/chat"
	"pastel/engine/constrain"
	"pastel/engine/gguf"
	"pastel/engine/kvcache"
	"pastel/engine/model"
	"pastel/engine/tokenizer"
	"pastel/fault"
	"pastel/kernels"
)

// A Model is a loaded model. It owns its weights until Close; sessions use them.
// A model and its sessions must not be used by two goroutines at once.
type Model struct {
	machine   Machine
	mem       *kernels.Memory
	header    *gguf.File
	weights   *model.Weights
	tokenizer *tokenizer.Tokenizer

	adapters     map[string]*adapter
	adapterEpoch int // counts changes, so that sessions plan again

	digest   string           // of the file, when the host has said
	template *chat.Template   // parsed on first use
	vocab    *constrain.Vocab // built on first use
}

// newModel plans a header and allocates its weights.
func newModel(machine Machine, mem *kernels.Memory, h *gguf.File) (*Model, error) {
	config, err := model.ReadConfig(h)
	if err != nil {
		return nil, err
	}
	weights, err := model.ReadWeights(h, config)
	if err != nil {
		return nil, err
	}
	tok, err := newTokenizer(h)
	if err != nil {
		return nil, err
	}
	m := &Model{machine: machine, mem: mem, header: h, weights: weights, tokenizer: tok}
	weights.Choose()
	if err := m.fits(); err != nil {
		return nil, err
	}
	if err := weights.Place(mem); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Config returns the hyper-parameters.
func (m *Model) Config() *model.Config { return m.weights.Config }

// Header returns the file's header.
func (m *Model) Header() *gguf.File { return m.header }

// Tokenizer returns the model's tokenizer.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tokenizer }

// Memory returns the memory weights and sessions live in.
func (m *Model) Memory() *kernels.Memory { return m.mem }

// Close frees the weights and adapters. Sessions must be closed before.
func (m *Model) Close() {
	for _, a := range m.adapters {
		a.free()
	}
	m.adapters = nil
	m.weights.Free(m.mem)
}

// SessionOptions sizes a session. The zero value serves.
type SessionOptions struct {
	// ContextLength is the number of positions; 0 means the model's own, at most 4096.
	ContextLength int
	// KV is the cache's element type. KVAuto means float32 for float32 models and float16 otherwise.
	KV KVChoice
	// LogitRows is the largest number of tokens whose logits one pass returns; 0 means 1.
	LogitRows int
}

// KVChoice selects a cache type.
type KVChoice int

// The choices.
const (
	KVAuto KVChoice = iota
	KVF32
	KVF16
	KVQ8
)

// A Session is one conversation: a cache, work memory and planned tapes.
// It owns them until Close.
type Session struct {
	model    *Model
	planner  model.Planner
	decode   *kernels.Tape // the pass of one token
	prefill  *kernels.Tape // the pass of planned tokens
	planned  shape
	adapters []ActiveAdapter

	adapterEpoch int // the model's when the tapes were planned
}

// shape is what a prefill tape was planned for.
type shape struct{ tokens, rows int }

// NewSession allocates a session.
//
// Errors: ERR_OOM with nothing left allocated, ERR_BAD_REQUEST.
func (m *Model) NewSession(o SessionOptions) (*Session, error) {
	if o.ContextLength <= 0 {
		o.ContextLength = m.defaultContext()
	}
	if limit := m.MaxContext(); o.ContextLength > limit {
		return nil, fault.New(fault.BadRequest, "engine: context of ", o.ContextLength, " positions, at most ", limit)
	}
	s := &Session{model: m}
	s.planner = model.Planner{Weights: m.weights, Q8Zero: m.machine.Q8Zero, ExactAct: m.machine.ExactAct}
	if err := s.allocate(o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// defaultContext is the context length of sessions that do not say.
func (m *Model) defaultContext() int {
	return min(max(m.Config().TrainContext, 512), 4096, m.MaxContext())
}

// MaxContext is the longest context a session may ask for.
func (m *Model) MaxContext() int {
	if p := m.weights.PosEmbd; p != nil { // learned positions end somewhere
		return p.Rows
	}
	return 1 << 20
}

// allocate takes the session's memory and plans the decode tape.
func (s *Session) allocate(o SessionOptions) (err error) {
	m, c := s.model, s.model.Config()
	if s.planner.Cache, err = kvcache.New(m.mem, m.kvType(o.KV), c.NLayers, c.NKVHeads, c.KeyDim, c.ValueDim, o.ContextLength); err != nil {
		return err
	}
	batch := min(m.machine.batch(), o.ContextLength)
	if s.planner.Work, err = model.NewWork(m.mem, m.weights, m.machine.Q8Zero, batch, min(batch, max(1, o.LogitRows))); err != nil {
		return err
	}
	if err = s.rotations(o.ContextLength); err != nil {
		return err
	}
	return s.plan()
}

// kvType resolves a choice.
func (m *Model) kvType(choice KVChoice) kernels.KVType {
	switch choice {
	case KVF32:
		return kernels.KVF32
	case KVF16:
		return kernels.KVF16
	case KVQ8:
		return kernels.KVQ8
	}
	if m.isFloat32() {
		return kernels.KVF32
	}
	return kernels.KVF16
}

// isFloat32 reports whether float16 would lose digits that the model's results have.
func (m *Model) isFloat32() bool {
	return m.weights.Output.Format == kernels.F32 || m.machine.ExactAct
}

// rotations computes the rope tables and ALiBi slopes.
func (s *Session) rotations(context int) error {
	c, mem := s.model.Config(), s.model.mem
	for i := range c.Ropes {
		at, err := mem.Alloc(4 * context * c.RopeDims)
		if err != nil {
			return err
		}
		s.planner.Ropes = append(s.planner.Ropes, at)
		c.Ropes[i].Table(mem.F32(at, context*c.RopeDims), c.RopeDims, s.model.ropeFactors(&c.Ropes[i], context))
	}
	if c.ALiBiMaxBias > 0 {
		at, err := mem.Alloc(4 * c.NHeads)
		if err != nil {
			return err
		}
		s.planner.Slopes = at
		model.ALiBiSlopes(mem.F32(at, c.NHeads), c.ALiBiMaxBias)
	}
	return nil
}

// ropeFactors returns the frequency factors for a context length, or nil.
func (m *Model) ropeFactors(r *model.RopeConfig, context int) []float32 {
	v := m.weights.RopeFactors[r.FactorsName(context)]
	if v == nil {
		return nil
	}
	return m.mem.F32(v.Addr, v.N)
}

// plan makes the tapes for the current adapters.
func (s *Session) plan() (err error) {
	s.freeTapes()
	ops := s.planner.OpsPerPass()
	if s.decode, err = kernels.NewTape(s.model.mem, ops); err != nil {
		return err
	}
	if s.prefill, err = kernels.NewTape(s.model.mem, ops); err != nil {
		return err
	}
	return s.planner.Forward(s.decode, 1, 1)
}

func (s *Session) freeTapes() {
	for _, t := range []*kernels.Tape{s.decode, s.prefill} {
		if t != nil {
			t.Free()
		}
	}
	s.decode, s.prefill, s.planned = nil, nil, shape{}
}

// Close frees the session's memory. The session must not be used afterwards.
func (s *Session) Close() {
	mem := s.model.mem
	s.freeTapes()
	if s.planner.Cache != nil {
		s.planner.Cache.Free()
	}
	if s.planner.Work != nil {
		s.planner.Work.Free(mem)
	}
	for _, a := range s.planner.Ropes {
		mem.Free(a)
	}
	mem.Free(s.planner.Slopes)
	s.planner = model.Planner{}
}

// Len is the number of tokens in the cache.
func (s *Session) Len() int { return s.planner.Cache.Len() }

// Capacity is the context length.
func (s *Session) Capacity() int { return s.planner.Cache.Capacity }

// Tokens are the tokens in the cache. The slice is the session's own.
func (s *Session) Tokens() []int32 { return s.planner.Cache.Tokens() }

// Truncate forgets all tokens from position n on.
func (s *Session) Truncate(n int) { s.planner.Cache.Truncate(n) }

// Batch is the number of tokens one pass may take.
func (s *Session) Batch() int { return s.planner.Work.N }

// LogitRows is the number of tokens whose logits one pass may return.
func (s *Session) LogitRows() int { return s.planner.Work.LogitRows }

// Forward runs one pass over ids (at most Batch) and leaves the logits of the
// last rows of them (at most LogitRows; 0: none) for Logits.
//
// Errors: ERR_CONTEXT when the context is full, ERR_BAD_REQUEST for ids outside
// the vocabulary; the cache is then as it was.
func (s *Session) Forward(ids []int32, rows int) error {
	if len(ids) == 0 || len(ids) > s.Batch() || rows > min(len(ids), s.LogitRows()) {
		return fault.New(fault.BadRequest, "engine: pass of ", len(ids), " tokens and ", rows, " rows of logits, at most ", s.Batch(), " and ", s.LogitRows())
	}
	if err := s.checkTokens(ids); err != nil {
		return err
	}
	first := s.Len()
	if err := s.planner.Cache.Append(ids); err != nil {
		return err
	}
	w := s.planner.Work
	copy(s.model.mem.I32(w.IDs, len(ids)), ids)
	for i, p := 0, s.model.mem.I32(w.Positions, len(ids)); i < len(ids); i++ {
		p[i] = int32(first + i)
	}
	tape, err := s.tapeFor(shape{len(ids), rows})
	if err != nil {
		s.Truncate(first)
		return err
	}
	s.model.machine.Exec.Run(tape)
	return nil
}

// checkTokens refuses ids outside the vocabulary.
func (s *Session) checkTokens(ids []int32) error {
	vocab := s.model.Config().VocabSize
	for _, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fault.New(fault.BadRequest, "engine: token ", id, " outside the vocabulary of ", vocab)
		}
	}
	return nil
}

// tapeFor returns the tape of a shape, planning it unless it is there.
func (s *Session) tapeFor(want shape) (*kernels.Tape, error) {
	if want == (shape{1, 1}) {
		return s.decode, nil
	}
	if s.planned != want {
		s.prefill.Reset()
		s.planned = shape{}
		if err := s.planner.Forward(s.prefill, want.tokens, want.rows); err != nil {
			return nil, err
		}
		s.planned = want
	}
	return s.prefill, nil
}

// Prefill runs ids through the model, Batch tokens a pass, and leaves the
// logits of the last one. Errors as Forward; tokens before the failing pass stay.
func (s *Session) Prefill(ids []int32) error {
	for len(ids) > s.Batch() {
		if err := s.Forward(ids[:s.Batch()], 0); err != nil {
			return err
		}
		ids = ids[s.Batch():]
	}
	return s.Forward(ids, 1)
}

// Logits returns row i of the last pass's logits [vocabSize]. The slice is the
// session's own and changes with the next pass.
func (s *Session) Logits(i int) []float32 {
	n := s.model.Config().VocabSize
	return s.model.mem.F32(s.planner.Work.Logits+kernels.Addr(4*i*n), n)
}

// Best is the index of the largest logit of the last pass with one row.
func (s *Session) Best() int32 { return s.model.mem.I32(s.planner.Work.Best, 1)[0] }
