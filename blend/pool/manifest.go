package pool

import (
	"strings"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/fault"
)

// Version is the version of the format this package reads and writes.
const Version = 1

// Limits on what a manifest may claim.
const (
	maxManifestBytes = 16 << 20
	maxAdapters      = 1024
	maxTargets       = 4096
	maxExtent        = 1 << 24 // inputs or outputs of one tensor
	maxAdapterBytes  = 512 << 20
)

// A Manifest describes a pool. It is immutable once parsed.
type Manifest struct {
	ID         string // SHA-256 of the manifest's bytes; not a field of the file
	Name       string
	Licence    string            // SPDX expression
	Provenance map[string]string // what the pool was made from and how, for people
	Base       Base
	Embedding  Embedding
	Space      blend.Space
	Weighting  blend.Weighting
	Rank       int      // ranks stored of every target
	Targets    []Target // sorted by name
	Keys       File
	Adapters   []Adapter
}

// A Base names the model that adapters and embeddings are for.
type Base struct {
	Arch   string // general.architecture
	Name   string
	Digest string // SHA-256 of the GGUF file
}

// An Embedding is the recipe of the query embedding. Embeddings are always
// centred with the keys' mean and normalised.
type Embedding struct {
	Layer   int    // whose query; 0 needs no attention
	Pooling string // "mean" over tokens, or "last"
	Dim     int
}

// A Target is one base tensor that every adapter of the pool changes.
type Target struct {
	Name    string
	In, Out int
	Scale   float32 // delta = Scale·B·A; a power of two that keeps factors in F16's range
}

// A File is a file beside the manifest.
type File struct {
	Name   string
	SHA256 string
	Bytes  int
}

// An Adapter is one adapter of the pool.
type Adapter struct {
	Name     string
	File     File
	Slices   []string // SHA-256 of each rank's slice, so that a prefix can be verified
	Examples int      // how many it was trained on, 0 when not known
}

// SliceBytes is the size of one rank of an adapter: a row of A and a column of B
// of every target, two bytes a value.
func (m *Manifest) SliceBytes() int {
	n := 0
	for _, t := range m.Targets {
		n += 2 * (t.In + t.Out)
	}
	return n
}

// PrefixBytes is how much of an adapter's file holds its first ranks ranks: the
// range to ask a server for is bytes=0-(PrefixBytes-1).
func (m *Manifest) PrefixBytes(ranks int) int { return min(ranks, m.Rank) * m.SliceBytes() }

// CheckBase reports whether the pool was made for a base.
//
// Errors: fault.LoRAMismatch naming both digests, or the tensor that differs.
func (m *Manifest) CheckBase(digest string, base blend.Shapes) error {
	if digest != m.Base.Digest {
		return fault.New(fault.LoRAMismatch, "pool: ", fault.Quote(m.Name), " is for the base of digest ", m.Base.Digest, ", not ", digest)
	}
	for _, t := range m.Targets {
		if out, in, ok := base(t.Name); !ok || out != t.Out || in != t.In {
			return fault.New(fault.LoRAMismatch, "pool: tensor ", fault.Quote(t.Name), " is [", t.Out, " ", t.In, "], the base's [", out, " ", in, "]")
		}
	}
	return nil
}

// validate checks everything that no byte of another file is needed for.
func (m *Manifest) validate() error {
	bad := func(parts ...any) error {
		return fault.New(fault.BadFile, append([]any{"pool: manifest: "}, parts...)...)
	}
	switch {
	case m.Space != blend.FactorSpace && m.Space != blend.DeltaSpace:
		return bad("blend space ", fault.Quote(string(m.Space)))
	case m.Embedding.Pooling != "mean" && m.Embedding.Pooling != "last":
		return bad("pooling ", fault.Quote(m.Embedding.Pooling))
	case m.Embedding.Layer < 0 || m.Embedding.Layer > 1<<16 || m.Embedding.Dim < 1 || m.Embedding.Dim > maxExtent:
		return bad("embedding of layer ", m.Embedding.Layer, " with ", m.Embedding.Dim, " dimensions")
	case m.Rank < 1 || m.Rank > blend.MaxRank:
		return bad("rank ", m.Rank, " is not in 1..", blend.MaxRank)
	case !digest.IsHex(m.Base.Digest):
		return bad("base digest ", fault.Quote(m.Base.Digest))
	case len(m.Adapters) < 1 || len(m.Adapters) > maxAdapters:
		return bad(len(m.Adapters), " adapters")
	}
	if err := m.Weighting.Validate(); err != nil {
		return bad(err)
	}
	if err := m.validateTargets(bad); err != nil {
		return err
	}
	return m.validateFiles(bad)
}

func (m *Manifest) validateTargets(bad func(...any) error) error {
	if len(m.Targets) < 1 || len(m.Targets) > maxTargets {
		return bad(len(m.Targets), " targets")
	}
	total := uint64(0)
	for i, t := range m.Targets {
		switch {
		case t.Name == "" || i > 0 && m.Targets[i-1].Name >= t.Name:
			return bad("targets are not in the order of their names at ", fault.Quote(t.Name))
		case t.In < 1 || t.In > maxExtent || t.Out < 1 || t.Out > maxExtent:
			return bad("target ", fault.Quote(t.Name), " of shape [", t.Out, " ", t.In, "]")
		case !(t.Scale > 0 && t.Scale < 1e30):
			return bad("target ", fault.Quote(t.Name), " of scale ", t.Scale)
		}
		total += 2 * uint64(t.In+t.Out)
	}
	if total*uint64(m.Rank) > maxAdapterBytes {
		return bad("adapters of ", total*uint64(m.Rank), " bytes are over the limit of ", maxAdapterBytes)
	}
	return nil
}

func (m *Manifest) validateFiles(bad func(...any) error) error {
	if err := m.Keys.validate(bad, 4*m.Embedding.Dim*(len(m.Adapters)+1)); err != nil {
		return err
	}
	seen := map[string]bool{m.Keys.Name: true}
	for i := range m.Adapters {
		a := &m.Adapters[i]
		if err := a.File.validate(bad, m.PrefixBytes(m.Rank)); err != nil {
			return err
		}
		if seen[a.File.Name] {
			return bad("file ", fault.Quote(a.File.Name), " twice")
		}
		seen[a.File.Name] = true
		if len(a.Slices) != m.Rank {
			return bad("adapter ", fault.Quote(a.Name), " has ", len(a.Slices), " slice digests for rank ", m.Rank)
		}
		for _, s := range a.Slices {
			if !digest.IsHex(s) {
				return bad("adapter ", fault.Quote(a.Name), ": slice digest ", fault.Quote(s))
			}
		}
	}
	return nil
}

// validate allows plain names only, so that no manifest reaches outside its directory.
func (f *File) validate(bad func(...any) error, nBytes int) error {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	switch {
	case f.Name == "" || len(f.Name) > 128 || f.Name[0] == '.' || strings.Trim(f.Name, plain) != "" || f.Name == ManifestName || f.Name == SignatureName:
		return bad("file name ", fault.Quote(f.Name))
	case !digest.IsHex(f.SHA256):
		return bad("file ", fault.Quote(f.Name), ": digest ", fault.Quote(f.SHA256))
	case f.Bytes != nBytes:
		return bad("file ", fault.Quote(f.Name), " of ", f.Bytes, " bytes, its content takes ", nBytes)
	}
	return nil
}
