// Package protocol is every message that crosses the boundary between engine.wasm
// and its host, in a compact binary form. Its twin is web/src/protocol.ts.
//
// A message is one version byte, one tag byte and its fields in the order they are
// declared, little-endian: bool and u8 are 1 byte, u32, i32 and f32 are 4, f64 and
// u53 (an integer below 2⁵³, so that JavaScript can hold it) are 8; a string is its
// length in bytes as u32 and its UTF-8; a list is its count as u32 and its items.
// Nothing is optional and nothing may follow the last field: both sides are built
// together, and the version byte turns a stale cached module into a clear error.
// To add a field, append it to both twins, raise Version and run the tests of both
// with -update; testdata/protocol holds the golden that both must agree on.
//
// The package must not know what any message makes the engine do.
package protocol
