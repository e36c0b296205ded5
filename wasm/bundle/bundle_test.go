package bundle_test

import (
	"compress/gzip"
	"testing"

	"pastel/wasm/bundle"
)

// TestSizes: what a page downloads before its model stays as small as we promise. (Go's
// gzip makes it 0.7% larger than gzip -9.)
func TestSizes(t *testing.T) {
	b, err := bundle.Read(bundle.Engine)
	if err != nil {
		t.Fatal(err)
	}
	var size counter
	w, err := gzip.NewWriterLevel(&size, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if size > 700_000 {
		t.Errorf("engine.wasm takes %d bytes under gzip, want at most 700000", size)
	}
	t.Logf("engine.wasm: %d bytes, %d under gzip", len(b), size)
}

// A counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
