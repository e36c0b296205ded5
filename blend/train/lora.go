package train

import (
	"math"
	"math/rand/v2"

	"pastel/blend"
)

// A LoRA holds trainable factors for some linear maps of a model, all in Flat. A
// LoRA of the same shape serves as its gradient.
type LoRA struct {
	Rank    int
	Scaling float64
	Flat    []float64
	Sites   []Site            // in the order of Flat
	at      map[siteKey]*Site // by layer and linear map
}

type siteKey struct{ layer, linear int }

// A Site is the pair of factors on one linear map.
type Site struct {
	Layer, Linear int
	In, Out       int
	A             []float64 // [rank, in]
	B             []float64 // [out, rank]
}

// NewLoRA returns zero factors on the given linear maps of every layer.
func NewLoRA(c Config, linears []int, rank int, scaling float64) *LoRA {
	l := &LoRA{Rank: rank, Scaling: scaling, at: map[siteKey]*Site{}}
	shapes := c.shapes()
	n := 0
	for _, i := range linears {
		n += c.Layers * rank * (shapes[i][0] + shapes[i][1])
	}
	l.Flat = make([]float64, n)
	rest := l.Flat
	for layer := range c.Layers {
		for _, i := range linears {
			s := Site{Layer: layer, Linear: i, Out: shapes[i][0], In: shapes[i][1]}
			s.A, rest = rest[:rank*s.In:rank*s.In], rest[rank*s.In:]
			s.B, rest = rest[:s.Out*rank:s.Out*rank], rest[s.Out*rank:]
			l.Sites = append(l.Sites, s)
		}
	}
	for i := range l.Sites {
		s := &l.Sites[i]
		l.at[siteKey{s.Layer, s.Linear}] = s
	}
	return l
}

// Like returns zero factors of the same shape as l.
func (l *LoRA) Like(c Config) *LoRA {
	var linears []int
	for _, s := range l.Sites {
		if s.Layer == 0 {
			linears = append(linears, s.Linear)
		}
	}
	return NewLoRA(c, linears, l.Rank, l.Scaling)
}

// Init draws A uniformly from ±1/√in and leaves B zero, as PEFT does.
func (l *LoRA) Init(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x107A))
	for _, s := range l.Sites {
		bound := 1 / math.Sqrt(float64(s.In))
		for i := range s.A {
			s.A[i] = bound * (2*rng.Float64() - 1)
		}
	}
}

// site returns the factors on a linear map, nil when there are none. l may be nil.
func (l *LoRA) site(layer, linear int) *Site {
	if l == nil {
		return nil
	}
	return l.at[siteKey{layer, linear}]
}

// Adapter converts the factors to the type that is stored and blended.
func (l *LoRA) Adapter(name string) (*blend.Adapter, error) {
	var pairs []blend.Pair
	for _, s := range l.Sites {
		pairs = append(pairs, blend.Pair{Target: Target(s.Layer, s.Linear), Rank: l.Rank, In: s.In, Out: s.Out,
			A: narrow(s.A), B: narrow(s.B), Scaling: float32(l.Scaling)})
	}
	a, err := blend.NewAdapter(name, pairs)
	if err == nil {
		a.Arch = "llama"
	}
	return a, err
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// Merge adds the adapter to the weights: W += Σ scale·s·B·A, densely. It is the
// definition of what an adapter does. Targets outside the model are an error of
// the caller's and panic.
func (m *Model) Merge(a *blend.Adapter, scale float64) {
	byName := map[string][]float64{}
	m.each(func(name string, p *[]float64, _ int) { byName[name] = *p })
	for i := range a.Pairs {
		p := &a.Pairs[i]
		w, ok := byName[p.Target]
		if !ok || len(w) != p.Out*p.In {
			panic("train: adapter does not fit: " + p.Target)
		}
		for o := range p.Out {
			for k := range p.Rank {
				c := scale * float64(p.Scaling) * float64(p.B[o*p.Rank+k])
				for j, v := range p.A[k*p.In : (k+1)*p.In] {
					w[o*p.In+j] += c * float64(v)
				}
			}
		}
	}
}

// Clone copies a model.
func (m *Model) Clone() *Model {
	c := New(m.Config)
	copy(c.Flat, m.Flat)
	return c
}
