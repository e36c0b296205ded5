// Package baseline has the published ways of combining adapters that Crayon is
// compared with, as small functions.
//
// It must not know models: losses and hidden states come from the caller.
package baseline
