package bench

import (
	"os"
	"strings"

	"pastel/engine/gguf"
)

// Work is what one token costs, counted from a model's tensors.
type Work struct {
	ReadBytes   uint64 `json:"read_bytes"`   // weights a decoded token reads
	DecodeMACs  uint64 `json:"decode_macs"`  // multiplications with weights
	PrefillMACs uint64 `json:"prefill_macs"` // the same without the output matrix
}

// WorkOf counts the work of a GGUF file's model. Embeddings that are not also the
// output matrix are looked up, not multiplied. Mixtures of experts count in full.
//
// Errors: those of opening and of gguf.Read.
func WorkOf(path string) (Work, error) {
	f, err := os.Open(path)
	if err != nil {
		return Work{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Work{}, err
	}
	header, err := gguf.Read(f, info.Size())
	if err != nil {
		return Work{}, err
	}
	return workOf(header), nil
}

func workOf(h *gguf.File) (w Work) {
	_, untied := h.Tensor("output.weight")
	for _, t := range h.Tensors {
		isEmbedding := t.Name == "token_embd.weight"
		isOutput := t.Name == "output.weight" || isEmbedding && !untied
		if len(t.Shape) < 2 || isEmbedding && !isOutput || !strings.HasSuffix(t.Name, ".weight") {
			continue
		}
		n := uint64(t.NElems())
		w.ReadBytes += t.NBytes
		w.DecodeMACs += n
		if !isOutput {
			w.PrefillMACs += n
		}
	}
	return w
}
