package tokenizer

import "unicode/utf8"

// A Stream decodes ids one by one into valid UTF-8: it holds back the bytes of a
// character that is not complete yet, at most three. Make it with NewStream; one
// goroutine may use it.
type Stream struct {
	t       *Tokenizer
	held    []byte
	special bool
}

// NewStream starts the continuation of a text.
func (t *Tokenizer) NewStream(opts DecodeOptions) *Stream {
	return &Stream{t: t, special: opts.Special}
}

// Append appends to dst the characters that id completes. Bytes that can never
// become a character are written as U+FFFD. It allocates only to grow dst.
func (s *Stream) Append(dst []byte, id int32) []byte {
	s.held = s.t.appendToken(s.held, id, s.special)
	done := 0
	for done < len(s.held) && utf8.FullRune(s.held[done:]) {
		r, n := utf8.DecodeRune(s.held[done:])
		dst = utf8.AppendRune(dst, r)
		done += n
	}
	s.held = append(s.held[:0], s.held[done:]...)
	return dst
}

// Push returns the characters that id completes.
func (s *Stream) Push(id int32) string { return string(s.Append(nil, id)) }

// Flush ends the text: an incomplete character becomes one U+FFFD. The Stream is
// then as new.
func (s *Stream) Flush() string {
	if len(s.held) == 0 {
		return ""
	}
	s.held = s.held[:0]
	return string(utf8.RuneError)
}
