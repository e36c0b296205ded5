package constrain

// The states of the inside of a JSON string. Escapes of surrogates come in
// pairs, and bytes above 127 are UTF-8 (Unicode 15, table 3-7).
const (
	inText     int32 = iota
	inEscape         // after a backslash
	inHex4           // four hexadecimal digits to go, then three, two, one
	inHex3           //
	inHex2           //
	inHex1           //
	inHexD           // second digit after \ud
	inHigh2          // a high surrogate, two digits to go
	inHigh1          //
	inPair           // the backslash between the halves of a pair
	inPairU          // its u
	inLow4           // the low half: d, then c to f
	inLow3           //
	inTail3          // three continuation bytes to go
	inTail2          //
	inTail1          //
	inTailE0         // after E0: A0..BF
	inTailED         // after ED: 80..9F, which leaves out surrogates
	inTailF0         // after F0: 90..BF
	inTailF4         // after F4: 80..8F
	inControl1       // the shortest spelling of a control character: \u, 0, 0, then 0 or 1
	inControl2
	inControl3
	inControl4 // last digit after \u000
	inControl5 // last digit after \u001
)

// textStep is the state after c; ok false if c cannot come. The closing quote
// is not its business. shortest allows only one spelling of every string.
func textStep(state int32, c byte, shortest bool) (next int32, ok bool) {
	switch state {
	case inText:
		return firstByte(c)
	case inEscape:
		return escapeByte(c, shortest)
	case inHex4:
		if c|0x20 == 'd' {
			return inHexD, true
		}
		return inHex3, isHex(c)
	case inHex3, inHex2:
		return state + 1, isHex(c)
	case inHex1:
		return inText, isHex(c)
	case inHexD:
		if '0' <= c && c <= '7' {
			return inHex2, true
		}
		return inHigh2, c == '8' || c == '9' || c|0x20 == 'a' || c|0x20 == 'b'
	case inHigh2, inHigh1:
		return state + 1, isHex(c)
	case inPair:
		return inPairU, c == '\\'
	case inPairU:
		return inLow4, c == 'u'
	case inLow4:
		return inLow3, c|0x20 == 'd'
	case inLow3:
		return inHex2, 'c' <= c|0x20 && c|0x20 <= 'f'
	case inControl1, inControl2:
		return state + 1, c == '0'
	case inControl3:
		return inControl4 + int32(c&1), c == '0' || c == '1'
	case inControl4:
		return inText, isLowerHex(c) && c != '8' && c != '9' && c != 'a' && c != 'c' && c != 'd'
	case inControl5:
		return inText, isLowerHex(c)
	}
	return tailByte(state, c)
}

func firstByte(c byte) (int32, bool) {
	switch {
	case c == '\\':
		return inEscape, true
	case c < 0x80:
		return inText, c >= ' ' && c != '"'
	case c < 0xC2 || c > 0xF4:
		return 0, false
	case c < 0xE0:
		return inTail1, true
	case c == 0xE0:
		return inTailE0, true
	case c == 0xED:
		return inTailED, true
	case c < 0xF0:
		return inTail2, true
	case c == 0xF0:
		return inTailF0, true
	case c == 0xF4:
		return inTailF4, true
	}
	return inTail3, true
}

func tailByte(state int32, c byte) (int32, bool) {
	switch state {
	case inTail3:
		return inTail2, c&0xC0 == 0x80
	case inTail2:
		return inTail1, c&0xC0 == 0x80
	case inTail1:
		return inText, c&0xC0 == 0x80
	case inTailE0:
		return inTail1, 0xA0 <= c && c <= 0xBF
	case inTailED:
		return inTail1, 0x80 <= c && c <= 0x9F
	case inTailF0:
		return inTail2, 0x90 <= c && c <= 0xBF
	case inTailF4:
		return inTail2, 0x80 <= c && c <= 0x8F
	}
	return 0, false
}

func escapeByte(c byte, shortest bool) (int32, bool) {
	switch c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return inText, true
	case '/':
		return inText, !shortest
	case 'u':
		if shortest {
			return inControl1, true
		}
		return inHex4, true
	}
	return 0, false
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
func isHex(c byte) bool      { return isLowerHex(c) || 'A' <= c && c <= 'F' }

// deriveString counts characters, which are code points, as they end.
func (g *Grammar) deriveString(f frame, c byte) [][]frame {
	state, count, length := f.b&0xFF, f.b>>8, g.lengths[f.a]
	if state == inText {
		if c == '"' {
			return done(count >= length.min)
		}
		if length.max >= 0 && count >= length.max {
			return nil
		}
	}
	next, ok := textStep(state, c, false)
	if !ok {
		return nil
	}
	if next == inText {
		count = length.grow(count)
	}
	f.b = next | count<<8
	return [][]frame{{f}}
}

// deriveFreeKey follows the declared names beside the text, to end on none.
func (g *Grammar) deriveFreeKey(f frame, c byte) [][]frame {
	state, node := f.b&0xFF, f.b>>8-1
	names := g.tries[g.objects[f.a].declared]
	if state == inText && c == '"' {
		return done(node < 0 || !names[node].final)
	}
	next, ok := textStep(state, c, true)
	if !ok {
		return nil
	}
	if node >= 0 {
		if node, ok = names.step(node, c); !ok {
			node = -1
		}
	}
	f.b = next | (node+1)<<8
	return [][]frame{{f}}
}
