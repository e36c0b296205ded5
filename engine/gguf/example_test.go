package gguf_test

import (
	"bytes"
	"fmt"
	"io"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
)

// A header is decoded while the file is still arriving; what Write leaves is
// tensor data.
func ExampleDecoder() {
	file := exampleFile()
	d := gguf.NewDecoder(uint64(len(file)))
	for rest := file; !d.Done(); {
		n, err := d.Write(rest[:min(10, len(rest))])
		if err != nil {
			fmt.Println(err)
			return
		}
		rest = rest[n:]
	}
	f, _ := d.File()
	arch, _ := f.Metadata.String("general.architecture", "")
	heads, _ := f.Metadata.Uint("llama.attention.head_count", 1)
	t, _ := f.Tensor("output.weight")
	fmt.Println(arch, heads, t.Type, t.Shape, t.NBytes)
	// Output: llama 4 Q8_0 [2 32] 68
}

// A file is listed first and written in one pass.
func ExampleWrite() {
	fmt.Println(len(exampleFile()), "bytes")
	// Output: 288 bytes
}

func exampleFile() []byte {
	var f gguf.File
	f.Metadata.Set("general.architecture", "llama")
	f.Metadata.Set("llama.attention.head_count", uint32(4))
	if err := f.Add("output.weight", tensor.Q8_0, 2, 32); err != nil {
		panic(err)
	}
	var buf bytes.Buffer
	err := gguf.Write(&buf, &f, func(w io.Writer, t gguf.TensorInfo) error {
		_, err := w.Write(make([]byte, t.NBytes))
		return err
	})
	if err != nil {
		panic(err)
	}
	return buf.Bytes()
}
