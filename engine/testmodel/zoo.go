package testmodel

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"pastel/engine/quantize"
	"pastel/engine/tensor"
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
	tb.Cleanup(func() { _ = z.Close() }) // it was only read
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

// TinyStories returns the trained model TinyStories-656K (llama, 2 layers, dim
// 128, vocabulary 2048, tied) in the given type. For F16, BF16, Q8_0, Q4_0,
// Q4_1, Q5_0 and Q5_1 the weights are llama-quantize's, bit for bit.
func TinyStories(tb testing.TB, typ tensor.Type) []byte {
	tb.Helper()
	b, err := os.ReadFile(Path("models", "TinyStories-656K-f32.gguf"))
	if err != nil {
		tb.Fatalf("testmodel: %v", err)
	}
	if typ == tensor.F32 {
		return b
	}
	var out bytes.Buffer
	if err := quantize.File(bytes.NewReader(b), int64(len(b)), &out, typ, nil); err != nil {
		tb.Fatalf("testmodel: %v", err)
	}
	return out.Bytes()
}
