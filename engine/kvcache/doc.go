// Package kvcache owns the keys and values of a session: their memory, how many
// positions are filled, and which tokens filled them.
//
// The package must not know operations, models or text.
package kvcache
