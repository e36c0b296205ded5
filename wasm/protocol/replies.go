package protocol

// The tags of replies.
const (
	TagOK          Tag = 128
	TagError       Tag = 129
	TagModelInfo   Tag = 130
	TagAdapterInfo Tag = 131
	TagStatsReply  Tag = 132
	TagTokens      Tag = 133
	TagText        Tag = 134
	TagSessionInfo Tag = 135
	TagLogitsReply Tag = 136
	TagEmbedding   Tag = 137
	TagSnapshot    Tag = 138
	TagEstimate    Tag = 139
	TagProgress    Tag = 140
	TagChunk       Tag = 141
	TagDone        Tag = 142
)

// OK is the reply that says no more than that.
type OK struct{}

// Error is a failure. Code is one of fault.Code's; hosts branch on it and show
// Message to people.
type Error struct {
	Code    string
	Message string
}

// ModelInfo describes the loaded model.
type ModelInfo struct {
	Name          string
	Architecture  string
	Format        string // the tensor format most of the weights are in
	NLayers       uint32
	Dim           uint32
	VocabSize     uint32
	ContextLength uint32 // tokens, as trained
	NParams       uint64
	WeightBytes   uint64 // bytes in memory
	ChatTemplate  string // "" when the file has none
	BOS           int32  // token id, -1 when the model has none
	EOS           int32
	AddBOS        bool
}

// AdapterInfo describes an adapter just loaded.
type AdapterInfo struct {
	ID          string
	Rank        uint32 // the largest
	NModules    uint32
	WeightBytes uint64
}

// StatsReply is what the module uses now.
type StatsReply struct {
	MemoryBytes uint64 // the size of the module's linear memory
	HeapBytes   uint64 // live and not yet collected Go objects
	Executor    string // "reference", "simd128", "relaxed"
	Threads     uint32
}

// Tokens are token ids.
type Tokens struct {
	Tokens []uint32
}

// Text is text. Bytes that are not UTF-8 become U+FFFD in TypeScript.
type Text struct {
	Text string
}

// SessionInfo is a session's state.
type SessionInfo struct {
	Session       uint32
	ContextLength uint32 // tokens it has room for
	Length        uint32 // tokens in its cache
	KVBytes       uint64
}

// LogitsReply holds logits. Shapes: Values [NRows, VocabSize].
type LogitsReply struct {
	NRows  uint32
	Values []float32
}

// Embedding is a text as numbers: the mean over its tokens.
type Embedding struct {
	Values []float32
}

// Snapshot is a saved session.
type Snapshot struct {
	Snapshot []byte
}

// Estimate is what a model would need in bytes, and how fast it could be at most.
type Estimate struct {
	WeightBytes   uint64
	KVBytes       uint64 // cache of ContextLength tokens
	WorkBytes     uint64 // buffers of one session
	TotalBytes    uint64
	LimitBytes    uint64 // what can be had
	Fits          bool
	ContextLength uint32
	MacsPerToken  uint64
	BytesPerToken uint64  // weights one decoded token reads
	DecodeTokS    float64 // 0 when the rates are unknown
	PrefillTokS   float64
}

// Progress counts the steps of a phase that yields no text.
type Progress struct {
	Phase string // "prefill"
	Done  uint32 // tokens
	Total uint32
}

// A Candidate is a token the model considered.
type Candidate struct {
	Token   uint32
	Text    string
	Logprob float32 // natural logarithm, of the full distribution before sampling
}

// Chunk is the text one token added. Text may be empty while a character or a
// stop string is incomplete.
type Chunk struct {
	Text    string
	Token   uint32
	Logprob float32     // 0 unless asked for
	Top     []Candidate // empty unless asked for, likeliest first
}

// Done ends a generation.
type Done struct {
	FinishReason     string // "stop", "length", "abort"
	Text             string // what was held back for a stop string that never came
	PromptTokens     uint32
	CachedTokens     uint32 // of the prompt, those that were not computed again
	CompletionTokens uint32
	PrefillMs        float64
	DecodeMs         float64
}

