package protocol

import "pastel/fault"

// Version is the first byte of every message. It changes with every change of format.
const Version = 5

// MaxMessage bounds one message in bytes, on both sides. Model weights do not
// travel in messages, and the logits of a 512-token prompt over 150 000 words are
// asked for in several calls.
const MaxMessage = 1 << 30

// BadMessage is the code of bytes that are not a message.
const BadMessage fault.Code = "ERR_PROTOCOL"

// A Tag names a message's type on the wire. Requests are below 128, replies above.
type Tag uint8

// A Message is a pointer to one of the message structs of this package.
type Message interface {
	// Tag is the message's type on the wire.
	Tag() Tag
	// fields walks the message's fields in wire order, reading or writing each.
	fields(c *coder)
}

// Append writes m after dst and returns the extended slice.
func Append(dst []byte, m Message) []byte {
	c := coder{buf: append(dst, Version, byte(m.Tag()))}
	m.fields(&c)
	return c.buf
}

// A Writer encodes one message after another into one buffer. The zero value is ready.
type Writer struct{ c coder }

// Encode returns m's bytes, which are valid until the next call. It allocates only to
// grow its buffer.
func (w *Writer) Encode(m Message) []byte {
	w.c.buf = append(w.c.buf[:0], Version, byte(m.Tag()))
	m.fields(&w.c)
	return w.c.buf
}

// Decode reads one message that fills b exactly. The result shares no memory with
// b, so a host may reuse its buffer.
//
// Errors: BadMessage for a wrong version, an unknown tag, a count or a length past
// the end of b, a bool that is neither 0 nor 1, an u53 out of range, or bytes left
// over. It never allocates more than a small multiple of len(b).
func Decode(b []byte) (Message, error) {
	if len(b) < 2 || b[0] != Version {
		return nil, badVersion(b)
	}
	m := newMessage(Tag(b[1]))
	if m == nil {
		return nil, fault.New(BadMessage, "protocol: unknown tag ", b[1])
	}
	c := coder{buf: b, off: 2, reading: true}
	m.fields(&c)
	if c.err == nil && c.off != len(b) {
		c.fail(fault.New(BadMessage, "protocol: tag ", b[1], ": ", len(b)-c.off, " bytes after the last field"))
	}
	if c.err != nil {
		return nil, c.err
	}
	return m, nil
}

func badVersion(b []byte) error {
	if len(b) < 2 {
		return fault.New(BadMessage, "protocol: message of ", len(b), " bytes has no header")
	}
	return fault.New(BadMessage, "protocol: message version ", b[0], ", this build speaks ", Version,
		" (engine.wasm and its host come from different builds)")
}

// IsError reports whether an encoded message is an Error.
func IsError(b []byte) bool { return len(b) >= 2 && Tag(b[1]) == TagError }
