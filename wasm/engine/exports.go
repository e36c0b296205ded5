//go:build wasip1

package main

import (
	"unsafe"

	"pastel/wasm/dispatch"
)

var (
	dispatcher = dispatch.New(config())
	request    []byte // what the host fills
	answer     []byte // the last reply
)

// maxBuffer bounds the buffer: the largest message or the largest piece of a stream.
const maxBuffer = 1 << 30

//go:wasmexport buffer
func buffer(n uint32) uint32 {
	if n > maxBuffer {
		return 0
	}
	if int(n) > len(request) {
		request = nil // let the old one go before asking for the new
		request = make([]byte, max(int(n), 1<<16))
	}
	return address(request)
}

//go:wasmexport call
func call(n uint32) uint32 {
	return keep(dispatcher.Handle(request[:n]))
}

//go:wasmexport write
func write(file, n uint32) int32 {
	taken, err := dispatcher.Write(file, request[:n])
	if err != nil {
		return -int32(keep(err))
	}
	return int32(taken)
}

//go:wasmexport step
func step(session uint32) uint32 {
	return keep(dispatcher.Step(session))
}

// control makes the block where up to n threads meet and returns its address, which
// the host gives to the help export of each helper's kernels; 0 without memory.
//
//go:wasmexport control
func control(n uint32) uint32 {
	if err := exec.start(int(n)); err != nil {
		return 0
	}
	return uint32(exec.control)
}

//go:wasmexport reply
func reply() uint32 { return address(answer) }

// keep holds a reply where the host can read it.
func keep(b []byte) uint32 {
	answer = b
	return uint32(len(b))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
