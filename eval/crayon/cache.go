package crayon

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/engine/tensor"
	"pastel/offload"
)

// version changes when the same sizes would give another outcome.
const version = 1

// Digest names what an outcome depends on: texts, sizes, seed and this package.
func Digest(c *Corpus, s Sizes, seed uint64) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("crayon: " + err.Error()) // numbers only
	}
	return digest.Hex(fmt.Appendf(nil, "%d %s %s %d", version, c.Digest, b, seed))
}

// ReadOutcomes reads outcomes, one JSON object a line, by digest. A last line that was
// cut off is left out.
//
// Errors: the line's number with what is wrong with it.
func ReadOutcomes(r io.Reader) (map[string]*Outcome, error) {
	out := map[string]*Outcome{}
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		o := &Outcome{}
		if err := json.Unmarshal(line, o); err != nil {
			return nil, fmt.Errorf("crayon: outcomes: line %d: %w", n, err)
		}
		out[o.Digest] = o
	}
}

// Line is the outcome as ReadOutcomes reads it.
func (o *Outcome) Line() ([]byte, error) {
	b, err := json.Marshal(o)
	return append(b, '\n'), err
}

// Bytes are what crosses the network, as the product's own encoders write it.
type Bytes struct {
	Pool     int `json:"pool"`     // the joint pool with its keys, once
	Keys     int `json:"keys"`     // keys and manifest alone
	Adapter  int `json:"adapter"`  // one blended adapter, float16 in GGUF
	Full     int `json:"full"`     // the LoRA of full rank, likewise
	Scores   int `json:"scores"`   // the body of a request for a blend
	Adapters int `json:"adapters"` // in the pool
}

func bytesOf(p *pools) (b Bytes, err error) {
	f := p.joint
	spec := pool.Spec{Name: "crayon table", Licence: "CC-BY-3.0", Space: blend.FactorSpace, Weighting: blend.Weighting{Tau: 0.1},
		Base: pool.Base{Arch: "llama", Name: "tiny", Digest: digest.Hex(nil)}, Embedding: pool.Embedding{Pooling: "mean"}, Examples: f.Examples}
	files, err := pool.Build(spec, f.Adapters, f.Keys)
	if err != nil {
		return b, err
	}
	for name, data := range files {
		b.Pool += len(data)
		if name == pool.ManifestName || name == "keys.f32" {
			b.Keys += len(data)
		}
	}
	blended, err := blend.Factor("user", f.Adapters, make([]float64, len(f.Adapters)))
	if err != nil {
		return b, err
	}
	for to, a := range map[*int]*blend.Adapter{&b.Adapter: blended, &b.Full: p.wide.Adapters[0]} {
		gguf, err := gguflora.Write(a, "llama", tensor.F16)
		if err != nil {
			return b, err
		}
		*to = len(gguf)
	}
	scores := make([]float32, len(f.Adapters))
	for i, s := range f.Keys.Scores(f.Keys.Centroids[0]) {
		scores[i] = float32(s)
	}
	b.Scores, b.Adapters = len(offload.AppendScores(nil, scores)), len(f.Adapters)
	return b, nil
}
