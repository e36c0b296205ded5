package suite

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/engine/tensor"
	"pastel/offload"
)

// TrainedPool is testdata/pool, as a directory of one pool, and as a Pool, for tests two
// folders below the root.
func TrainedPool(t *testing.T) (dir string, p *pool.Pool) {
	t.Helper()
	source := filepath.Join("..", "..", "testdata", "pool")
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "trained"), os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	m, err := pool.ParseManifest(read(pool.ManifestName), "")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = pool.Open(m, read(m.Keys.Name), pool.Options{}); err != nil {
		t.Fatal(err)
	}
	for n, a := range m.Adapters {
		if err := p.Load(n, read(a.File.Name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, p
}

// A real trained pool: N scores go up, nothing else, and the adapter that comes
// down is the one the device would have made itself. A prefix of a file, by range,
// holds its first ranks.
func testBlend(t *testing.T, start Start) {
	dir, p := TrainedPool(t)
	h := start(t, DefaultSettings(), dir)
	scores := make([]float32, len(p.Adapters))
	wide := make([]float64, len(scores))
	for i := range scores {
		scores[i] = float32(i%3) / 4
		wide[i] = float64(scores[i])
	}
	body := string(offload.AppendScores(nil, scores))
	r := h.Do(t, http.MethodPost, "/v1/pools/trained/blend", body, nil)
	weights, err := p.Weighting.Weights(wide)
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := p.Blend(p.Name+", blended", weights)
	if err != nil {
		t.Fatal(err)
	}
	want, err := gguflora.Write(adapter, p.Base.Arch, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 200 || r.Body != string(want) {
		t.Errorf("blend: %d, %d bytes, want the %d of the device's own blend: %.200q", r.Status, len(r.Body), len(want), r.Body)
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &sent) != nil || len(sent) != 1 {
		t.Errorf("what is sent holds more than scores: %s", body)
	}
	for name, body := range map[string]string{
		"one score too few":  string(offload.AppendScores(nil, scores[1:])),
		"text beside scores": strings.Replace(body, "{", `{"prompt":"x",`, 1),
	} {
		if r := h.Do(t, http.MethodPost, "/v1/pools/trained/blend", body, nil); r.Status != 400 || r.Code() != "ERR_BAD_REQUEST" {
			t.Errorf("%s: %d %.200s", name, r.Status, r.Body)
		}
	}
	file, _ := os.ReadFile(filepath.Join(dir, "trained", p.Adapters[0].File.Name))
	n := p.PrefixBytes(1)
	prefix := h.Do(t, http.MethodGet, "/v1/pools/trained/files/"+p.Adapters[0].File.Name, "", map[string]string{"Range": "bytes=0-" + itoa(n-1)})
	if prefix.Status != 206 || prefix.Body != string(file[:n]) {
		t.Errorf("the first rank: %d, %d bytes, want %d", prefix.Status, len(prefix.Body), n)
	}
}

func itoa(n int) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}
