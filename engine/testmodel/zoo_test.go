package testmodel_test

import (
	"bytes"
	"io/fs"
	"path"
	"testing"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
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

func TestTinyStories(t *testing.T) {
	for _, typ := range []tensor.Type{tensor.F32, tensor.Q8_0} {
		b := testmodel.TinyStories(t, typ)
		f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if ti, _ := f.Tensor("blk.1.ffn_down.weight"); ti.Type != typ {
			t.Errorf("TinyStories(%s): ffn_down is %s", typ, ti.Type)
		}
	}
}
