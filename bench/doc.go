// Package bench measures a model: loading, prefill, decode and memory, in Chromium
// and under wazero, beside the limits of the machine measured in the same run.
//
// Everything is measured from where a user stands: a page's or a Go program's clock,
// around the public API. Repeats give median, smallest and largest; the first
// generation is not counted.
//
// The package must not know what a model computes, nor how.
package bench
