package model

import (
	"math"

	"pastel/engine/gguf"
)

// A RopeConfig says how fast each pair of a head turns.
//
// Source: Su et al. 2021, arXiv:2104.09864; YaRN: Peng et al. 2023, arXiv:2309.00071, section 3.
type RopeConfig struct {
	Base       float32
	Factor     float32 // context extension; 1: none
	YaRN       bool    // blend by frequency instead of dividing all positions
	OrigLen    int     // context before extension
	AttnFactor float32 // multiplies cosine and sine
	Freqs      string  // name of a tensor that divides the frequencies, or ""
	FreqsLong  string  // the same for contexts beyond OrigLen (longrope), or ""
}

// readRope reads the rope keys that all families share.
func readRope(m *metadata, c *Config) RopeConfig {
	r := RopeConfig{Base: m.float("rope.freq_base", 10000), Factor: 1, AttnFactor: 1}
	kind := m.string("rope.scaling.type", "")
	factor := m.float("rope.scaling.factor", m.float("rope.scale_linear", 1))
	switch kind {
	case "linear", "":
		if kind == "linear" || m.Has(m.key("rope.scale_linear")) {
			r.Factor = factor
		}
	case "yarn":
		r.YaRN, r.Factor = true, factor
	}
	r.OrigLen = m.int("rope.scaling.original_context_length", c.TrainContext, 1<<30)
	r.AttnFactor = m.float("rope.scaling.attn_factor", 1)
	if r.Factor == 0 {
		r.Factor = 1
	}
	return r
}

// Table fills dst [positions, dims/2, 2] with cosines and sines of every
// position. factors divides the frequency of each pair; nil: ones.
func (r *RopeConfig) Table(dst []float32, dims int, factors []float32) {
	half := dims / 2
	if half == 0 {
		return
	}
	angle := make([]float64, half)
	magnitude := r.angles(angle, dims, factors)
	for i := 0; i < len(dst); i += dims {
		pos := float64(i / dims)
		for j, a := range angle {
			s, c := math.Sincos(pos * a)
			dst[i+2*j] = float32(c * magnitude)
			dst[i+2*j+1] = float32(s * magnitude)
		}
	}
}

// angles sets the angle per position of each pair and returns the factor of
// cosine and sine.
func (r *RopeConfig) angles(angle []float64, dims int, factors []float32) (magnitude float64) {
	magnitude = float64(r.AttnFactor)
	for j := range angle {
		angle[j] = math.Pow(float64(r.Base), -2*float64(j)/float64(dims))
		if factors != nil {
			angle[j] /= float64(factors[j])
		}
	}
	if !r.YaRN {
		for j := range angle {
			angle[j] /= float64(r.Factor)
		}
		return magnitude
	}
	low, high := r.yarnRange(dims)
	for j := range angle {
		ramp := 1 - min(1, max(0, (float64(j)-low)/max(0.001, high-low)))
		angle[j] = angle[j]/float64(r.Factor)*(1-ramp) + angle[j]*ramp
	}
	return magnitude * (1 + 0.1*math.Log(float64(r.Factor)))
}

// yarnRange returns the pairs between which YaRN fades from keeping the
// frequency (32 turns over the original context) to dividing it (1 turn).
func (r *RopeConfig) yarnRange(dims int) (low, high float64) {
	at := func(turns float64) float64 {
		return float64(dims) * math.Log(float64(r.OrigLen)/(turns*2*math.Pi)) / (2 * math.Log(float64(r.Base)))
	}
	return max(0, math.Floor(at(32))), min(float64(dims-1), math.Ceil(at(1)))
}

// FactorsName is the tensor with this context's frequency factors, or "".
func (r *RopeConfig) FactorsName(context int) string {
	if r.FreqsLong != "" && context > r.OrigLen {
		return r.FreqsLong
	}
	return r.Freqs
}

// hasTensor reports whether the file has a tensor of this name.
func hasTensor(f *gguf.File, name string) bool {
	_, ok := f.Tensor(name)
	return ok
}

func sqrt(x float64) float64 { return math.Sqrt(x) }

// ALiBiSlopes fills the per-head slopes of a linear attention bias.
//
// Source: Press et al. 2021, arXiv:2108.12409, section 3 and its code for head
// counts that are no power of two.
func ALiBiSlopes(dst []float32, maxBias float32) {
	pow := 1
	for pow*2 <= len(dst) {
		pow *= 2
	}
	for h := range dst {
		if h < pow {
			dst[h] = float32(math.Exp2(-float64(maxBias) * float64(h+1) / float64(pow)))
		} else {
			dst[h] = float32(math.Exp2(-float64(maxBias) / 2 * float64(2*(h-pow)+1) / float64(pow)))
		}
	}
}
