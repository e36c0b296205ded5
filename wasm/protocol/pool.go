package protocol

// The tags of messages about adapter pools.
const (
	TagCustomize  Tag = 40
	TagClosePool  Tag = 41
	TagRefine     Tag = 42
	TagPoolInfo   Tag = 150
	TagCustomized Tag = 151
)

// A pool is loaded with Open of kind "pool": its manifest, its keys and, unless it is
// only for scores, its adapters in the manifest's order, each file whole before the
// next. Open's ID is the manifest's SHA-256 that is wanted, or "". Reply to Finish:
// PoolInfo. There is one pool at a time; it is gone when a model is loaded.

// Customize makes an adapter from the loaded pool for somebody who shows some
// samples. Reply: Customized, with Searching when there are Labelled: Refine goes on.
type Customize struct {
	ID         string // the adapter's name in requests
	Session    uint32 // an idle one; Labelled empties it, and so does a pool that embeds at a layer above the first
	Samples    []string
	Weights    []float64 // when there are any they are used as they are, without samples
	Weighting  string    // how scores become weights; "": as the pool says, with its Tau and TopK
	Tau        float64
	TopK       uint32
	ScoresOnly bool // make no adapter
	Save       bool // reply with the adapter's file
	Labelled   []Labelled
	MaxEvals   uint32  // of the loss of Labelled; 0 is 64
	MaxMs      float64 // after which no evaluation begins; 0 is no limit
	Seed       uint64  // of the search, below 2⁵³
}

// Labelled is a sample with the answer that is wanted: weights are improved until
// it is likelier, or the search's limits are reached.
type Labelled struct {
	Prompt string
	Answer string
}

// Refine tries the next weights of the search that Customize began; any other request
// ends the search without an adapter. Reply: Customized, once more with Searching, or the adapter when
// the search has reached its limits.
type Refine struct {
	Stop bool // make the adapter of the best weights so far instead
}

// ClosePool frees the pool. Reply: OK, also when there is none.
type ClosePool struct{}

// PoolInfo describes the pool just loaded.
type PoolInfo struct {
	ID          string // SHA-256 of the manifest
	Name        string
	Adapters    []string // names
	Rank        uint32
	CanBlend    bool // the adapters are there, not only the keys
	WeightBytes uint64
}

// Customized tells what was made and how long each part took.
type Customized struct {
	ID          string
	PoolID      string
	Scores      []float64 // empty when weights were given
	Weights     []float64
	Rank        uint32
	NModules    uint32
	WeightBytes uint64
	EmbedMs     float64
	RefineMs    float64
	BlendMs     float64 // weighted sums
	PackMs      float64 // into the kernels' layout
	StartLoss   float64 // mean negative log-likelihood of a token of the answers
	Loss        float64
	Evals       uint32 // 0 without Labelled
	File        []byte // a GGUF LoRA, empty unless asked for
	Searching   bool   // there is no adapter yet: these are the best weights so far

	// Where the samples lie: what the scope of a query is measured from. Empty when
	// weights were given.
	Layer   uint32    // of the pool's recipe: see Embed
	Last    bool      // the same
	Mean    []float32 // [dim], the pool's
	Samples []float32 // [samples, dim], their embeddings
}

func (*Customize) Tag() Tag  { return TagCustomize }
func (*ClosePool) Tag() Tag  { return TagClosePool }
func (*Refine) Tag() Tag     { return TagRefine }
func (*PoolInfo) Tag() Tag   { return TagPoolInfo }
func (*Customized) Tag() Tag { return TagCustomized }

// newPoolMessage is newMessage for this file's tags.
func newPoolMessage(t Tag) Message {
	switch t {
	case TagCustomize:
		return &Customize{}
	case TagClosePool:
		return &ClosePool{}
	case TagRefine:
		return &Refine{}
	case TagPoolInfo:
		return &PoolInfo{}
	case TagCustomized:
		return &Customized{}
	}
	return nil
}

func (c *coder) f64s(v *[]float64) { list(c, v, 8, (*coder).f64) }

func (m *Customize) fields(c *coder) {
	c.str(&m.ID)
	c.u32(&m.Session)
	c.strs(&m.Samples)
	c.f64s(&m.Weights)
	c.str(&m.Weighting)
	c.f64(&m.Tau)
	c.u32(&m.TopK)
	c.bool(&m.ScoresOnly)
	c.bool(&m.Save)
	list(c, &m.Labelled, 8, func(c *coder, l *Labelled) {
		c.str(&l.Prompt)
		c.str(&l.Answer)
	})
	c.u32(&m.MaxEvals)
	c.f64(&m.MaxMs)
	c.u53(&m.Seed)
}

func (m *ClosePool) fields(*coder) {}

func (m *Refine) fields(c *coder) { c.bool(&m.Stop) }

func (m *PoolInfo) fields(c *coder) {
	c.str(&m.ID)
	c.str(&m.Name)
	c.strs(&m.Adapters)
	c.u32(&m.Rank)
	c.bool(&m.CanBlend)
	c.u53(&m.WeightBytes)
}

func (m *Customized) fields(c *coder) {
	c.str(&m.ID)
	c.str(&m.PoolID)
	c.f64s(&m.Scores)
	c.f64s(&m.Weights)
	c.u32(&m.Rank)
	c.u32(&m.NModules)
	c.u53(&m.WeightBytes)
	for _, v := range []*float64{&m.EmbedMs, &m.RefineMs, &m.BlendMs, &m.PackMs, &m.StartLoss, &m.Loss} {
		c.f64(v)
	}
	c.u32(&m.Evals)
	c.bytes(&m.File)
	c.bool(&m.Searching)
	c.u32(&m.Layer)
	c.bool(&m.Last)
	c.f32s(&m.Mean)
	c.f32s(&m.Samples)
}
