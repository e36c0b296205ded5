package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Go keeps, for every function, its name, file and line tables. They are a third
// of the module's data and serve only stack traces, which nobody reads: the engine
// turns a panic into {code, message} and the host throws a trapped instance away.
// Blanked, engine.wasm is about 100 KB smaller under gzip. What the garbage
// collector and stack growth read (pcsp, stack maps) stays.
//
// Source: Go 1.26, runtime/symtab.go (pcHeader) and runtime/runtime2.go (_func).

// pcHeader is the head of Go's tables; offsets count from its start.
type pcHeader struct {
	Magic                 uint32
	Pad                   [2]byte
	MinLC, PtrSize        uint8
	NFunc, NFiles, Unused uint64
	Names, Units, Files   uint64
	PCTables, FuncTable   uint64
}

// magic begins the tables of Go 1.20 and later.
var magic = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

// Offsets of the fields of _func, in bytes, and its size before the pcdata array.
const (
	funcName    = 4
	funcPCSP    = 16
	funcPCFile  = 20
	funcPCLine  = 24
	funcNPCData = 28
	funcUnit    = 32
	funcLine    = 36
	funcBytes   = 44
)

// pcdataArgLive is the pcdata index that only traces use.
const pcdataArgLive = 3

// blankTables blanks the trace tables in data if it holds them.
func blankTables(_ uint32, data []byte) error {
	at := bytes.Index(data, magic)
	if at < 0 {
		return nil
	}
	var h pcHeader
	tables := data[at:]
	if _, err := binary.Decode(tables, binary.LittleEndian, &h); err != nil {
		return err
	}
	size := uint64(len(tables))
	if !(h.Names <= h.Units && h.Units <= h.Files && h.Files <= h.PCTables && h.PCTables <= h.FuncTable && h.FuncTable+8*h.NFunc <= size) {
		return fmt.Errorf("tables of %d functions do not fit %d bytes", h.NFunc, size)
	}
	t := &traceTables{pc: tables[h.PCTables:h.FuncTable], funcs: tables[h.FuncTable:], keep: map[uint32]bool{}}
	if err := t.blankFuncs(int(h.NFunc)); err != nil {
		return err
	}
	t.blankPCTables()
	clear(tables[h.Names:h.PCTables])
	return nil
}

// traceTables are the tables that functions point into.
type traceTables struct {
	pc    []byte
	funcs []byte
	keep  map[uint32]bool // offsets of pc tables still in use
}

// blankFuncs clears every function's name, file and line.
func (t *traceTables) blankFuncs(n int) error {
	for i := range n {
		off := uint64(binary.LittleEndian.Uint32(t.funcs[8*i+4:]))
		if off+funcBytes > uint64(len(t.funcs)) {
			return fmt.Errorf("function %d lies at %d of %d bytes", i, off, len(t.funcs))
		}
		f := t.funcs[off:]
		for _, field := range []int{funcName, funcPCFile, funcPCLine, funcUnit, funcLine} {
			binary.LittleEndian.PutUint32(f[field:], 0)
		}
		t.keep[binary.LittleEndian.Uint32(f[funcPCSP:])] = true
		nPCData := int(binary.LittleEndian.Uint32(f[funcNPCData:]))
		if uint64(funcBytes+4*nPCData) > uint64(len(f)) {
			return fmt.Errorf("function %d has %d tables", i, nPCData)
		}
		for k := range nPCData {
			entry := f[funcBytes+4*k:]
			if k == pcdataArgLive {
				binary.LittleEndian.PutUint32(entry, 0)
				continue
			}
			t.keep[binary.LittleEndian.Uint32(entry)] = true
		}
	}
	return nil
}

// blankPCTables clears the pc tables nothing points to any more. A table is pairs
// of variable-length numbers that end with a zero; offset 0 is no table.
func (t *traceTables) blankPCTables() {
	for at := 1; at < len(t.pc); {
		end := t.endOf(at)
		if !t.keep[uint32(at)] {
			clear(t.pc[at:end])
		}
		at = end
	}
}

// endOf returns the end of the table at an offset.
func (t *traceTables) endOf(at int) int {
	for first := true; at < len(t.pc); first = false {
		value, n := binary.Uvarint(t.pc[at:])
		at += max(n, 1)
		if value == 0 && !first {
			break
		}
		_, n = binary.Uvarint(t.pc[min(at, len(t.pc)):])
		at += max(n, 1)
	}
	return min(at, len(t.pc))
}
