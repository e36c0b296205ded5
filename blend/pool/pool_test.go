package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/digest"
	"pastel/blend/keys"
	"pastel/engine/tensor"
	"pastel/fault"
)

func randomAdapter(t testing.TB, seed uint64, ranks map[string]int) *blend.Adapter {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	var pairs []blend.Pair
	for _, name := range []string{"blk.0.attn_q.weight", "blk.0.ffn_down.weight"} {
		rank := ranks[name]
		if rank == 0 {
			continue
		}
		p := blend.Pair{Target: name, Rank: rank, In: 5 + len(name)%3, Out: 4, Scaling: 0.5}
		p.A, p.B = make([]float32, rank*p.In), make([]float32, p.Out*rank)
		for _, x := range [][]float32{p.A, p.B} {
			for i := range x {
				x[i] = 1e-3 * float32(rng.NormFloat64())
			}
		}
		pairs = append(pairs, p)
	}
	a, err := blend.NewAdapter("adapter "+strconv.Itoa(int(seed)), pairs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var same = map[string]int{"blk.0.attn_q.weight": 3, "blk.0.ffn_down.weight": 3}

func threeAdapters(t testing.TB) []*blend.Adapter {
	return []*blend.Adapter{randomAdapter(t, 1, same), randomAdapter(t, 2, same), randomAdapter(t, 3, same)}
}

func threeKeys() *keys.Keys {
	return &keys.Keys{Mu: []float32{1, 2}, Centroids: [][]float32{{1, 0}, {0, 1}, {-1, 0}}}
}

func spec(space blend.Space) Spec {
	return Spec{Name: "test", Licence: "MIT", Provenance: map[string]string{"data": "random", "command": "go test"},
		Base:      Base{Arch: "llama", Name: "tiny", Digest: digest.Hex([]byte("base"))},
		Embedding: Embedding{Pooling: "mean"}, Space: space, Weighting: blend.Weighting{Tau: 0.1}, Examples: []int{3, 4, 5}}
}

func build(t testing.TB, space blend.Space, adapters []*blend.Adapter) map[string][]byte {
	t.Helper()
	files, err := Build(spec(space), adapters, threeKeys())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func open(t testing.TB, files map[string][]byte, ranks int) *Pool {
	t.Helper()
	m, err := ParseManifest(files[ManifestName], digest.Hex(files[ManifestName]))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(m, files[m.Keys.Name], Options{Ranks: ranks})
	if err != nil {
		t.Fatal(err)
	}
	for n, a := range m.Adapters {
		if err := p.Load(n, files[a.File.Name][:m.PrefixBytes(p.ranks)]); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func dense(a *blend.Adapter) map[string][]float64 {
	out := map[string][]float64{}
	for _, p := range a.Pairs {
		d := make([]float64, p.Out*p.In)
		for o := range p.Out {
			for k := range p.Rank {
				for i := range p.In {
					d[o*p.In+i] += float64(p.Scaling) * float64(p.B[o*p.Rank+k]) * float64(p.A[k*p.In+i])
				}
			}
		}
		out[p.Target] = d
	}
	return out
}

// assertClose allows F16 rounding: 2⁻¹¹ per factor, two factors, rank products.
func assertClose(t *testing.T, what string, got, want map[string][]float64) {
	t.Helper()
	for name, w := range want {
		largest := 0.0
		for _, v := range w {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range w {
			if d := math.Abs(got[name][i] - v); d > 8*0x1p-11*largest {
				t.Fatalf("%s: %s[%d] = %v, want %v", what, name, i, got[name][i], v)
			}
		}
	}
}

// What is read back blends like what was written, in both spaces.
func TestBuildThenBlend(t *testing.T) {
	for _, tt := range []struct {
		space   blend.Space
		combine func(string, []*blend.Adapter, []float64) (*blend.Adapter, error)
	}{{blend.FactorSpace, blend.Factor}, {blend.DeltaSpace, blend.Delta}} {
		adapters := threeAdapters(t)
		p := open(t, build(t, tt.space, adapters), 0)
		for _, weights := range [][]float64{{1, 0, 0}, {0.2, 0.3, 0.5}, {0, 2, -1}} {
			want, err := tt.combine("w", adapters, weights)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Blend("g", weights)
			if err != nil {
				t.Fatal(err)
			}
			assertClose(t, string(tt.space), dense(got), dense(want))
		}
	}
}

func TestDeltaPoolOfUnequalAdapters(t *testing.T) {
	adapters := []*blend.Adapter{randomAdapter(t, 1, same), randomAdapter(t, 2, map[string]int{"blk.0.attn_q.weight": 1}), randomAdapter(t, 3, same)}
	p := open(t, build(t, blend.DeltaSpace, adapters), 0)
	got, err := p.Blend("g", []float64{0, 1, 0})
	if err != nil {
		t.Fatal(err)
	}
	assertClose(t, "small adapter", dense(got), dense(adapters[1]))
	if _, err := Build(spec(blend.FactorSpace), adapters, threeKeys()); fault.CodeOf(err) != fault.LoRAMismatch {
		t.Errorf("factor pool of unequal adapters: %v", err)
	}
}

// The first ranks alone are the best approximation of that rank: in the delta
// space of each adapter.
func TestPrefixIsCompression(t *testing.T) {
	adapters := threeAdapters(t)
	files := build(t, blend.DeltaSpace, adapters)
	for ranks := 1; ranks <= 3; ranks++ {
		p := open(t, files, ranks)
		for n, a := range adapters {
			weights := make([]float64, 3)
			weights[n] = 1
			got, err := p.Blend("g", weights)
			if err != nil {
				t.Fatal(err)
			}
			want, err := blend.DeltaSVD("w", []*blend.Adapter{a}, []float64{1}, ranks)
			if err != nil {
				t.Fatal(err)
			}
			assertClose(t, "prefix", dense(got), dense(want))
		}
	}
}

func TestCustomise(t *testing.T) {
	p := open(t, build(t, blend.FactorSpace, threeAdapters(t)), 0)
	scores, weights, err := p.Customise([][]float32{{1, 5}, {1, 3}})
	if err != nil || !reflect.DeepEqual(scores, []float64{0, 1, 0}) || weights[1] < 0.999 {
		t.Errorf("Customise = %v, %v, %v", scores, weights, err)
	}
	if _, _, err := p.Customise(nil); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("no samples: %v", err)
	}
}

func TestManifestRoundTrip(t *testing.T) {
	files := build(t, blend.FactorSpace, threeAdapters(t))
	if !json.Valid(files[ManifestName]) {
		t.Fatal("the manifest is no JSON")
	}
	m, err := ParseManifest(files[ManifestName], "")
	if err != nil {
		t.Fatal(err)
	}
	if again := m.Append(nil); !bytes.Equal(again, files[ManifestName]) {
		t.Errorf("written again:\n%s\nwas\n%s", again, files[ManifestName])
	}
	if m.Adapters[2].Examples != 5 || m.Provenance["data"] != "random" || m.Embedding.Dim != 2 {
		t.Errorf("manifest %+v", m)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	good := string(build(t, blend.FactorSpace, threeAdapters(t))[ManifestName])
	for _, tt := range []struct{ name, old, new string }{
		{"other format", `"pastel-pool"`, `"zip"`}, {"later version", `"version": 1`, `"version": 2`},
		{"path in a file name", `"adapter-1.f16"`, `"../adapter-1.f16"`}, {"hidden file", `"keys.f32"`, `".keys"`},
		{"the manifest itself", `"keys.f32"`, `"pool.json"`}, {"the signature", `"keys.f32"`, `"pool.json.sig"`}, {"one file twice", `"adapter-1.f16"`, `"adapter-0.f16"`},
		{"rank 0", `"rank": 3`, `"rank": 0`}, {"rank 257", `"rank": 3`, `"rank": 257`}, {"negative rank", `"rank": 3`, `"rank": -3`},
		{"rank without slices", `"rank": 3`, `"rank": 4`}, {"blend space", `"factor"`, `"ties"`}, {"weighting", `"softmax"`, `"magic"`},
		{"temperature", `"tau": 0.1`, `"tau": -0.1`}, {"pooling", `"mean"`, `"max"`}, {"dimension", `"dim": 2`, `"dim": 3`},
		{"huge dimension", `"dim": 2`, `"dim": 4611686018427387904`}, {"huge tensor", `"in": 6`, `"in": 1099511627775`},
		{"order of targets", `"blk.0.attn_q.weight"`, `"z"`}, {"empty name", `"blk.0.attn_q.weight"`, `""`},
		{"digest", `"sha256": "`, `"sha256": "X`}, {"missing key", `"licence"`, `"license"`}, {"bytes", `"bytes": 32`, `"bytes": 33`},
		{"provenance", `"data": "random"`, `"data": 1`}, {"truncated", "\n}\n", ""},
	} {
		text := strings.Replace(good, tt.old, tt.new, 1)
		if text == good {
			t.Errorf("%s: %s is not in the manifest", tt.name, tt.old)
		}
		if _, err := ParseManifest([]byte(text), ""); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
			t.Errorf("%s: %v, want ERR_BAD_FILE", tt.name, err)
		}
	}
	if _, err := ParseManifest([]byte(good+" "), digest.Hex([]byte(good))); !errors.Is(err, fault.Sentinel(fault.Hash)) {
		t.Errorf("changed manifest: %v, want ERR_HASH", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	files := build(t, blend.FactorSpace, threeAdapters(t))
	m, _ := ParseManifest(files[ManifestName], "")
	p, err := Open(m, files[m.Keys.Name], Options{})
	if err != nil {
		t.Fatal(err)
	}
	data := files["adapter-0.f16"]
	flipped := slices.Clone(data)
	flipped[len(flipped)-1] ^= 1
	for _, tt := range []struct {
		name string
		n    int
		data []byte
		code fault.Code
	}{
		{"flipped bit", 0, flipped, fault.Hash}, {"cut short", 0, data[:len(data)-1], fault.Hash}, {"another adapter's file", 1, data, fault.Hash},
		{"no such adapter", 3, data, fault.BadRequest}, {"negative", -1, data, fault.BadRequest},
	} {
		if err := p.Load(tt.n, tt.data); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	if _, err := p.Blend("x", []float64{1, 0, 0}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("blend of an adapter that is not loaded: %v", err)
	}
	if err := p.Load(0, data); err != nil || !p.Loaded(0) || p.Loaded(1) {
		t.Fatalf("Load: %v", err)
	}
	if _, err := p.Blend("x", []float64{1, 0, 0}); err != nil {
		t.Errorf("blend of the one loaded: %v", err)
	}
	if _, err := p.Blend("x", []float64{1}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("one weight: %v", err)
	}
	if _, err := p.Blend("x", []float64{math.NaN(), 0, 0}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("NaN: %v", err)
	}
	if _, err := Open(m, files["adapter-0.f16"], Options{}); fault.CodeOf(err) != fault.Hash {
		t.Errorf("wrong keys: %v", err)
	}
	if _, err := Open(m, files[m.Keys.Name], Options{Ranks: 4}); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("too many ranks: %v", err)
	}
	full := errors.New("full")
	p, _ = Open(m, files[m.Keys.Name], Options{Alloc: func(int) ([]uint16, error) { return nil, full }})
	if err := p.Load(0, data); !errors.Is(err, full) {
		t.Errorf("no memory: %v", err)
	}
}

// A slice with an infinity is refused even if its digest is right.
func TestLoadRefusesInfinity(t *testing.T) {
	files := build(t, blend.FactorSpace, threeAdapters(t))
	m, _ := ParseManifest(files[ManifestName], "")
	data := files["adapter-0.f16"]
	data[0], data[1] = 0, 0x7C
	m.Adapters[0].Slices[0] = digest.Hex(data[:m.SliceBytes()])
	p, err := Open(m, files[m.Keys.Name], Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(0, data); fault.CodeOf(err) != fault.BadFile {
		t.Errorf("infinity: %v", err)
	}
}

func TestCheckBase(t *testing.T) {
	files := build(t, blend.FactorSpace, threeAdapters(t))
	m, _ := ParseManifest(files[ManifestName], "")
	fits := func(name string) (int, int, bool) {
		for _, target := range m.Targets {
			if target.Name == name {
				return target.Out, target.In, true
			}
		}
		return 0, 0, false
	}
	if err := m.CheckBase(m.Base.Digest, fits); err != nil {
		t.Error(err)
	}
	if err := m.CheckBase(digest.Hex(nil), fits); fault.CodeOf(err) != fault.LoRAMismatch {
		t.Errorf("other digest: %v", err)
	}
	if err := m.CheckBase(m.Base.Digest, func(string) (int, int, bool) { return 1, 1, true }); fault.CodeOf(err) != fault.LoRAMismatch {
		t.Errorf("other shapes: %v", err)
	}
}

// The one-multiplication conversion is exact for every normal half.
func TestAddHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if exp := h & 0x7C00; exp == 0x7C00 || exp == 0 && h&0x3FF != 0 {
			continue
		}
		dst := []float32{0}
		addHalf(dst, []uint16{h}, 1)
		if dst[0] != tensor.F16ToF32(h) {
			t.Fatalf("%#04x = %v, want %v", h, dst[0], tensor.F16ToF32(h))
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(build(f, blend.FactorSpace, threeAdapters(f))[ManifestName])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b, "")
		if err != nil {
			return
		}
		if _, err := ParseManifest(m.Append(nil), ""); err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if len(m.Targets)*m.Rank < 1<<12 { // Open lays out places in proportion to the manifest
			Open(m, nil, Options{})
		}
	})
}

// One adapter set of the 1B shape: dim 2048, ffn 8192, 16 layers, rank 16.
func BenchmarkWeightedSum(b *testing.B) {
	const n = 16 * 704512 / 8 // an eighth, so that the test machine is not filled
	src := make([][]uint16, 8)
	weights := make([]float64, 8)
	for i := range src {
		src[i] = make([]uint16, n)
		for j := range src[i] {
			src[i][j] = 0x3C00 + uint16(j*7)&0x3FF
		}
		weights[i] = 0.125
	}
	dst := make([]float32, n)
	b.SetBytes(8 * 2 * n)
	for b.Loop() {
		weightedSum(dst, src, weights)
	}
}
