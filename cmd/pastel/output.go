package main

import (
	"fmt"
	"io"
)

// An env is what a command may touch, so that tests can replace it.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
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
