// Package digest computes SHA-256.
//
// It exists because crypto/sha256 brings the FIPS machinery and its self-tests
// into engine.wasm, where the kernels module compresses blocks. It must not know
// what it hashes.
package digest
