//go:build !unix

package host

import "github.com/tetratelabs/wazero/experimental"

// memoryAllocator is wazero's own.
var memoryAllocator experimental.MemoryAllocator
