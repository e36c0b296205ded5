package host

import (
	"context"
	"testing"
	"time"

	"pastel/wasm/protocol"
)

func TestStats(t *testing.T) {
	ctx := context.Background()
	for _, o := range []Options{{Reference: true}, {Threads: 1}, {Threads: 2}, {Threads: 3}} {
		start := time.Now()
		e, err := New(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("start %v", time.Since(start))
		files, closeFiles, err := OpenFiles("../../testdata/models/stories260K.gguf")
		if err != nil {
			t.Fatal(err)
		}
		defer closeFiles()
		start = time.Now()
		info, err := e.LoadModel(ctx, files, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("load %v %+v", time.Since(start), info)
		ids, err := e.Tokenize(ctx, &protocol.Tokenize{Text: "Once upon a time", AddSpecial: true})
		t.Log(ids, err)
		s, err := e.OpenSession(ctx, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		rows, err := e.Logits(ctx, &protocol.Logits{Session: s.Session, Tokens: ids})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("logits %v %v", time.Since(start), rows[0][:8])
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
