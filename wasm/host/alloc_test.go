package host

import (
	"testing"

	"pastel/wasm/protocol"
)

// TestDecodeAllocatesNothingInWasm: the module's heap is as large after a hundred more
// tokens. Asking for it costs the same each time.
func TestDecodeAllocatesNothingInWasm(t *testing.T) {
	for _, threads := range []int{1, 2} {
		e := start(t, Options{Threads: threads}, "stories260K.gguf")
		session := open(t, e, "")
		heap := func() int64 {
			stats, err := call[*protocol.StatsReply](t.Context(), e, &protocol.Stats{})
			if err != nil {
				t.Fatal(err)
			}
			return int64(stats.HeapBytes)
		}
		if _, err := e.Call(t.Context(), &protocol.Generate{Session: session, Prompt: "Once", AddSpecial: true, IgnoreEOS: true}); err != nil {
			t.Fatal(err)
		}
		steps := func(n int) {
			for range n {
				if _, err := e.step(t.Context(), session); err != nil {
					t.Fatal(err)
				}
			}
		}
		steps(60) // buffers reach their size
		a, b := heap(), heap()
		steps(100)
		if grown := heap() - b - (b - a); grown != 0 {
			t.Errorf("%d threads: %d bytes more after 100 tokens", threads, grown)
		}
	}
}
