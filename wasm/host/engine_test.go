package host

import (
	"context"
	"testing"
	"time"

	"pastel/wasm/protocol"
)

func TestStats(t *testing.T) {
	ctx := context.Background()
	for _, o := range []Options{{Reference: true}, {Threads: 1}} {
		start := time.Now()
		e, err := New(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("start %v", time.Since(start))
		m, err := e.Call(ctx, &protocol.Stats{})
		t.Logf("%+v %v", m, err)
		w, ok := e.transport.(*wasmTransport)
		if ok {
			start = time.Now()
			if _, err := w.linker.instantiate(ctx, 1); err != nil {
				t.Fatal(err)
			}
			t.Logf("instantiate %v", time.Since(start))
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
