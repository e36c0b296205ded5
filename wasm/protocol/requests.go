package protocol

// The tags of requests. Each is answered by exactly one reply; an Error may take
// the place of any other.
const (
	TagOpen           Tag = 1
	TagFinish         Tag = 2
	TagDiscard        Tag = 3
	TagUnload         Tag = 4
	TagInfo           Tag = 5
	TagStats          Tag = 6
	TagPreflight      Tag = 7
	TagTokenize       Tag = 10
	TagDetokenize     Tag = 11
	TagRender         Tag = 12
	TagEmbed          Tag = 13
	TagOpenSession    Tag = 20
	TagCloseSession   Tag = 21
	TagTruncate       Tag = 22
	TagSaveSession    Tag = 23
	TagRestoreSession Tag = 24
	TagGenerate       Tag = 30
	TagAbort          Tag = 31
	TagLogits         Tag = 32
)

// A File is one file of a stream.
type File struct {
	Name string // for messages only
	Size uint64 // bytes
}

// Open begins a stream of files, whose bytes follow through the module's write
// export; Finish ends it. Reply: OK.
type Open struct {
	Kind  string // "model", "adapter", or "header": a model's header only, for Preflight
	ID    string // the adapter's name in requests; unused for a model
	Files []File // the shards of a model in their order, or one file
}

// Finish ends the stream. Reply: ModelInfo or AdapterInfo, by the stream's kind.
type Finish struct {
	// Digest is the SHA-256 of the model's files in hex, with a space between, or "" when
	// the host does not know it; without one, snapshots of models with equal shapes look
	// alike.
	Digest string
}

// Discard throws a half-written stream away. Reply: OK, also when there is none.
type Discard struct{}

// Unload frees an adapter. Reply: OK. (A model is freed with its whole instance:
// the memory of a WebAssembly instance never shrinks.)
type Unload struct {
	ID string
}

// Info asks for the loaded model. Reply: ModelInfo.
type Info struct{}

// Stats asks for memory and executor figures. Reply: StatsReply.
type Stats struct{}

// Preflight ends a stream of kind "header" with what that model would need and how
// fast it could be, from the rates the host has measured; 0 is unknown. Nothing is
// allocated and a loaded model stays. Reply: Estimate.
type Preflight struct {
	ContextLength uint32 // as in OpenSession
	KVType        string
	ReadBytesPerS float64 // memory read rate
	MacsPerS      float64 // rate of the dot instruction
}

// Tokenize turns text into ids. Reply: Tokens.
type Tokenize struct {
	Text         string
	AddSpecial   bool // begin-of-sequence and the like, where the model asks for them
	ParseSpecial bool // false: text that looks like a special token stays text
}

// Detokenize turns ids into text. Reply: Text.
type Detokenize struct {
	Tokens  []uint32
	Special bool // write special tokens out as text
}

// Render writes a conversation down as a prompt. Reply: Text, which holds special
// tokens as text and no begin-of-sequence token where the model adds one itself:
// generate with ParseSpecial and AddSpecial.
type Render struct {
	Messages            string // JSON array of {role, content, …}
	Tools               string // JSON array of function descriptions, or ""
	Variables           string // JSON object of further variables of the template, or ""
	AddGenerationPrompt bool   // end where the assistant's answer begins
	ChatML              bool   // use ChatML where the model's file has no template
}

// Embed asks for the embedding of a text: see engine.Session.Embed and its Recipe.
// For the first layer the session's cache is untouched; another layer wants an idle
// session and empties it. Reply: Embedding.
type Embed struct {
	Session uint32
	Tokens  []uint32
	Layer   uint32
	Last    bool
}

// OpenSession makes a KV cache. Reply: SessionInfo.
type OpenSession struct {
	ContextLength uint32 // tokens; 0 is the model's own
	KVType        string // "F32", "F16", "Q8_0"; "" is the engine's choice
	LogitRows     uint32 // the most rows of Logits computed in one pass; 0 is 1
}

// CloseSession frees a session. Reply: OK.
type CloseSession struct {
	Session uint32
}

// Truncate keeps the first Length tokens of a session's cache. Reply: SessionInfo.
type Truncate struct {
	Session uint32
	Length  uint32
}

// SaveSession asks for a session's tokens, keys and values as bytes. They hold the
// conversation. Reply: Snapshot.
type SaveSession struct {
	Session uint32
}

// RestoreSession makes a session continue where a snapshot was taken, under the same
// model, cache type and adapters. Reply: SessionInfo; after an Error the session is
// empty.
type RestoreSession struct {
	Session  uint32
	Adapters []Adapter
	Snapshot []byte
}

// An Adapter is a loaded adapter and how strongly it acts.
type Adapter struct {
	ID    string
	Scale float32
}

// Generate starts a generation in a session. Reply: OK; then each call of the
// module's step export returns Progress, Chunk, or Done, which is the last.
//
// The prompt is Tokens when there are any, and Prompt otherwise. What of it is
// already in the session's cache under the same adapters is not computed again.
type Generate struct {
	Session      uint32
	Prompt       string
	Tokens       []uint32
	AddSpecial   bool // as in Tokenize
	ParseSpecial bool
	MaxTokens    uint32 // 0: until a stop or the end of the context
	Temperature  float32
	TopK         uint32  // 0: off
	TopP         float32 // 1 or 0: off
	MinP         float32 // 0: off
	Seed         uint64  // below 2⁵³
	Stop         []string
	IgnoreEOS    bool
	Adapters     []Adapter
	Logprobs     bool
	TopLogprobs  uint32 // how many rivals to report with each token

	TypicalP         float32 // 1 or 0: off
	RepeatPenalty    float32 // 1 or 0: off
	PresencePenalty  float32
	FrequencyPenalty float32
	RepeatLastN      int32 // tokens the penalties look back; 0: 64, negative: all
	LogitBias        []Bias

	Format string // "" any text, "json" a JSON object, else the text of a JSON Schema

	ShiftContext bool // a full context forgets its older half instead of ending the text
}

