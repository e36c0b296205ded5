package main

import (
	"context"
	"fmt"
	"io"
)

// An env is what a command may touch, so that tests can replace it.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// maxInput bounds standard input, in bytes: far above any prompt, far below memory.
const maxInput = 256 << 20

// input reads standard input to its end. It returns when ctx ends, too: a person at a
// terminal may type nothing.
func (e env) input(ctx context.Context) ([]byte, error) {
	var b []byte
	done := make(chan error, 1)
	go func() {
		var err error
		b, err = io.ReadAll(io.LimitReader(e.stdin, maxInput+1))
		done <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-done:
		if err == nil && len(b) > maxInput {
			err = fmt.Errorf("pastel: standard input is over %d bytes", maxInput)
		}
		return b, err
	}
}

// printf writes a part of the answer. It returns no error: dispatch, which makes
// stdout a heldError, asks once at the end.
func (e env) printf(format string, args ...any) { _, _ = fmt.Fprintf(e.stdout, format, args...) }

// notef writes to the person at the terminal; when that fails there is nobody to tell.
func (e env) notef(format string, args ...any) { _, _ = fmt.Fprintf(e.stderr, format, args...) }

// A heldError passes writes on until one fails, and keeps that one's error.
type heldError struct {
	io.Writer
	err error
}

func (h *heldError) Write(p []byte) (n int, err error) {
	if h.err == nil {
		n, h.err = h.Writer.Write(p)
	}
	return n, h.err
}
