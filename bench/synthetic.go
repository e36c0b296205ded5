package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// Synthetic returns the path of a model of random weights with a real model's shape
// ("135m", "0.5b", "1b") and type, which it writes into dir unless it is there.
//
// Errors: unknown shapes and types, and those of writing.
func Synthetic(dir, shape, typ string) (string, error) {
	t, err := tensor.ParseType(typ)
	if err != nil {
		return "", err
	}
	c, err := testmodel.Shape(shape, t)
	if err != nil {
		return "", err
	}
	size, err := c.Size()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%s.gguf", shape, t))
	if info, err := os.Stat(path); err == nil && uint64(info.Size()) == size {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return path, writeModel(c, path)
}

// writeModel writes beside the path and renames, so that a cut run leaves no half file.
func writeModel(c testmodel.Config, path string) error {
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = c.Write(w)
	if err == nil {
		err = w.Flush()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
