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

// studies are the tables: a model, and the formats it is stored in, the coarsest last.
var studies = []struct {
	model          string
	tabled, always []tensor.Type           // always: also without -update
	bound          map[tensor.Type]float64 // of the loss over F32, nats a token
}{
	{"TinyStories-656K-f32.gguf", []tensor.Type{
		tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q6_K, tensor.Q5_K, tensor.Q5_1, tensor.Q5_0, tensor.Q4_K,
		tensor.Q4_1, tensor.IQ4_NL, tensor.Q4_0, tensor.MXFP4,
	}, []tensor.Type{tensor.F32, tensor.Q8_0, tensor.Q4_0}, map[tensor.Type]float64{tensor.Q8_0: 0.01, tensor.Q4_0: 0.15}},
	{"student-1.3M-F16.gguf", []tensor.Type{
		tensor.F32, tensor.BF16, tensor.Q8_0, tensor.Q6_K, tensor.Q5_K, tensor.Q5_1, tensor.Q5_0, tensor.Q4_K, tensor.Q4_1,
		tensor.IQ4_NL, tensor.IQ4_XS, tensor.Q4_0, tensor.MXFP4, tensor.Q3_K, tensor.Q2_K, tensor.TQ2_0, tensor.TQ1_0,
	}, []tensor.Type{tensor.F32, tensor.Q4_K}, map[tensor.Type]float64{tensor.Q4_K: 0.05}},
}

// TestPerplexityTable: the figures in docs/formats.md are those of this tree. Without
// -update some formats stand for all.
func TestPerplexityTable(t *testing.T) {
	for _, study := range studies {
		measured := study.always
		if *update {
			measured = study.tabled
		}
		var exact []float64
		var rows []string
		for _, typ := range measured {
			losses, stored := lossesOf(t, study.model, typ)
			if typ == tensor.F32 {
				exact = losses
			}
			loss, more, half := compare(losses, exact)
			rows = append(rows, fmt.Sprintf("| %s | %s | %.3f | %+.2f%% ± %.2f |\n", typ, stored, math.Exp(loss), 100*(math.Exp(more)-1), 100*half))
			if bound := study.bound[typ]; bound > 0 && math.Abs(more) > bound {
				t.Errorf("%s as %s: loss %.4f, %+.4f over F32", study.model, typ, loss, more)
			}
		}
		before, table, after := cutTable(t, study.model)
		if *update {
			if err := os.WriteFile(formatsDoc, []byte(before+strings.Join(rows, "")+after), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, row := range rows {
			if !strings.Contains(table, row) {
				t.Errorf("docs/formats.md does not say of %s: %s(run with -update)", study.model, row)
			}
		}
	}
}

// cutTable finds the rows of a model's table, the first one below its name.
func cutTable(t *testing.T, model string) (before, table, after string) {
	t.Helper()
	doc, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	const rule = "| --- | --- | --- | --- |\n"
	text, name := string(doc), strings.Index(string(doc), model)
	at := strings.Index(text[max(0, name):], rule)
	if name < 0 || at < 0 {
		t.Fatalf("docs/formats.md has no table of %s", model)
	}
	start := name + at + len(rule)
	table, _, _ = strings.Cut(text[start:], "\n\n")
	return text[:start], table + "\n", text[start+len(table)+1:]
}

// compare returns the mean of x, what it exceeds the mean of exact by, and one standard
// error of that, by token: the same tokens in both.
func compare(x, exact []float64) (mean, more, half float64) {
	n := float64(len(x))
	for i := range x {
		mean += x[i] / n
		more += (x[i] - exact[i]) / n
	}
	for i := range x {
		half += (x[i] - exact[i] - more) * (x[i] - exact[i] - more)
	}
	return mean, more, math.Sqrt(half/(n-1)) / math.Sqrt(n)
}

// lossesOf is the negative log-likelihood of each token of a text under the model stored
// as typ, computed with exact activations, and the types its matrices really have.
func lossesOf(t *testing.T, model string, typ tensor.Type) (losses []float64, stored string) {
	t.Helper()
	var types []string
	_, b := convert(t, load(t, model), typ, func(f quantize.Figure) {
		if name := f.To.String(); strings.HasSuffix(f.Name, ".weight") && !strings.Contains(f.Name, "norm") && !slices.Contains(types, name) {
			types = append(types, name)
		}
	})
	slices.Sort(types)
	return textLosses(t, b), strings.Join(types, ", ")
}

// window is how many tokens are seen together: half of what the model was trained on.
const window = 256

func textLosses(t *testing.T, file []byte) (losses []float64) {
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
	for part := range slices.Chunk(ids, window) {
		s.Truncate(0)
		losses = append(losses, partLosses(t, s, part)...)
	}
	return losses
}

// partLosses are the losses of each token of ids after those before it.
func partLosses(t *testing.T, s *engine.Session, ids []int32) (losses []float64) {
	t.Helper()
	for len(ids) > 1 {
		n := min(len(ids)-1, s.Batch())
		if err := s.Forward(ids[:n], n); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			losses = append(losses, surprise(s.Logits(i), ids[i+1]))
		}
		ids = ids[n:]
	}
	return losses
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
