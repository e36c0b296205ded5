package testmodel

import (
	"archive/zip"
	"io/fs"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of a file under the repository's testdata folder,
// wherever the test runs.
func Path(elem ...string) string {
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(here)))
	return filepath.Join(append([]string{root, "testdata"}, elem...)...)
}

// OpenZoo returns the conformance zoo: refs.jsonl, models/, lora/, logits/ as
// testdata/zoo/SOURCE.md describes them. It is closed when the test ends.
func OpenZoo(tb testing.TB) fs.FS {
	tb.Helper()
	z, err := zip.OpenReader(Path("zoo", "zoo.zip"))
	if err != nil {
		tb.Fatalf("testmodel: opening the zoo: %v", err)
	}
	tb.Cleanup(func() { z.Close() })
	return z
}

// ReadZoo returns one file of the zoo.
func ReadZoo(tb testing.TB, zoo fs.FS, name string) []byte {
	tb.Helper()
	b, err := fs.ReadFile(zoo, name)
	if err != nil {
		tb.Fatalf("testmodel: %v", err)
	}
	return b
}
