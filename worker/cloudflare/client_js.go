//go:build js && wasm

package main

import (
	"context"
	"net/http"
	"strconv"
	"syscall/js"

	"github.com/syumai/workers/cloudflare"
)

// A streamWriter writes the response's body through the platform's own stream,
// and ends a context when the client leaves.
//
// The pipe of syumai/workers v0.32.0 panics when a client cancels it ("This
// ReadableStream is closed"), which would leave the backend running.
//
// A client that leaves before the first byte ends the whole instance at once,
// and the platform aborts its fetches; the tokens reserved stay spent then.
// From the first byte on the instance is kept until ended, to settle them.
type streamWriter struct {
	http.ResponseWriter
	ctx    context.Context
	leave  context.CancelFunc
	ended  chan struct{} // closed when the request is done with
	writer js.Value      // of the stream; undefined before the first write
}

func newStreamWriter(w http.ResponseWriter, ctx context.Context) *streamWriter {
	ctx, leave := context.WithCancel(ctx)
	return &streamWriter{ResponseWriter: w, ctx: ctx, leave: leave, ended: make(chan struct{})}
}

// rawBody is what syumai's ResponseWriter offers beside http.ResponseWriter.
type rawBody interface {
	WriteRawJSBody(body js.Value)
	Ready() // the headers are complete
}

func (w *streamWriter) begun() bool { return !w.writer.IsUndefined() }

func (w *streamWriter) begin() {
	cloudflare.WaitUntil(func() { <-w.ended })
	var stream js.Value
	// A length is only kept by a stream that promises it.
	if n, err := strconv.Atoi(w.Header().Get("Content-Length")); err == nil {
		stream = js.Global().Get("FixedLengthStream").New(n)
	} else {
		stream = js.Global().Get("TransformStream").New()
	}
	w.writer = stream.Get("writable").Call("getWriter")
	w.writer.Get("closed").Call("catch", js.FuncOf(func(js.Value, []js.Value) any {
		w.leave()
		return nil
	}))
	raw := w.ResponseWriter.(rawBody)
	raw.WriteRawJSBody(stream.Get("readable"))
	raw.Ready()
}

// Write returns when the client has taken the data, so that a slow client slows
// the backend down.
func (w *streamWriter) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if !w.begun() {
		w.begin()
	}
	if _, err := await(w.ctx, w.writer.Call("write", jsBytes(data))); err != nil {
		return 0, err
	}
	return len(data), nil
}

// end finishes the body and lets the instance go.
func (w *streamWriter) end() {
	if w.begun() {
		_, _ = await(w.ctx, w.writer.Call("close")) // a client that left gets no end
	}
	close(w.ended)
}
