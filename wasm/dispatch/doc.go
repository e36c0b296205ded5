// Package dispatch answers the boundary's messages with package engine: it is
// engine.wasm without WebAssembly, and runs natively as the reference executor's host.
//
// Every request gets exactly one reply. A panic inside a request becomes an error
// reply with the code ERR_INTERNAL; the state it leaves is the caller's to judge.
//
// The package must not know who sends the messages, nor WebAssembly.
package dispatch
