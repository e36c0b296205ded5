//go:build unix

package host

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// memoryAllocator reserves address space for a whole memory at once, so that growing
// never moves it, and gives it back on Free. wazero's own way, a Go slice with 4 GiB
// of capacity, would count as 4 GiB of live heap and be cleared when used again.
var memoryAllocator experimental.MemoryAllocator = experimental.MemoryAllocatorFunc(reserve)

type mapping struct{ b []byte }

func reserve(_, maxBytes uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(maxBytes), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|mapNoReserve)
	if err != nil {
		panic("host: cannot reserve address space for a WebAssembly memory: " + err.Error())
	}
	return &mapping{b}
}

// Reallocate shows the first size bytes; the operating system provides them as they are touched.
func (m *mapping) Reallocate(size uint64) []byte {
	if size > uint64(len(m.b)) {
		return nil
	}
	return m.b[:size]
}

func (m *mapping) Free() {
	if m.b != nil {
		_ = syscall.Munmap(m.b)
		m.b = nil
	}
}
