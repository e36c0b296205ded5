package pool

import (
	"maps"
	"slices"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// ManifestName is the name of the manifest in a pool's directory.
const ManifestName = "pool.json"

// SignatureName is the name of an Ed25519 signature of the manifest's bytes, if there is one.
// It is made and checked outside this package: engine.wasm links no public-key arithmetic.
const SignatureName = "pool.json.sig"

// ParseManifest reads a manifest and checks it. When want is not empty the
// bytes must have that SHA-256.
//
// Errors: fault.Hash for other bytes than wanted; fault.BadFile for anything the
// format does not allow.
func ParseManifest(b []byte, want string) (*Manifest, error) {
	if len(b) > maxManifestBytes {
		return nil, fault.New(fault.BadFile, "pool: manifest of ", len(b), " bytes is over the limit of ", maxManifestBytes)
	}
	id := digest.Hex(b)
	if want != "" && want != id {
		return nil, fault.New(fault.Hash, "pool: manifest has digest ", id, ", want ", fault.Quote(want))
	}
	v, err := jsonvalue.Options{MaxDepth: 8, MaxBytes: maxManifestBytes, MaxValues: 1 << 20, RefuseDuplicates: true}.Parse(b)
	if err != nil {
		return nil, fault.New(fault.BadFile, "pool: manifest: ", err)
	}
	var r fields
	m := r.manifest(v)
	m.ID = id
	if r.err != nil {
		return nil, r.err
	}
	return m, m.validate()
}

// fields reads typed members of objects and keeps the first error.
type fields struct{ err error }

func (r *fields) get(v jsonvalue.Value, key string) jsonvalue.Value {
	x, ok := v.Get(key)
	if !ok {
		r.fail(key, "is missing")
	}
	return x
}

func (r *fields) fail(key, why string) {
	if r.err == nil {
		r.err = fault.New(fault.BadFile, "pool: manifest: ", fault.Quote(key), " ", why)
	}
}

func (r *fields) str(v jsonvalue.Value, key string) string {
	s, ok := r.get(v, key).String()
	if !ok {
		r.fail(key, "is no string")
	}
	return s
}

func (r *fields) integer(v jsonvalue.Value, key string) int {
	n, ok := r.get(v, key).Int()
	if !ok || n < 0 || n > 1<<40 {
		r.fail(key, "is no natural number")
	}
	return int(n)
}

func (r *fields) number(v jsonvalue.Value, key string) float64 {
	f, ok := r.get(v, key).Float()
	if !ok {
		r.fail(key, "is no number")
	}
	return f
}

func (r *fields) list(v jsonvalue.Value, key string) []jsonvalue.Value {
	list, ok := r.get(v, key).Array()
	if !ok {
		r.fail(key, "is no list")
	}
	return list
}

func (r *fields) manifest(v jsonvalue.Value) *Manifest {
	if r.str(v, "format") != "pastel-pool" || r.integer(v, "version") != Version {
		r.fail("version", "is not one this program reads")
	}
	base, emb, bl := r.get(v, "base"), r.get(v, "embedding"), r.get(v, "blend")
	m := &Manifest{
		Name: r.str(v, "name"), Licence: r.str(v, "licence"), Provenance: r.strings(v, "provenance"),
		Base:      Base{Arch: r.str(base, "architecture"), Name: r.str(base, "name"), Digest: r.str(base, "sha256")},
		Embedding: Embedding{Layer: r.integer(emb, "layer"), Pooling: r.str(emb, "pooling"), Dim: r.integer(emb, "dim")},
		Space:     blend.Space(r.str(bl, "space")),
		Weighting: blend.Weighting{Kind: blend.WeightingKind(r.str(bl, "weighting")), Tau: r.number(bl, "tau"), TopK: r.integer(bl, "top_k")},
		Rank:      r.integer(v, "rank"),
		Keys:      r.file(r.get(v, "keys")),
	}
	for _, t := range r.list(v, "targets") {
		m.Targets = append(m.Targets, Target{Name: r.str(t, "name"), In: r.integer(t, "in"), Out: r.integer(t, "out"), Scale: float32(r.number(t, "scale"))})
	}
	for _, a := range r.list(v, "adapters") {
		entry := Adapter{Name: r.str(a, "name"), File: r.file(a), Examples: r.integer(a, "examples")}
		for _, s := range r.list(a, "slices") {
			text, _ := s.String()
			entry.Slices = append(entry.Slices, text)
		}
		m.Adapters = append(m.Adapters, entry)
	}
	return m
}

func (r *fields) file(v jsonvalue.Value) File {
	return File{Name: r.str(v, "file"), SHA256: r.str(v, "sha256"), Bytes: r.integer(v, "bytes")}
}

func (r *fields) strings(v jsonvalue.Value, key string) map[string]string {
	members, ok := r.get(v, key).Object()
	if !ok {
		r.fail(key, "is no object")
	}
	out := map[string]string{}
	for _, m := range members {
		s, ok := m.Value.String()
		if !ok {
			r.fail(m.Key, "is no string")
		}
		out[m.Key] = s
	}
	return out
}

// Append writes the manifest as JSON after dst and returns the result. Equal
// manifests give equal bytes.
func (m *Manifest) Append(dst []byte) []byte {
	targets := make([]jsonvalue.Value, len(m.Targets))
	for i, t := range m.Targets {
		targets[i] = object("name", str(t.Name), "in", num(t.In), "out", num(t.Out), "scale", jsonvalue.OfFloat(float64(t.Scale)))
	}
	adapters := make([]jsonvalue.Value, len(m.Adapters))
	for i := range m.Adapters {
		a := &m.Adapters[i]
		hashes := make([]jsonvalue.Value, len(a.Slices))
		for k, s := range a.Slices {
			hashes[k] = str(s)
		}
		adapters[i] = object("name", str(a.Name), "file", str(a.File.Name), "bytes", num(a.File.Bytes), "sha256", str(a.File.SHA256),
			"examples", num(a.Examples), "slices", jsonvalue.OfArray(hashes))
	}
	var provenance []any
	for _, k := range slices.Sorted(maps.Keys(m.Provenance)) {
		provenance = append(provenance, k, str(m.Provenance[k]))
	}
	v := object("format", str("pastel-pool"), "version", num(Version), "name", str(m.Name), "licence", str(m.Licence), "provenance", object(provenance...),
		"base", object("architecture", str(m.Base.Arch), "name", str(m.Base.Name), "sha256", str(m.Base.Digest)),
		"embedding", object("layer", num(m.Embedding.Layer), "pooling", str(m.Embedding.Pooling), "dim", num(m.Embedding.Dim)),
		"blend", object("space", str(string(m.Space)), "weighting", str(string(m.Weighting.Kind)), "tau", jsonvalue.OfFloat(m.Weighting.Tau), "top_k", num(m.Weighting.TopK)),
		"rank", num(m.Rank), "targets", jsonvalue.OfArray(targets),
		"keys", object("file", str(m.Keys.Name), "bytes", num(m.Keys.Bytes), "sha256", str(m.Keys.SHA256)),
		"adapters", jsonvalue.OfArray(adapters))
	return append(jsonvalue.Append(dst, v, jsonvalue.Style{Indent: " "}), '\n')
}

// object makes an object of alternating keys and values.
func object(pairs ...any) jsonvalue.Value {
	var members []jsonvalue.Member
	for i := 0; i < len(pairs); i += 2 {
		members = append(members, jsonvalue.Member{Key: pairs[i].(string), Value: pairs[i+1].(jsonvalue.Value)})
	}
	return jsonvalue.OfObject(members)
}

func str(s string) jsonvalue.Value { return jsonvalue.OfString(s) }
func num(n int) jsonvalue.Value    { return jsonvalue.OfInt(int64(n)) }
