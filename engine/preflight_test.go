package engine_test

import (
	"bytes"
	"os"
	"testing"

	"pastel/engine"
	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
	"pastel/fault"
)

// TestPreflightEqualsWhatIsAllocated: the estimate is what loading really takes,
// but for rope tables and tapes.
func TestPreflightEqualsWhatIsAllocated(t *testing.T) {
	b, err := os.ReadFile("../testdata/models/stories260K.gguf")
	if err != nil {
		t.Fatal(err)
	}
	h, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	o := engine.SessionOptions{ContextLength: 128}
	e, err := engine.Preflight(h, engine.Reference(), o, engine.Rates{ReadBytesPerS: 1e9, MacsPerS: 1e12})
	if err != nil {
		t.Fatal(err)
	}
	m := story(t)
	before := m.Memory().InUse()
	if got := e.WeightBytes; got > before || before-got > before/20 {
		t.Errorf("weights: estimated %d bytes, in use %d", got, before)
	}
	newSession(t, m, o)
	used := m.Memory().InUse() - before
	if want := e.KVBytes + e.WorkBytes; want > used || used-want > used/3 {
		t.Errorf("session: estimated %d bytes, in use %d", want, used)
	}
	if !e.Fits || e.Check() != nil || e.DecodeTokS <= 0 || e.DecodeTokS != 1e9/float64(e.BytesPerToken) {
		t.Errorf("estimate %+v", e)
	}
}

// TestPreflightRefusesWithNumbers: a 1B model in F32 does not fit, and is refused
// from its header.
func TestPreflightRefusesWithNumbers(t *testing.T) {
	c, err := testmodel.Shape("1b", tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	size, err := c.Size()
	if err != nil {
		t.Fatal(err)
	}
	var head headWriter
	c.Write(&head) // stops early: only the header is wanted
	d := gguf.NewDecoder(size)
	if _, err := d.Write(head.b); err != nil {
		t.Fatal(err)
	}
	h, err := d.File()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Preflight(h, engine.Reference(), engine.SessionOptions{ContextLength: 4096}, engine.Rates{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Fits || fault.CodeOf(e.Check()) != fault.OOM {
		t.Errorf("a model of %d bytes fits %d", e.TotalBytes, e.LimitBytes)
	}
	l := engine.NewLoader(engine.Reference(), size)
	if _, err := l.Write(0, head.b); fault.CodeOf(err) != fault.OOM {
		t.Errorf("loading it = %v, want %s", err, fault.OOM)
	}
}

// headWriter keeps the first 16 MB.
type headWriter struct{ b []byte }

func (w *headWriter) Write(p []byte) (int, error) {
	if len(w.b) > 16<<20 {
		return 0, os.ErrClosed
	}
	w.b = append(w.b, p...)
	return len(p), nil
}
