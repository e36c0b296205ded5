package kernels

import (
	"unsafe"

	"pastel/fault"
)

// An Addr is a byte address in a Memory. Zero is never a valid address.
type Addr uint32

// regionAlign is the alignment of every region in bytes: one cache line.
const regionAlign = 64

// A Memory hands out the regions that tapes point into. It owns them: a region
// lives until Free. Under wasm an Addr is the address in linear memory; natively
// it is a number this Memory looks up. The zero value is ready. A Memory must
// not be used by two goroutines at once.
type Memory struct {
	regions []region // sorted by start
	bytes   uint64   // sum of region sizes
}

// region is one allocation: data is the aligned part of buf.
type region struct {
	start Addr
	data  []byte
	buf   []byte
}

// InUse returns the number of bytes allocated and not freed.
func (m *Memory) InUse() uint64 { return m.bytes }

// Alloc returns the address of nBytes zero bytes, aligned to 64.
//
// Errors: ERR_OOM when the size is beyond what 32 bits address or, under wasm,
// what the host gives.
func (m *Memory) Alloc(nBytes int) (Addr, error) {
	if nBytes < 0 || uint64(nBytes) > maxRegion {
		return 0, fault.New(fault.OOM, "kernels: region of ", nBytes, " bytes, at most ", uint64(maxRegion))
	}
	size := (nBytes + regionAlign - 1) &^ (regionAlign - 1)
	buf := newBlock(size + regionAlign)
	if buf == nil {
		return 0, fault.New(fault.OOM, "kernels: no memory for ", size, " bytes beside ", m.bytes, " in use")
	}
	skip := -int(uintptr(unsafe.Pointer(&buf[0]))) & (regionAlign - 1)
	data := buf[skip : skip+size : skip+size]
	i, start, ok := m.place(data)
	if !ok {
		freeBlock(buf)
		return 0, fault.New(fault.OOM, "kernels: no room for ", size, " bytes beside ", m.bytes, " in use")
	}
	m.regions = append(m.regions, region{})
	copy(m.regions[i+1:], m.regions[i:])
	m.regions[i] = region{start: start, data: data, buf: buf}
	m.bytes += uint64(size)
	return start, nil
}

// Free gives the region that starts at a back. Freeing zero does nothing.
func (m *Memory) Free(a Addr) {
	for i := range m.regions {
		if m.regions[i].start == a {
			m.bytes -= uint64(len(m.regions[i].data))
			freeBlock(m.regions[i].buf)
			m.regions = append(m.regions[:i], m.regions[i+1:]...)
			return
		}
	}
	if a != 0 {
		panic("kernels: Free of an address that is not the start of a region")
	}
}

// Bytes returns the n bytes at a. The slice aliases the memory and stays valid
// until the region is freed. It panics when a..a+n is not inside one region:
// addresses come from plans, not from files.
func (m *Memory) Bytes(a Addr, n int) []byte {
	r := m.find(a)
	off := int(a - r.start)
	return r.data[off : off+n : off+n]
}

// find returns the region that holds a.
func (m *Memory) find(a Addr) *region {
	lo, hi := 0, len(m.regions)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.regions[mid].start <= a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		panic("kernels: address below every region")
	}
	return &m.regions[lo-1]
}

// F32 returns n float32 values at a, which must be 4-aligned.
func (m *Memory) F32(a Addr, n int) []float32 { return view[float32](m.Bytes(a, 4*n), n) }

// I32 returns n int32 values at a, which must be 4-aligned.
func (m *Memory) I32(a Addr, n int) []int32 { return view[int32](m.Bytes(a, 4*n), n) }

// U32 returns n uint32 values at a, which must be 4-aligned.
func (m *Memory) U32(a Addr, n int) []uint32 { return view[uint32](m.Bytes(a, 4*n), n) }

// U16 returns n uint16 values at a, which must be 2-aligned.
func (m *Memory) U16(a Addr, n int) []uint16 { return view[uint16](m.Bytes(a, 2*n), n) }

// I8 returns n int8 values at a.
func (m *Memory) I8(a Addr, n int) []int8 { return view[int8](m.Bytes(a, n), n) }

// view reinterprets bytes of our own memory. It never sees a file's buffer.
func view[T any](b []byte, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
