//go:build js && wasm

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall/js"
)

// A fetcher is a worker.Doer over an object's fetch method: the global object's,
// or a binding's. Cancelling the request's context aborts the fetch, also while
// its body is read. Redirects are returned, never followed.
type fetcher struct{ object js.Value }

// Do implements worker.Doer.
func (f fetcher) Do(r *http.Request) (*http.Response, error) {
	controller := js.Global().Get("AbortController").New()
	init := map[string]any{
		"method": r.Method, "headers": jsHeaders(r.Header), "signal": controller.Get("signal"), "redirect": "manual",
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		if len(body) > 0 {
			init["body"] = jsBytes(body)
		}
	}
	res, err := await(r.Context(), f.object.Call("fetch", r.URL.String(), init))
	if err != nil {
		controller.Call("abort")
		return nil, err
	}
	header := goHeader(res.Get("headers"))
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	return &http.Response{
		StatusCode: res.Get("status").Int(), Header: header, ContentLength: length, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: newBody(r.Context(), res.Get("body"), controller),
	}, nil
}

// await waits for a promise, or for ctx.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	settled := make(chan result, 1)
	var then, catch js.Func
	then = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- result{value: args[0]}
		return nil
	})
	catch = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- result{err: errors.New(args[0].Call("toString").String())}
		return nil
	})
	promise.Call("then", then, catch)
	select {
	case r := <-settled:
		then.Release()
		catch.Release()
		return r.value, r.err
	case <-ctx.Done(): // the functions stay: the promise may still call one
		return js.Undefined(), context.Cause(ctx)
	}
}

// A body reads a ReadableStream.
type body struct {
	ctx        context.Context
	reader     js.Value
	controller js.Value
	rest       []byte
	done       bool
}

func newBody(ctx context.Context, stream, controller js.Value) io.ReadCloser {
	if stream.IsNull() || stream.IsUndefined() {
		return http.NoBody
	}
	return &body{ctx: ctx, reader: stream.Call("getReader"), controller: controller}
}

func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.done {
			return 0, io.EOF
		}
		chunk, err := await(b.ctx, b.reader.Call("read"))
		if err != nil {
			_ = b.Close()
			return 0, err
		}
		if b.done = chunk.Get("done").Bool(); b.done {
			continue
		}
		value := chunk.Get("value")
		b.rest = make([]byte, value.Get("byteLength").Int())
		js.CopyBytesToGo(b.rest, value)
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close aborts the fetch unless its body was read to the end.
func (b *body) Close() error {
	if !b.done {
		b.done = true
		b.controller.Call("abort")
	}
	return nil
}

func jsBytes(data []byte) js.Value {
	array := js.Global().Get("Uint8Array").New(len(data))
	js.CopyBytesToJS(array, data)
	return array
}

func jsHeaders(h http.Header) js.Value {
	headers := js.Global().Get("Headers").New()
	for name, values := range h {
		for _, v := range values {
			headers.Call("append", name, v)
		}
	}
	return headers
}

func goHeader(headers js.Value) http.Header {
	entries := js.Global().Get("Array").Call("from", headers.Call("entries"))
	h := http.Header{}
	for i := range entries.Length() {
		h.Add(entries.Index(i).Index(0).String(), entries.Index(i).Index(1).String())
	}
	return h
}
