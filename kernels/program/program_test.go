package program

import "testing"

// maxBytes is what a flavour may weigh: users wait for it before anything runs.
const maxBytes = 64 << 10

func TestModulesAreSmall(t *testing.T) {
	for _, f := range []Flavour{SIMD128, Relaxed} {
		bin, err := Build(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(bin) >= maxBytes {
			t.Errorf("kernels-%s.wasm has %d bytes, want less than %d", f, len(bin), maxBytes)
		}
		t.Logf("kernels-%s.wasm: %d bytes", f, len(bin))
	}
}
