package pool

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/keys"
	"pastel/engine/tensor"
	"pastel/fault"
)

// A Spec is what Build cannot find out from the adapters.
type Spec struct {
	Name, Licence string
	Provenance    map[string]string
	Base          Base
	Embedding     Embedding
	Space         blend.Space
	Weighting     blend.Weighting
	Examples      []int // per adapter, or nil
}

// Build makes the files of a pool, the manifest under ManifestName. Adapters get
// their ranks put in order; in the delta space missing targets and ranks are
// filled with zeros. Factors are rounded to F16 after scaling by powers of two.
//
// Errors: fault.LoRAMismatch for adapters that do not go together,
// fault.BadRequest for a spec that makes no valid manifest.
func Build(spec Spec, adapters []*blend.Adapter, k *keys.Keys) (map[string][]byte, error) {
	if len(adapters) == 0 || len(adapters) != len(k.Centroids) {
		return nil, fault.New(fault.BadRequest, "pool: ", len(adapters), " adapters for ", len(k.Centroids), " keys")
	}
	ordered, err := blend.OrderRanks(adapters, spec.Space)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Name: spec.Name, Licence: spec.Licence, Provenance: spec.Provenance, Base: spec.Base, Embedding: spec.Embedding,
		Space: spec.Space, Weighting: spec.Weighting}
	m.Embedding.Dim = len(k.Mu)
	if m.Weighting.Kind == "" {
		m.Weighting.Kind = blend.Softmax
	}
	scales, err := m.setTargets(ordered)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	m.Keys = store(files, "keys.f32", keysBytes(k))
	for n, a := range ordered {
		data := m.encode(a, scales)
		entry := Adapter{Name: adapters[n].Name, File: store(files, "adapter-"+strconv.Itoa(n)+".f16", data)}
		for s := range slices.Chunk(data, m.SliceBytes()) {
			entry.Slices = append(entry.Slices, digest.Hex(s))
		}
		if spec.Examples != nil {
			entry.Examples = spec.Examples[n]
		}
		m.Adapters = append(m.Adapters, entry)
	}
	files[ManifestName] = m.Append(nil)
	if _, err := ParseManifest(files[ManifestName], ""); err != nil {
		return nil, fault.New(fault.BadRequest, err)
	}
	return files, nil
}

func store(files map[string][]byte, name string, data []byte) File {
	files[name] = data
	return File{Name: name, SHA256: digest.Hex(data), Bytes: len(data)}
}

func keysBytes(k *keys.Keys) []byte {
	values := slices.Clone(k.Mu)
	for _, c := range k.Centroids {
		values = append(values, c...)
	}
	out := make([]byte, 4*len(values))
	if err := tensor.Store(tensor.F32, out, values); err != nil {
		panic(err) // sizes are ours
	}
	return out
}

// factorScale holds the powers of two that A and B of one target are multiplied by.
type factorScale struct{ a, b float32 }

// setTargets lists the union of targets, the largest rank, and their scales.
func (m *Manifest) setTargets(adapters []*blend.Adapter) ([]factorScale, error) {
	largest := map[string]*[2]float64{}
	for _, a := range adapters {
		m.Rank = max(m.Rank, a.Rank())
		for i := range a.Pairs {
			p := &a.Pairs[i]
			if p.Scaling != 1 {
				return nil, fault.New(fault.Internal, "pool: scaling ", p.Scaling, " after ordering")
			}
			if largest[p.Target] == nil {
				largest[p.Target] = &[2]float64{}
				m.Targets = append(m.Targets, Target{Name: p.Target, In: p.In, Out: p.Out})
			}
			l := largest[p.Target]
			l[0], l[1] = max(l[0], maxAbs(p.A)), max(l[1], maxAbs(p.B))
		}
	}
	slices.SortFunc(m.Targets, func(x, y Target) int { return strings.Compare(x.Name, y.Name) })
	scales := make([]factorScale, len(m.Targets))
	for i := range m.Targets {
		t := &m.Targets[i]
		l := largest[t.Name]
		if math.IsInf(l[0]+l[1], 0) || math.IsNaN(l[0]+l[1]) {
			return nil, fault.New(fault.BadRequest, "pool: tensor ", fault.Quote(t.Name), " holds values that are not finite")
		}
		scales[i] = factorScale{tensor.HalfScale(l[0]), tensor.HalfScale(l[1])}
		t.Scale = 1 / (scales[i].a * scales[i].b)
		for _, a := range adapters {
			if p := a.Pair(t.Name); p != nil && (p.In != t.In || p.Out != t.Out) {
				return nil, fault.New(fault.LoRAMismatch, "pool: tensor ", fault.Quote(t.Name), " has two shapes")
			}
		}
	}
	return scales, nil
}

func maxAbs(x []float32) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// encode writes an adapter rank by rank: for each target a row of A, then a
// column of B.
func (m *Manifest) encode(a *blend.Adapter, scales []factorScale) []byte {
	out := make([]byte, 0, m.PrefixBytes(m.Rank))
	for k := range m.Rank {
		for i, t := range m.Targets {
			p := a.Pair(t.Name)
			if p == nil || k >= p.Rank {
				out = append(out, make([]byte, 2*(t.In+t.Out))...)
				continue
			}
			for j := range t.In {
				out = appendHalf(out, p.A[k*t.In+j]*scales[i].a)
			}
			for o := range t.Out {
				out = appendHalf(out, p.B[o*p.Rank+k]*scales[i].b)
			}
		}
	}
	return out
}

func appendHalf(dst []byte, v float32) []byte {
	h := tensor.F32ToNormalF16(v)
	return append(dst, byte(h), byte(h>>8))
}
