// Package jsonvalue reads and writes JSON as a tree of Values.
//
// It exists because encoding/json brings reflect and fmt into engine.wasm, and
// because chat templates need what encoding/json throws away: the order of an
// object's keys, and the difference between 1 and 1.0.
//
// It accepts what encoding/json accepts (RFC 8259), except that text which is
// not UTF-8 is refused instead of repaired, and that size, depth and number of
// values are limited. As there, a lone surrogate escape (\ud800) becomes U+FFFD,
// and of several equal keys the last value wins (at the place of the first),
// unless Options.RefuseDuplicates is set.
//
// It must not know what any document means.
package jsonvalue