func (*OK) Tag() Tag          { return TagOK }
func (*Error) Tag() Tag       { return TagError }
func (*ModelInfo) Tag() Tag   { return TagModelInfo }
func (*AdapterInfo) Tag() Tag { return TagAdapterInfo }
func (*StatsReply) Tag() Tag  { return TagStatsReply }
func (*Tokens) Tag() Tag      { return TagTokens }
func (*Text) Tag() Tag        { return TagText }
func (*SessionInfo) Tag() Tag { return TagSessionInfo }
func (*LogitsReply) Tag() Tag { return TagLogitsReply }
func (*Embedding) Tag() Tag   { return TagEmbedding }
func (*Snapshot) Tag() Tag    { return TagSnapshot }
func (*Estimate) Tag() Tag    { return TagEstimate }
func (*Progress) Tag() Tag    { return TagProgress }
func (*Chunk) Tag() Tag       { return TagChunk }
func (*Done) Tag() Tag        { return TagDone }

func (m *OK) fields(*coder) {}

func (m *Error) fields(c *coder) {
	c.str(&m.Code)
	c.str(&m.Message)
}

func (m *ModelInfo) fields(c *coder) {
	c.str(&m.Name)
	c.str(&m.Architecture)
	c.str(&m.Format)
	c.u32(&m.NLayers)
	c.u32(&m.Dim)
	c.u32(&m.VocabSize)
	c.u32(&m.ContextLength)
	c.u53(&m.NParams)
	c.u53(&m.WeightBytes)
	c.str(&m.ChatTemplate)
	c.i32(&m.BOS)
	c.i32(&m.EOS)
	c.bool(&m.AddBOS)
}

func (m *AdapterInfo) fields(c *coder) {
	c.str(&m.ID)
	c.u32(&m.Rank)
	c.u32(&m.NModules)
	c.u53(&m.WeightBytes)
}

func (m *StatsReply) fields(c *coder) {
	c.u53(&m.MemoryBytes)
	c.u53(&m.HeapBytes)
	c.str(&m.Executor)
	c.u32(&m.Threads)
}

func (m *Tokens) fields(c *coder) { c.u32s(&m.Tokens) }
func (m *Text) fields(c *coder)   { c.str(&m.Text) }

func (m *SessionInfo) fields(c *coder) {
	c.u32(&m.Session)
	c.u32(&m.ContextLength)
	c.u32(&m.Length)
	c.u53(&m.KVBytes)
}

func (m *LogitsReply) fields(c *coder) {
	c.u32(&m.NRows)
	c.f32s(&m.Values)
}

func (m *Embedding) fields(c *coder) { c.f32s(&m.Values) }

func (m *Snapshot) fields(c *coder) { c.bytes(&m.Snapshot) }

func (m *Estimate) fields(c *coder) {
	for _, v := range []*uint64{&m.WeightBytes, &m.KVBytes, &m.WorkBytes, &m.TotalBytes, &m.LimitBytes} {
		c.u53(v)
	}
	c.bool(&m.Fits)
	c.u32(&m.ContextLength)
	c.u53(&m.MacsPerToken)
	c.u53(&m.BytesPerToken)
	c.f64(&m.DecodeTokS)
	c.f64(&m.PrefillTokS)
}

func (m *Progress) fields(c *coder) {
	c.str(&m.Phase)
	c.u32(&m.Done)
	c.u32(&m.Total)
}

func (m *Chunk) fields(c *coder) {
	c.str(&m.Text)
	c.u32(&m.Token)
	c.f32(&m.Logprob)
	list(c, &m.Top, 12, func(c *coder, t *Candidate) {
		c.u32(&t.Token)
		c.str(&t.Text)
		c.f32(&t.Logprob)
	})
}

func (m *Done) fields(c *coder) {
	c.str(&m.FinishReason)
	c.str(&m.Text)
	c.u32(&m.PromptTokens)
	c.u32(&m.CachedTokens)
	c.u32(&m.CompletionTokens)
	c.f64(&m.PrefillMs)
	c.f64(&m.DecodeMs)
}
