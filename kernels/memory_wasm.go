package kernels

import "unsafe" // also for go:linkname

// maxRegion is the largest region in bytes: what a 32-bit memory can address.
const maxRegion = 1<<31 - 1<<20

// pageBytes is WebAssembly's page; heapBlock is the size from which a block is
// taken as whole pages.
const (
	pageBytes = 1 << 16
	heapBlock = 2 * pageBytes
)

// Go's own allocator of pages, which is the only one that may grow the memory.
// (The linker lets this through with -checklinkname=0.)
//
//go:linkname takePages runtime.sysReserveOS
func takePages(hint unsafe.Pointer, n uintptr, name string) unsafe.Pointer

//go:linkname givePages runtime.sysFreeOS
func givePages(p unsafe.Pointer, n uintptr)

// newBlock returns n zero bytes, nil when there is no memory. Large blocks lie
// outside the Go heap: inside, the garbage collector would take weights for live
// data and let as many bytes of garbage pile up before it runs.
func newBlock(n int) []byte {
	if n < heapBlock {
		return make([]byte, n)
	}
	p := takePages(nil, uintptr(wholePages(n)), "region")
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

// freeBlock gives a block's pages back at once; a small block is left to the collector.
func freeBlock(b []byte) {
	if len(b) >= heapBlock {
		givePages(unsafe.Pointer(unsafe.SliceData(b)), uintptr(wholePages(len(b))))
	}
}

func wholePages(n int) int { return (n + pageBytes - 1) &^ (pageBytes - 1) }

// place keeps a region where it is: the kernels see the same linear memory.
func (m *Memory) place(data []byte) (i int, start Addr, ok bool) {
	start = Addr(uintptr(unsafe.Pointer(unsafe.SliceData(data))))
	for i < len(m.regions) && m.regions[i].start < start {
		i++
	}
	return i, start, true
}
