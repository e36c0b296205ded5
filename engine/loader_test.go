package engine_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"pastel/engine"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// TestFormatWithoutKernels: a model whose weights are stored as Q8_K, which no kernel
// computes with, gives what the same weights give when the file holds floats.
func TestFormatWithoutKernels(t *testing.T) {
	c := testmodel.Tiny()
	c.Dim, c.HiddenDim, c.Type = 256, 512, tensor.Q8_K
	stored, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var logits [][]float32
	for _, file := range [][]byte{stored, asFloats(t, stored)} {
		m, err := loadBytes(engine.Reference(), file, 1000)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		logits = append(logits, allLogits(t, newSession(t, m, engine.SessionOptions{ContextLength: 16}), []int32{1, 9, 300, 7}))
	}
	if !slices.Equal(logits[0], logits[1]) {
		t.Errorf("logits differ by %g from those of floats", maxDiff(logits[0], logits[1]))
	}
}

// asFloats returns a GGUF file of Q8_K with every tensor as F32.
func asFloats(t *testing.T, file []byte) []byte {
	t.Helper()
	src, err := gguf.Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	dst := gguf.File{Metadata: src.Metadata}
	if info, _ := src.Tensor("blk.0.attn_q.weight"); info.Type != tensor.Q8_K {
		t.Fatalf("attn_q is stored as %s", info.Type)
	}
	for _, info := range src.Tensors {
		if err := dst.Add(info.Name, tensor.F32, info.Shape...); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err = gguf.Write(&out, &dst, func(w io.Writer, to gguf.TensorInfo) error {
		from, _ := src.Tensor(to.Name)
		values, data := make([]float32, from.NElems()), make([]byte, to.NBytes)
		if err := tensor.Dequantize(from.Type, values, file[from.Offset:][:from.NBytes]); err != nil {
			return err
		}
		if err := tensor.Store(tensor.F32, data, values); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
