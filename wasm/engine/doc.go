// Command engine is engine.wasm: a WASI reactor whose exports carry the messages of
// package protocol to package dispatch and back.
//
//	buffer(n) address     room for n bytes, which the host fills
//	call(n) length        handles the request in the buffer; its reply is at reply()
//	write(file, n) taken  takes n bytes of a file of the open stream from the buffer;
//	                      on an error minus the length of its reply
//	step(session) length  one step of a generation; its event is at reply()
//	control(n) address    makes the block where up to n threads meet (see kernels)
//	reply() address       where the last reply is
//
// A reply is valid until the next call. The host may write into the buffer until it
// asks for a larger one; views of memory go stale whenever memory grows.
//
// It must not know what a message means, nor who the host is.
package main

// main is never called: a reactor is entered through its exports.
func main() {}
