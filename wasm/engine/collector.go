//go:build wasip1

package main

import _ "unsafe" // for go:linkname

// stopTheWorld is the place of gcstoptheworld among the words of Go 1.26's GODEBUG.
const stopTheWorld = 10

// godebug is the runtime's variable of these words. (The linker lets this through with
// -checklinkname=0.)
//
//go:linkname godebug runtime.debug
var godebug [stopTheWorld + 1]int32

// A collection runs from its beginning to its end. Left to run beside the program, as
// Go's does, it depends on goroutines giving way, which an export that computes until
// it returns never does: cycles stayed open and garbage grew to gigabytes.
func init() { godebug[stopTheWorld] = 1 }
