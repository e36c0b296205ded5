package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/keys"
	"pastel/blend/pool"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// adapterTargets are the linear maps of a block that random adapters change.
const adapterTargets = " attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down "

// syntheticAdapters writes, into dir, random adapters of one rank on every linear map
// of a model: alone.gguf and a pool of n of them in the factor space. Only their extents
// matter. Nothing is written when all of it is there.
//
// Errors: those of reading the model and of writing.
func syntheticAdapters(dir, model string, n, rank int) error {
	if _, err := os.Stat(filepath.Join(dir, "alone.gguf")); err == nil { // written last
		return nil
	}
	f, err := os.Open(model)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header, err := gguf.Read(f, info.Size())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := syntheticPool(header, f, n, rank)
	if err != nil {
		return err
	}
	alone, err := randomAdapter(header, rank, 0)
	if err != nil {
		return err
	}
	if files["alone.gguf"], err = gguflora.Write(alone, alone.Arch, tensor.F16); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// syntheticPool makes a pool with unit vectors for keys.
func syntheticPool(h *gguf.File, model io.ReadSeeker, n, rank int) (map[string][]byte, error) {
	var adapters []*blend.Adapter
	k := &keys.Keys{}
	for i := range n {
		a, err := randomAdapter(h, rank, uint64(i+1))
		if err != nil {
			return nil, err
		}
		q := a.Pair("blk.0.attn_q.weight")
		if q == nil {
			return nil, errors.New("bench: the model has no separate query matrix")
		}
		key := make([]float32, q.Out)
		key[i] = 1
		k.Mu, k.Centroids = make([]float32, q.Out), append(k.Centroids, key)
		adapters = append(adapters, a)
	}
	hash := sha256.New()
	if _, err := model.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.Copy(hash, model); err != nil {
		return nil, err
	}
	spec := pool.Spec{Name: "random", Licence: "MIT", Space: blend.FactorSpace, Embedding: pool.Embedding{Pooling: "mean"},
		Base: pool.Base{Arch: adapters[0].Arch, Name: "random", Digest: hex.EncodeToString(hash.Sum(nil))}}
	return pool.Build(spec, adapters, k)
}

// randomAdapter changes every linear map of a model's blocks.
func randomAdapter(h *gguf.File, rank int, seed uint64) (*blend.Adapter, error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = rng.Float32()*0.02 - 0.01
		}
		return x
	}
	var pairs []blend.Pair
	for _, t := range h.Tensors {
		parts := strings.Split(t.Name, ".")
		if len(parts) != 4 || parts[0] != "blk" || len(t.Shape) != 2 || !strings.Contains(adapterTargets, " "+parts[2]+" ") {
			continue
		}
		out, in := t.Shape[0], t.Shape[1]
		pairs = append(pairs, blend.Pair{Target: t.Name, Rank: rank, In: in, Out: out, A: fill(rank * in), B: fill(out * rank), Scaling: 1})
	}
	a, err := blend.NewAdapter("random-"+strconv.FormatUint(seed, 10), pairs)
	if err != nil {
		return nil, err
	}
	a.Arch, err = h.Metadata.String("general.architecture", "")
	return a, err
}
