package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Go keeps, for every function, its name, file and line tables. They are a third
// of the module's data and serve only stack traces, which nobody reads: the engine
// turns a panic into {code, message} and the host throws a trapped instance away.
// Blanked, engine.wasm is about 100 KB smaller under gzip. What the garbage
// collector and stack growth read (pcsp, stack maps) stays.
//
// The list of all types goes, too, which reflection alone reads.
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
	funcName      = 4
	funcDefer     = 12
	funcPCSP      = 16
	funcPCFile    = 20
	funcPCLine    = 24
	funcNPCData   = 28
	funcUnit      = 32
	funcLine      = 36
	funcNFuncData = 43
	funcBytes     = 44
)

// Indices of pcdata nothing reads: unsafe points serve preemption by signals, which
// WebAssembly does not have, and live arguments serve traces.
const (
	pcdataUnsafePoint = 0
	pcdataArgLive     = 3
)

// Indices of funcdata that only traces read: the arguments to print, and their liveness.
const (
	funcdataArgInfo = 5
	funcdataArgLive = 6
	noFuncdata      = 1<<32 - 1
)

// findTables returns the tables in data at an address, nil where there are none.
func findTables(addr uint32, data []byte) (*traceTables, error) {
	at := bytes.Index(data, magic)
	if at < 0 {
		return nil, nil
	}
	var h pcHeader
	tables := data[at:]
	if _, err := binary.Decode(tables, binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	size := uint64(len(tables))
	if !(h.Names <= h.Units && h.Units <= h.Files && h.Files <= h.PCTables && h.PCTables <= h.FuncTable && h.FuncTable <= size && h.NFunc <= (size-h.FuncTable)/8) {
		return nil, fmt.Errorf("tables of %d functions do not fit %d bytes", h.NFunc, size)
	}
	t := &traceTables{
		names: tables[h.Names:h.PCTables], pc: tables[h.PCTables:h.FuncTable], funcs: tables[h.FuncTable:],
		n: int(h.NFunc), start: at, end: at + int(h.FuncTable),
		header: addr + uint32(at), funcsAt: addr + uint32(at) + uint32(h.FuncTable),
	}
	return t, t.checkFuncs()
}

// traceTables are the tables that functions point into.
type traceTables struct {
	names      []byte // names of functions, units and files
	pc         []byte
	funcs      []byte // n pairs of entry and offset, then a _func each
	n          int
	start, end int // where in the data the tables are

	header, funcsAt uint32 // addresses of the tables and of funcs
	find            findBuckets
	types           []byte // offsets of types
}

// findBuckets are what Go finds a function's place in the table by: 20 bytes for every
// 4096 values of a pc, of which the first four are the place. The runtime searches on
// from there, so that a place too small is right but slow.
type findBuckets struct {
	data  []byte
	at    uint32 // address
	first uint32 // number of the first function
}

// Four bytes for every 4096 values, one for every 256 of them.
const (
	findSpan, findSubSpan = 4096, 256
	findFuncSize          = 1<<pcBits/findSpan*4 + 1<<pcBits/findSubSpan // bytes of buckets for one function
)

// findRest finds, in data at an address, what lies elsewhere than the tables.
func (t *traceTables) findRest(addr uint32, data []byte) error {
	m, err := findModuleData(data, addr, t.header)
	if err != nil {
		return err
	}
	t.find.at, t.find.first = uint32(m.FindFunc), uint32(m.MinPC>>pcBits)
	pcs := m.MaxPC - m.MinPC
	t.find.data = bytesAt(data, addr, m.FindFunc, (pcs+findSpan-1)/findSpan*4+(pcs+findSubSpan-1)/findSubSpan)
	t.types = bytesAt(data, addr, m.TypeLinks.Ptr, 4*m.TypeLinks.Len)
	if t.find.data == nil || t.types == nil {
		return errors.New("moduledata points outside the data")
	}
	return nil
}

// checkFuncs checks that every function's entry lies within the tables and sets their end.
func (t *traceTables) checkFuncs() error {
	last := 8 * t.n
	for i := range t.n {
		f, err := t.entry(i)
		if err != nil {
			return err
		}
		last = max(last, len(t.funcs)-cap(f)+len(f))
	}
	t.end += last
	return nil
}

// entry returns the i-th _func with the arrays after it. (Checked anew each time: in
// bytes from outside one may lie in another and blanking changes both.)
func (t *traceTables) entry(i int) ([]byte, error) {
	off := uint64(binary.LittleEndian.Uint32(t.funcs[8*i+4:]))
	if off+funcBytes > uint64(len(t.funcs)) {
		return nil, fmt.Errorf("function %d lies at %d of %d bytes", i, off, len(t.funcs))
	}
	f := t.funcs[off:len(t.funcs):len(t.funcs)]
	size := funcSize(f)
	if size > uint64(len(f)) {
		return nil, fmt.Errorf("function %d needs %d of %d bytes", i, size, len(f))
	}
	return f[:size], nil
}

// blank clears what only traces need, and everything of functions that are not live.
func (t *traceTables) blank(funcs functions) error {
	packer := tablePacker{old: t.pc, new: []byte{0}, at: map[string]uint32{}}
	for i := range t.n {
		f, err := t.entry(i)
		if err != nil {
			return err
		}
		number := binary.LittleEndian.Uint32(t.funcs[8*i:]) - pcBase
		if !funcs.lives(number) {
			clear(f)
			continue
		}
		t.blankFunc(f)
		if err := packFunc(&packer, f, funcs.returnsOf(number)); err != nil {
			return err
		}
	}
	if len(packer.new) > len(t.pc) {
		return errors.New("the pc tables grew")
	}
	clear(t.pc[copy(t.pc, packer.new):])
	clear(t.names)
	clear(t.types)
	return nil
}

// packFunc packs the pc tables of a function.
func packFunc(p *tablePacker, f []byte, returns []uint32) error {
	places := placesOf(f, returns)
	if err := p.move(f[funcPCSP:][:4], places, true); err != nil {
		return err
	}
	for k := range int(binary.LittleEndian.Uint32(f[funcNPCData:])) {
		if err := p.move(f[funcBytes+4*k:][:4], places, false); err != nil {
			return err
		}
	}
	return nil
}

// funcSize is the size of a _func with the arrays after it.
func funcSize(f []byte) uint64 {
	return funcBytes + 4*uint64(binary.LittleEndian.Uint32(f[funcNPCData:])) + 4*uint64(f[funcNFuncData])
}

// blankFunc clears a function's name, file and line and what only traces read of its tables.
func (t *traceTables) blankFunc(f []byte) {
	for _, field := range []int{funcName, funcPCFile, funcPCLine, funcUnit, funcLine} {
		binary.LittleEndian.PutUint32(f[field:], 0)
	}
	nPCData := int(binary.LittleEndian.Uint32(f[funcNPCData:]))
	for k := range nPCData {
		entry := f[funcBytes+4*k:]
		if k == pcdataUnsafePoint || k == pcdataArgLive {
			binary.LittleEndian.PutUint32(entry, 0)
		}
	}
	for k := range int(f[funcNFuncData]) {
		if k == funcdataArgInfo || k == funcdataArgLive {
			binary.LittleEndian.PutUint32(f[funcBytes+4*(nPCData+k):], noFuncdata)
		}
	}
}
