package kernels

import "unsafe"

// maxRegion is the largest region in bytes: what a 32-bit memory can address.
const maxRegion = 1<<31 - 1<<20

// place keeps a region where the Go heap put it: the kernels see the same
// linear memory.
func (m *Memory) place(data []byte) (i int, start Addr, ok bool) {
	start = Addr(uintptr(unsafe.Pointer(unsafe.SliceData(data))))
	for i < len(m.regions) && m.regions[i].start < start {
		i++
	}
	return i, start, true
}
