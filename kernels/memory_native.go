//go:build !wasm

package kernels

// maxRegion is the largest region in bytes.
const maxRegion = 1<<32 - 1<<20

// firstAddr leaves the first page unused so that address zero stays invalid.
const firstAddr = 1 << 16

// newBlock returns n zero bytes.
func newBlock(n int) []byte { return make([]byte, n) }

// freeBlock leaves a block to the garbage collector.
func freeBlock([]byte) {}

// place finds the first gap of the 32-bit address space that holds data.
func (m *Memory) place(data []byte) (i int, start Addr, ok bool) {
	next := uint64(firstAddr)
	for i = range m.regions {
		if next+uint64(len(data)) <= uint64(m.regions[i].start) {
			return i, Addr(next), true
		}
		next = uint64(m.regions[i].start) + uint64(len(m.regions[i].data))
	}
	return len(m.regions), Addr(next), next+uint64(len(data)) <= 1<<32
}
