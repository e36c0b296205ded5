//go:build unix

package host

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// A reservation provides the one memory of an instance: address space for all of it at
// once, so that growing never moves it. wazero's own way, a Go slice with 4 GiB of
// capacity, would count as 4 GiB of live heap and be cleared when used again.
type reservation struct{ b []byte }

func newReservation() *reservation { return &reservation{} }

// allocator is what wazero asks for memory.
func (r *reservation) allocator() experimental.MemoryAllocator {
	return experimental.MemoryAllocatorFunc(func(_, maxBytes uint64) experimental.LinearMemory {
		b, err := syscall.Mmap(-1, 0, int(maxBytes), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|mapNoReserve)
		if err != nil {
			panic("host: cannot reserve address space for a WebAssembly memory: " + err.Error())
		}
		r.b = b
		return r
	})
}

// Reallocate shows the first size bytes; the operating system provides them as they are touched.
func (r *reservation) Reallocate(size uint64) []byte {
	if size > uint64(len(r.b)) {
		return nil
	}
	return r.b[:size]
}

// Free does nothing: wazero calls it when the first module that imports the memory is
// closed, and others may still run on it.
func (r *reservation) Free() {}

// release gives the address space back. No module may run on it any more.
func (r *reservation) release() error {
	b := r.b
	r.b = nil
	if b == nil {
		return nil
	}
	return syscall.Munmap(b)
}
