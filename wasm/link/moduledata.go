package main

import (
	"encoding/binary"
	"errors"
)

// A goSlice is a slice in Go's memory.
type goSlice struct{ Ptr, Len, Cap uint64 }

// moduleData is the beginning of the runtime's variable that says where its tables are.
//
// Source: Go 1.26, runtime/symtab.go (moduledata).
type moduleData struct {
	Header                                     uint64
	Names, Units, Files, PCTables, PCLN, Funcs goSlice
	FindFunc, MinPC, MaxPC                     uint64
	Sections                                   [20]uint64 // text to epclntab
	TextSections, TypeLinks                    goSlice
}

// findModuleData returns the moduleData whose tables begin with the pcHeader at an
// address.
func findModuleData(data []byte, at, header uint32) (m moduleData, err error) {
	first := -int(at) & 7 // it lies at a multiple of 8
	for i := first; i+8 <= len(data); i += 8 {
		if binary.LittleEndian.Uint64(data[i:]) != uint64(header) {
			continue
		}
		if _, err := binary.Decode(data[i:], binary.LittleEndian, &m); err == nil && m.Names.Ptr > uint64(header) && m.MinPC < m.MaxPC {
			return m, nil
		}
	}
	return m, errors.New("no moduledata beside the tables of functions")
}

// bytesAt returns size bytes of data, whose first is at an address of its own; nil where
// they do not lie in it.
func bytesAt(data []byte, at uint32, address, size uint64) []byte {
	from := address - uint64(at)
	if address < uint64(at) || from > uint64(len(data)) || size > uint64(len(data))-from {
		return nil
	}
	return data[from : from+size]
}
