package stop

import (
	"unicode/utf8"

	"pastel/fault"
)

// Bounds on what a request may ask for.
const (
	maxStops = 64
	maxBytes = 1024 // of one stop string
)

// A Matcher watches one text for stop strings. The text ends where the first
// stop string to be complete begins; of several that end together the longest
// counts. Make it with New; one goroutine may use it.
type Matcher struct {
	auto  automaton
	at    int32  // where in it
	held  []byte // text that may be part of a stop string or of a character
	found string
}

// New returns a matcher for stops, which may be none.
//
// Errors: ERR_BAD_REQUEST for too many or too long stop strings, an empty one, or
// one that is not UTF-8.
func New(stops []string) (*Matcher, error) {
	if len(stops) > maxStops {
		return nil, fault.New(fault.BadRequest, "stop: ", len(stops), " stop strings, at most ", maxStops)
	}
	for i, s := range stops {
		if s == "" || len(s) > maxBytes || !utf8.ValidString(s) {
			return nil, fault.New(fault.BadRequest, "stop: string ", i, " ", fault.Quote(s), " of ", len(s), " bytes, want 1 to ", maxBytes, " of UTF-8")
		}
	}
	return &Matcher{auto: newAutomaton(stops)}, nil
}

// Feed takes the next piece of text, cut anywhere, and appends to dst what may be
// shown: whole characters that no stop string can still claim. After a stop
// string it takes and gives nothing. It allocates only to grow dst.
func (m *Matcher) Feed(dst []byte, piece string) []byte {
	if m.Stopped() {
		return dst
	}
	for i := range len(piece) {
		m.held = append(m.held, piece[i])
		m.at = m.auto.next(m.at, piece[i])
		if n := int(m.auto[m.at].found); n > 0 {
			end := len(m.held)
			m.found = string(m.held[end-n:])
			dst = append(dst, m.held[:end-n]...)
			m.held = m.held[:0]
			return dst
		}
	}
	safe := min(len(m.held)-int(m.auto[m.at].depth), wholeChars(m.held))
	dst = append(dst, m.held[:safe]...)
	m.held = append(m.held[:0], m.held[safe:]...)
	return dst
}

// wholeChars is the length of b without an incomplete character at its end.
func wholeChars(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		if i := len(b) - n; utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// Flush ends the text and appends to dst what was held back; nothing after a
// stop string.
func (m *Matcher) Flush(dst []byte) []byte {
	dst = append(dst, m.held...)
	m.held = m.held[:0]
	m.at = 0
	return dst
}

// Stopped reports whether a stop string has been found.
func (m *Matcher) Stopped() bool { return m.found != "" }

// Found returns the stop string that ended the text, or "".
func (m *Matcher) Found() string { return m.found }

// Reset starts a new text.
func (m *Matcher) Reset() {
	m.at, m.found = 0, ""
	m.held = m.held[:0]
}
