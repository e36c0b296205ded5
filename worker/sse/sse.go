// Package sse reads and writes server-sent events: the framing of a streamed
// answer.
//
// Source: WHATWG HTML, section 9.2 "Server-sent events". Only data and comments
// are used; event, id and retry fields are skipped. It must not know what the
// data means.
package sse

import (
	"bufio"
	"bytes"
	"io"

	"pastel/fault"
)

// MaxEvent bounds one event's data in bytes, so that a stream without newlines
// cannot fill memory.
const MaxEvent = 1 << 20

// A Reader takes a byte stream apart into events. Not safe for concurrent use.
type Reader struct {
	r       *bufio.Reader
	data    []byte
	started bool // past a byte order mark
	afterCR bool // the next LF belongs to the last CR
}

// NewReader reads events from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 16<<10)} }

// Next returns the data of the next event.
//
// Aliasing: the result is valid until the next call.
// Errors: io.EOF at the end of the stream (an unfinished event is dropped, as
// the standard says); ERR_TOO_LARGE for an event over MaxEvent; what r returns.
func (r *Reader) Next() ([]byte, error) {
	r.data = r.data[:0]
	seen := false
	for {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if seen {
				return bytes.TrimSuffix(r.data, []byte("\n")), nil
			}
			continue
		}
		if value, ok := field(line, "data"); ok {
			if len(r.data)+len(value) > MaxEvent {
				return nil, errTooLarge()
			}
			r.data = append(append(r.data, value...), '\n')
			seen = true
		}
	}
}

func errTooLarge() error {
	return fault.New("ERR_TOO_LARGE", "sse: event over ", MaxEvent, " bytes")
}

// field returns the value when line is "name:value", "name: value" or "name".
func field(line []byte, name string) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(name))
	switch {
	case !ok:
		return nil, false
	case len(rest) == 0:
		return nil, true
	case rest[0] != ':':
		return nil, false
	}
	return bytes.TrimPrefix(rest[1:], []byte(" ")), true
}

// line returns one line without its end: LF, CR LF or CR.
func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := r.r.ReadByte()
		if err != nil {
			return nil, err
		}
		if r.afterCR {
			r.afterCR = false
			if c == '\n' {
				continue
			}
		}
		if c == '\n' || c == '\r' {
			r.afterCR = c == '\r'
			return r.withoutMark(line), nil
		}
		if len(line) > MaxEvent {
			return nil, errTooLarge()
		}
		// Fast path: take what is buffered up to the next line end.
		line = append(line, c)
		if rest, _ := r.r.Peek(r.r.Buffered()); len(rest) > 0 {
			n := bytes.IndexAny(rest, "\r\n")
			if n < 0 {
				n = len(rest)
			}
			line = append(line, rest[:n]...)
			_, _ = r.r.Discard(n)
		}
	}
}

func (r *Reader) withoutMark(line []byte) []byte {
	if !r.started {
		r.started = true
		return bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line
}

// AppendEvent appends data as one event.
func AppendEvent(buf, data []byte) []byte {
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		buf = append(append(append(buf, "data: "...), line...), '\n')
	}
	return append(buf, '\n')
}

// Ping is a comment: it keeps a quiet connection open and is ignored by clients.
const Ping = ": ping\n\n"
