//go:build wasip1

package main

import "unsafe"

//go:wasmimport wasi_snapshot_preview1 clock_time_get
//go:noescape
func clockTimeGet(id uint32, precision uint64, ns unsafe.Pointer) uint32

const clockMonotonic = 1

// nowMs reads the monotonic clock, in milliseconds. (Package time would cost engine.wasm its size.)
func nowMs() float64 {
	var ns uint64
	if clockTimeGet(clockMonotonic, 0, unsafe.Pointer(&ns)) != 0 {
		return 0
	}
	return float64(ns) / 1e6
}
