package lab

import (
	"pastel/kernels"
)

// fillByte fills spans whose contents do not matter: about 1 as float16, 0.01 as
// float32, 12 and 3 as nibbles.
const fillByte = 0x3c

// A Span is a region of memory a call works on.
type Span struct {
	Addr  kernels.Addr
	Bytes int
	Fill  bool // contents do not matter: any nonzero bytes
}

// An Image is a memory's spans and the tape to run on them.
type Image struct {
	Mem   *kernels.Memory
	Tape  *kernels.Tape
	Spans []Span
}

// Alloc takes a region from the memory into the image.
//
// Errors: those of Memory.Alloc.
func (im *Image) Alloc(nBytes int) (kernels.Addr, error) {
	a, err := im.Mem.Alloc(nBytes)
	if err == nil {
		im.Spans = append(im.Spans, Span{Addr: a, Bytes: nBytes})
	}
	return a, err
}

// A Call is one call of a module's export run(control, a, b).
type Call struct {
	Name   string
	Module []byte // compiled once per distinct slice
	A, B   uint32
}

// A Contest is calls over one memory, timed in turn: every round times each
// call once, so that a slow moment of the machine hits all.
type Contest struct {
	Spans  []Span
	Mem    *kernels.Memory // read at the spans that are not Fill
	Calls  []Call
	Rounds int
	MinMs  float64 // how long one timing repeats its call at least
}

// A Machine runs tapes.
type Machine interface {
	// Name is the executor, as in wazero/simd128/threads=1.
	Name() string
	// Q8Zero is the integer bias of Q8_0 weights that the machine wants.
	Q8Zero() (int, error)
	// Run executes every image's tape on fresh memory and brings its spans back.
	Run(images []*Image) error
	// Time returns seconds per call, [call][round].
	Time(c *Contest) ([][]float64, error)
}
