package dispatch_test

import (
	"os"
	"testing"

	"pastel/engine"
	"pastel/wasm/dispatch"
	"pastel/wasm/protocol"
)

// TestStepAllocatesNothing: a decoded token costs no memory up to its encoded event.
func TestStepAllocatesNothing(t *testing.T) {
	file, err := os.ReadFile("../../testdata/models/stories260K.gguf")
	if err != nil {
		t.Fatal(err)
	}
	d := dispatch.New(dispatch.Config{Machine: engine.Reference(), Executor: "reference", NowMs: func() float64 { return 0 }})
	ask := func(m protocol.Message) {
		t.Helper()
		if reply := d.Handle(protocol.Append(nil, m)); protocol.IsError(reply) {
			t.Fatalf("%T: %q", m, reply)
		}
	}
	ask(&protocol.Open{Kind: "model", Files: []protocol.File{{Name: "model.gguf", Size: uint64(len(file))}}})
	if n, reply := d.Write(0, file); n < len(file) {
		t.Fatalf("Write took %d of %d bytes: %q", n, len(file), reply)
	}
	ask(&protocol.Finish{})
	ask(&protocol.OpenSession{ContextLength: 256})
	ask(&protocol.Generate{Session: 1, Prompt: "Once upon a time", AddSpecial: true, IgnoreEOS: true, Temperature: 0.8, TopK: 40, TopP: 0.9, Seed: 1})
	step := func() { d.Step(1) }
	for range 60 { // buffers reach their size
		step()
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%g allocations per token", n)
	}
}
