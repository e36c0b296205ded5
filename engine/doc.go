// Package engine turns model bytes into text: a Loader takes the bytes of a
// GGUF file as they arrive, a Model holds the weights, a Session holds one
// conversation's keys and values, and a Generation yields tokens one by one.
//
// session.go is the place to start. The package must not know where bytes come
// from, who runs the tape, or what a browser is.
package engine
