package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pastel/blend"
	"pastel/blend/gguflora"
	"pastel/blend/peft"
	"pastel/blend/safetensors"
	"pastel/engine/tensor"
)

// blendedAdapter is the uniform blend of testdata/pool.
func blendedAdapter(t *testing.T) *blend.Adapter {
	t.Helper()
	p, err := readPool(poolDir, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	weights := make([]float64, len(p.Adapters))
	for n := range weights {
		weights[n] = 1 / float64(len(weights))
	}
	a, err := p.Blend("blended", weights)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAdapterFiles: a GGUF LoRA and a PEFT directory of one adapter act alike, on every
// executor, and not as the base does.
func TestAdapterFiles(t *testing.T) {
	a, dir := blendedAdapter(t), t.TempDir()
	lora, err := gguflora.Write(a, "llama", tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	config, weights, err := peft.Write(a, peft.Base{Arch: "llama", NHeads: 8, NKVHeads: 4}, "base", safetensors.F32)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.gguf": lora, "adapter_config.json": config, "adapter_model.safetensors": weights} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reference := logitsWith(t, "reference", filepath.Join(dir, "a.gguf")+"=1")
	for _, executor := range executorsOf {
		base := logitsWith(t, executor)
		for _, path := range []string{filepath.Join(dir, "a.gguf"), dir} {
			got := logitsWith(t, executor, path)
			for i := range reference {
				if d := got[i] - reference[i]; !(d <= 1e-3 && d >= -1e-3) {
					t.Fatalf("%s, %s: logit %d is %v, want %v", executor, path, i, got[i], reference[i])
				}
			}
			if slices.Equal(got, base) {
				t.Errorf("%s, %s: as without an adapter", executor, path)
			}
		}
	}
}

func logitsWith(t *testing.T, executor string, adapters ...string) (logits []float64) {
	t.Helper()
	args := []string{"logits", storiesF32, "--tokens", "1,403,407", "--executor", executor}
	for _, a := range adapters {
		args = append(args, "--adapter", a)
	}
	code, stdout, stderr := runPastel(t, "", args...)
	if err := json.Unmarshal([]byte(stdout), &logits); err != nil || code != 0 {
		t.Fatalf("logits exits with %d: %v (%s)", code, err, stderr)
	}
	return logits
}