// A Bias is added to a token's logit. Negative infinity forbids the token.
type Bias struct {
	Token uint32
	Bias  float32
}

// Abort ends a session's generation: its next step is Done with "abort". Reply: OK.
type Abort struct {
	Session uint32
}

// Logits feeds tokens to an emptied session. Reply: LogitsReply.
type Logits struct {
	Session  uint32
	Tokens   []uint32
	All      bool // one row for every token; false: the last token's only
	Adapters []Adapter
}

func (*Open) Tag() Tag           { return TagOpen }
func (*Finish) Tag() Tag         { return TagFinish }
func (*Discard) Tag() Tag        { return TagDiscard }
func (*Unload) Tag() Tag         { return TagUnload }
func (*Info) Tag() Tag           { return TagInfo }
func (*Stats) Tag() Tag          { return TagStats }
func (*Preflight) Tag() Tag      { return TagPreflight }
func (*Tokenize) Tag() Tag       { return TagTokenize }
func (*Detokenize) Tag() Tag     { return TagDetokenize }
func (*Render) Tag() Tag         { return TagRender }
func (*Embed) Tag() Tag          { return TagEmbed }
func (*OpenSession) Tag() Tag    { return TagOpenSession }
func (*CloseSession) Tag() Tag   { return TagCloseSession }
func (*Truncate) Tag() Tag       { return TagTruncate }
func (*SaveSession) Tag() Tag    { return TagSaveSession }
func (*RestoreSession) Tag() Tag { return TagRestoreSession }
func (*Generate) Tag() Tag       { return TagGenerate }
func (*Abort) Tag() Tag          { return TagAbort }
func (*Logits) Tag() Tag         { return TagLogits }

func (m *Open) fields(c *coder) {
	c.str(&m.Kind)
	c.str(&m.ID)
	list(c, &m.Files, 12, func(c *coder, f *File) {
		c.str(&f.Name)
		c.u53(&f.Size)
	})
}

func (m *Finish) fields(c *coder) { c.str(&m.Digest) }
func (m *Discard) fields(*coder)  {}

func (m *Unload) fields(c *coder) { c.str(&m.ID) }

func (m *Info) fields(*coder)  {}
func (m *Stats) fields(*coder) {}

func (m *Preflight) fields(c *coder) {
	c.u32(&m.ContextLength)
	c.str(&m.KVType)
	c.f64(&m.ReadBytesPerS)
	c.f64(&m.MacsPerS)
}

func (m *Tokenize) fields(c *coder) {
	c.str(&m.Text)
	c.bool(&m.AddSpecial)
	c.bool(&m.ParseSpecial)
}

func (m *Detokenize) fields(c *coder) {
	c.u32s(&m.Tokens)
	c.bool(&m.Special)
}

func (m *Render) fields(c *coder) {
	c.str(&m.Messages)
	c.str(&m.Tools)
	c.str(&m.Variables)
	c.bool(&m.AddGenerationPrompt)
	c.bool(&m.ChatML)
}

func (m *Embed) fields(c *coder) {
	c.u32(&m.Session)
	c.u32s(&m.Tokens)
	c.u32(&m.Layer)
	c.bool(&m.Last)
}

func (m *OpenSession) fields(c *coder) {
	c.u32(&m.ContextLength)
	c.str(&m.KVType)
	c.u32(&m.LogitRows)
}

func (m *CloseSession) fields(c *coder) { c.u32(&m.Session) }

func (m *Truncate) fields(c *coder) {
	c.u32(&m.Session)
	c.u32(&m.Length)
}

func (m *SaveSession) fields(c *coder) { c.u32(&m.Session) }

func (m *RestoreSession) fields(c *coder) {
	c.u32(&m.Session)
	c.adapters(&m.Adapters)
	c.bytes(&m.Snapshot)
}

func (c *coder) adapters(v *[]Adapter) {
	list(c, v, 8, func(c *coder, a *Adapter) {
		c.str(&a.ID)
		c.f32(&a.Scale)
	})
}

func (m *Generate) fields(c *coder) {
	c.u32(&m.Session)
	c.str(&m.Prompt)
	c.u32s(&m.Tokens)
	c.bool(&m.AddSpecial)
	c.bool(&m.ParseSpecial)
	c.u32(&m.MaxTokens)
	c.f32(&m.Temperature)
	c.u32(&m.TopK)
	c.f32(&m.TopP)
	c.f32(&m.MinP)
	c.u53(&m.Seed)
	c.strs(&m.Stop)
	c.bool(&m.IgnoreEOS)
	c.adapters(&m.Adapters)
	c.bool(&m.Logprobs)
	c.u32(&m.TopLogprobs)
	c.f32(&m.TypicalP)
	c.f32(&m.RepeatPenalty)
	c.f32(&m.PresencePenalty)
	c.f32(&m.FrequencyPenalty)
	c.i32(&m.RepeatLastN)
	list(c, &m.LogitBias, 8, func(c *coder, b *Bias) {
		c.u32(&b.Token)
		c.f32(&b.Bias)
	})
	c.str(&m.Format)
	c.bool(&m.ShiftContext)
}

func (m *Abort) fields(c *coder) { c.u32(&m.Session) }

func (m *Logits) fields(c *coder) {
	c.u32(&m.Session)
	c.u32s(&m.Tokens)
	c.bool(&m.All)
	c.adapters(&m.Adapters)
}
