package testmodel_test

import (
	"bytes"
	"io/fs"
	"path"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/testmodel"
)

func TestZooModelsAreRead(t *testing.T) {
	zoo := testmodel.OpenZoo(t)
	for _, pattern := range []string{"models/*.gguf", "lora/*.gguf"} {
		names, err := fs.Glob(zoo, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("Glob(%s) = %v, %v", pattern, names, err)
		}
		for _, name := range names {
			b := testmodel.ReadZoo(t, zoo, name)
			f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if len(f.Tensors) == 0 || !f.Metadata.Has("general.architecture") {
				t.Errorf("%s: %d tensors and no architecture", path.Base(name), len(f.Tensors))
			}
		}
	}
}
