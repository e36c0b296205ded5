package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// DecodeOptions of Decode. The zero value leaves control tokens out.
type DecodeOptions struct {
	Special bool // write control tokens as the vocabulary spells them
}

// Decode turns ids of a whole text back into it: the space that Encode put in
// front is taken away. Use Stream or AppendPiece for the continuation of a text,
// whose first space is its own.
//
// The result holds the tokens' bytes as they are, which need not be UTF-8. Ids
// outside the vocabulary are skipped.
func (t *Tokenizer) Decode(ids []int32, opts DecodeOptions) string {
	var buf []byte
	text := 0 // where text begins: after BOS
	for i, id := range ids {
		buf = t.appendToken(buf, id, opts.Special)
		if i == 0 && id == t.bos {
			text = len(buf)
		}
	}
	prefixed := t.spacePrefix || t.kind == kindWPM
	if prefixed && len(buf) > text && buf[text] == ' ' {
		return string(buf[:text]) + string(buf[text+1:])
	}
	return string(buf)
}

// AppendPiece appends the text of one token to dst: nothing for a control token
// or an id outside the vocabulary. The text may be part of a character.
func (t *Tokenizer) AppendPiece(dst []byte, id int32) []byte {
	return t.appendToken(dst, id, false)
}

func (t *Tokenizer) appendToken(dst []byte, id int32, special bool) []byte {
	if !t.valid(id) || !special && t.IsControl(id) {
		return dst
	}
	text := t.tokens[id]
	switch t.types[id] {
	case typeControl, typeUnknown, typeUserDefined:
		return append(dst, text...)
	case typeByte:
		if b, ok := parseByte(text); ok {
			return append(dst, b)
		}
	}
	if t.kind == kindBPE {
		return appendByteLevel(dst, text)
	}
	return appendUnmarked(dst, text)
}

// appendByteLevel writes the bytes that a byte-level token's characters stand
// for, and other characters as they are.
func appendByteLevel(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if b, ok := runeByte(r); ok {
			dst = append(dst, b)
		} else {
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}

// appendUnmarked writes text with space marks as spaces.
func appendUnmarked(dst []byte, text string) []byte {
	for {
		i := strings.Index(text, spaceMark)
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, ' ')
		text = text[i+len(spaceMark):]
	}
}

// parseByte reads <0x0A>.
func parseByte(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	hi, ok1 := hexDigit(text[3])
	lo, ok2 := hexDigit(text[4])
	return hi<<4 | lo, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
