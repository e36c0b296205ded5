package gguf

import (
	"math/bits"

	"pastel/fault"
)

// Bounds on what a header may claim, beyond what the file size implies.
const (
	maxHeaderBytes = 256 << 20 // metadata and tensor infos; a 256k vocabulary with scores, types and merges takes 12 MB
	maxKeys        = 1 << 16
	maxTensors     = 1 << 17
	maxKeyBytes    = 1<<16 - 1 // as the specification says
	maxNameBytes   = 64        // as the specification says
	maxTokenBytes  = 1 << 16   // one string of an array
	maxTextBytes   = 16 << 20  // one string value; the longest chat templates are about 100 KB
	maxDims        = 4

	// The least bytes a claimed thing takes, to hold counts against.
	minKVBytes     = 8 + 1 + 4 + 1
	minTensorBytes = 8 + 1 + 4 + 8 + 4 + 8
	minStringBytes = 8

	minAlignment     = 8
	maxAlignment     = 1 << 16
	defaultAlignment = 32

	rawStep = 1 << 14 // bytes of a numeric array taken at a time
)

// A Decoder reads a GGUF header from a stream. Feed it bytes with Write, split
// anywhere, until Done. It is one small machine: each state asks for a number
// of bytes, gets exactly these, and sets the next state. What is buffered is
// the item being read and nothing else, so memory follows the bytes received,
// never what they claim.
//
// It is for one goroutine.
type Decoder struct {
	size uint64 // of the whole file
	pos  uint64 // bytes taken so far
	err  error  // the first error; it stays

	need  int    // bytes the state wants
	item  []byte // those that have come
	state state  // takes exactly need bytes; nil when done

	file     File
	nTensors uint64
	nKeys    uint64
	pair     pair
	tens     TensorInfo
}

// A state takes the bytes it asked for. States are method expressions and not
// method values: a value would be allocated for every string of a vocabulary.
type state func(d *Decoder, b []byte) error

// NewDecoder returns a decoder for a file of fileSize bytes. Nothing in the file
// may point past that.
func NewDecoder(fileSize uint64) *Decoder {
	d := &Decoder{size: fileSize}
	d.err = d.next(24, (*Decoder).preamble)
	return d
}

// Done reports whether the header is complete; the bytes that follow are tensor data.
func (d *Decoder) Done() bool { return d.state == nil && d.err == nil }

// Write takes bytes of the header and returns how many. It takes all of p unless
// the header ends within: then n < len(p) with no error, and p[n:] is tensor
// data. After an error it takes nothing and returns the error again.
func (d *Decoder) Write(p []byte) (n int, err error) {
	for d.err == nil && d.state != nil {
		if len(d.item) == 0 && len(p)-n >= d.need {
			b := p[n : n+d.need]
			n += d.need
			d.step(b)
			continue
		}
		k := min(d.need-len(d.item), len(p)-n)
		d.item = append(d.item, p[n:n+k]...)
		n += k
		if len(d.item) < d.need {
			break
		}
		b := d.item
		d.item = d.item[:0]
		d.step(b)
	}
	return n, d.err
}

// File returns the header once Done, and an error before.
func (d *Decoder) File() (*File, error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.state != nil {
		return nil, d.bad("header goes on past byte ", d.pos+uint64(len(d.item)))
	}
	return &d.file, nil
}

// step gives the state its bytes.
func (d *Decoder) step(b []byte) {
	d.pos += uint64(len(b))
	if err := d.state(d, b); err != nil {
		d.err, d.state = err, nil
	}
}

// next sets the state to run when n more bytes have come. It refuses an n that
// the file cannot hold, so no claim outlives its first sight.
func (d *Decoder) next(n uint64, s state) error {
	if n > d.left() {
		return d.bad("header needs ", n, " bytes at ", d.pos, ", past end of file (", d.size, " bytes)")
	}
	if d.pos+n > maxHeaderBytes {
		return d.bad("header is longer than ", maxHeaderBytes, " bytes")
	}
	d.need, d.state = int(n), s
	return nil
}

func (d *Decoder) left() uint64 { return d.size - d.pos }

func (d *Decoder) bad(parts ...any) error {
	return fault.New(fault.BadFile, append([]any{"gguf: "}, parts...)...)
}

// preamble reads magic, version and the two counts.
func (d *Decoder) preamble(b []byte) error {
	if string(b[:4]) != "GGUF" {
		return d.bad("magic ", fault.Quote(string(b[:4])), ", want \"GGUF\"")
	}
	v := uint32(getUint(b[4:8]))
	switch {
	case v == bits.ReverseBytes32(2) || v == bits.ReverseBytes32(3):
		return d.bad("big-endian file; only little-endian is read")
	case v == 1:
		return d.bad("version 1 is obsolete; convert the file to version 3")
	case v != 2 && v != 3:
		return d.bad("version ", v, ", want 2 or 3")
	}
	d.file.Version = v
	d.nTensors, d.nKeys = getUint(b[8:16]), getUint(b[16:24])
	if err := d.checkCount("tensor", d.nTensors, minTensorBytes, maxTensors); err != nil {
		return err
	}
	if err := d.checkCount("key", d.nKeys, minKVBytes, maxKeys); err != nil {
		return err
	}
	return d.nextKey()
}

// checkCount holds a claimed number of things against the bytes left.
func (d *Decoder) checkCount(what string, n, each, most uint64) error {
	if n > d.left()/each {
		return d.bad(what, " count ", n, " does not fit the ", d.left(), " bytes left")
	}
	if n > most {
		return d.bad(what, " count ", n, " is over ", most)
	}
	return nil
}

// nextKey begins the next key–value pair, or the tensors when there is none.
func (d *Decoder) nextKey() error {
	if d.nKeys == 0 {
		return d.metadataDone()
	}
	d.nKeys--
	return d.next(8, (*Decoder).keyLength)
}

// metadataDone fixes the alignment and begins the tensor infos.
func (d *Decoder) metadataDone() error {
	a, err := alignment(&d.file.Metadata)
	if err != nil {
		return err
	}
	d.file.Alignment = a
	return d.nextTensor()
}

// alignment returns general.alignment under its rules.
func alignment(m *Metadata) (uint64, error) {
	const key = "general.alignment"
	v := m.find(key)
	if v == nil {
		return defaultAlignment, nil
	}
	if v.kind != kindUint32 {
		return 0, wrongType(key, v, "u32")
	}
	a := v.bits
	if a < minAlignment || a > maxAlignment || bits.OnesCount64(a) != 1 {
		return 0, fault.New(fault.BadFile, "gguf: key \"general.alignment\": ", a, " is not a power of two from ", minAlignment, " to ", maxAlignment)
	}
	return a, nil
}
