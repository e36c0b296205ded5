package engine

import "unsafe"

// bytesAsString reads b as a string without a copy; b must not change while the
// string is used. It keeps the decode loop free of allocations.
func bytesAsString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
