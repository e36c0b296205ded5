package gguf

import (
	"io"

	"pastel/fault"
)

// readStep is how much Read fetches at a time.
const readStep = 64 << 10

// Read reads the header of a file of size bytes.
//
// Errors: ERR_BAD_FILE or ERR_UNSUPPORTED_TYPE for the file's faults; what r
// returns, wrapped, for its own.
func Read(r io.ReaderAt, size int64) (*File, error) {
	d := NewDecoder(uint64(max(size, 0)))
	buf := make([]byte, min(readStep, max(size, 0)))
	for off := int64(0); off < size && !d.Done(); {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		off += int64(n)
		if _, werr := d.Write(buf[:n]); werr != nil {
			return nil, werr
		}
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil && (err != io.EOF || n == 0) {
			return nil, fault.New(fault.BadFile, "gguf: reading at ", off, ": ", err)
		}
	}
	return d.File()
}
