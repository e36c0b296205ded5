package quantize_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pastel/engine"
	"pastel/engine/quantize"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
	"pastel/engine/tokenizer"
)

var update = flag.Bool("update", false, "measure every format anew and rewrite the table in docs/formats.md")

const formatsDoc = "../../docs/formats.md"

// tabled are the formats of the table, the coarsest last.
var tabled = []tensor.Type{
	tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q6_K, tensor.Q5_K, tensor.Q5_1, tensor.Q5_0, tensor.Q4_K,
	tensor.Q4_1, tensor.IQ4_NL, tensor.Q4_0, tensor.MXFP4,
}

// TestPerplexityTable: the figures in docs/formats.md are those of this tree. Without
// -update three formats stand for all.
func TestPerplexityTable(t *testing.T) {
	doc, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	measured := tabled
	if !*update {
		measured = []tensor.Type{tensor.F32, tensor.Q8_0, tensor.Q4_0}
	}
	var exact float64
	var rows []string
	for _, typ := range measured {
		loss, stored := lossOf(t, typ)
		if typ == tensor.F32 {
			exact = loss
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %.3f | %+.2f%% |\n", typ, stored, math.Exp(loss), 100*(math.Exp(loss-exact)-1)))
		if bound := map[tensor.Type]float64{tensor.Q8_0: 0.01, tensor.Q4_0: 0.15}[typ]; bound > 0 && math.Abs(loss-exact) > bound {
			t.Errorf("%s: loss %.4f, of F32 %.4f", typ, loss, exact)
		}
	}
	if *update {
		before, after, _ := strings.Cut(string(doc), "| --- | --- | --- | --- |\n")
		_, after, _ = strings.Cut(after, "\n\n")
		text := before + "| --- | --- | --- | --- |\n" + strings.Join(rows, "") + "\n" + after
		if err := os.WriteFile(formatsDoc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, row := range rows {
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/formats.md does not say %s(run with -update)", row)
		}
	}
}

// lossOf is the mean negative log-likelihood of a text's tokens under the model stored
// as typ, computed with exact activations, and the types its matrices really have.
func lossOf(t *testing.T, typ tensor.Type) (loss float64, stored string) {
	t.Helper()
	var types []string
	_, b := convert(t, load(t, "TinyStories-656K-f32.gguf"), typ, func(f quantize.Figure) {
		if name := f.To.String(); strings.HasSuffix(f.Name, ".weight") && !strings.Contains(f.Name, "norm") && !slices.Contains(types, name) {
			types = append(types, name)
		}
	})
	slices.Sort(types)
	return meanLoss(t, b), strings.Join(types, ", ")
}

// window is how many tokens are seen together: half of what the model was trained on.
const window = 256

func meanLoss(t *testing.T, file []byte) float64 {
	t.Helper()
	l := engine.NewLoader(engine.Reference(), uint64(len(file)))
	if n, err := l.Write(0, file); n != len(file) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	m, err := l.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(engine.SessionOptions{ContextLength: window, LogitRows: window})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text, err := os.ReadFile(testmodel.Path("text", "tinystories.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ids := m.Tokenizer().Encode(string(bytes.TrimSpace(text)), tokenizer.Options{})
	var sum float64
	n := 0
	for part := range slices.Chunk(ids, window) {
		s.Truncate(0)
		sum += partLoss(t, s, part)
		n += len(part) - 1
	}
	return sum / float64(n)
}

// partLoss sums the loss of each token of ids after those before it.
func partLoss(t *testing.T, s *engine.Session, ids []int32) (sum float64) {
	t.Helper()
	for len(ids) > 1 {
		n := min(len(ids)-1, s.Batch())
		if err := s.Forward(ids[:n], n); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			sum += surprise(s.Logits(i), ids[i+1])
		}
		ids = ids[n:]
	}
	return sum
}

// surprise is -log softmax(logits)[id].
func surprise(logits []float32, id int32) float64 {
	top := float64(slices.Max(logits))
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	return math.Log(sum) + top - float64(logits[id])
}
