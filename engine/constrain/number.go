package constrain

import "strconv"

// Forms of numbers, bits of frame.a.
const (
	formNegative int32 = 1 << iota
	formFraction       // a point, an exponent
)

// The phases of a number.
const (
	numStart  int32 = iota
	numSign         // after -
	numZero         // after a leading 0
	numInt          // in the digits before the point
	numPoint        // after the point
	numFrac         // in the digits after it
	numE            // after e
	numESign        // after its sign
	numExp          // in the exponent, short: two digits at most
	numExpLow       // in the exponent after 0 or 1: three digits at most
)

// Digits allowed, so that every number fits a float64 (10^21·10^199) and every
// integer an int64, and so that a model cannot write digits for ever.
const (
	maxIntDigits   = 18 // of an integer
	maxWholeDigits = 21
	maxFracDigits  = 24
)

func numberEnds(b int32) bool {
	switch b & 0xFF {
	case numZero, numInt, numFrac, numExp, numExpLow:
		return true
	}
	return false
}

// numberStep is the state after c. The state is a phase and, above bit 8, the
// digits written in it.
func numberStep(forms, b int32, c byte) (next int32, ok bool) {
	phase, digits := b&0xFF, b>>8
	digit := '0' <= c && c <= '9'
	switch phase {
	case numStart, numSign:
		switch {
		case c == '-':
			return numSign, phase == numStart && forms&formNegative != 0
		case c == '0':
			return numZero, phase == numStart || forms&formFraction != 0 // -0 is no integer's spelling
		}
		return numInt | 1<<8, digit
	case numInt:
		limit := int32(maxIntDigits)
		if forms&formFraction != 0 {
			limit = maxWholeDigits
		}
		if digit {
			return numInt | (digits+1)<<8, digits < limit
		}
	case numPoint:
		return numFrac | 1<<8, digit
	case numFrac:
		if digit {
			return numFrac | (digits+1)<<8, digits < maxFracDigits
		}
	case numE, numESign:
		if phase == numE && (c == '+' || c == '-') {
			return numESign, true
		}
		if c == '0' || c == '1' {
			return numExpLow | 1<<8, true
		}
		return numExp | 1<<8, digit
	case numExp:
		return numExp | (digits+1)<<8, digit && digits < 2
	case numExpLow:
		return numExpLow | (digits+1)<<8, digit && digits < 3
	}
	return afterDigits(forms, phase, c)
}

// afterDigits is what may follow the digits before or after the point.
func afterDigits(forms, phase int32, c byte) (int32, bool) {
	if forms&formFraction == 0 {
		return 0, false
	}
	if c == '.' {
		return numPoint, phase != numFrac
	}
	return numE, c|0x20 == 'e'
}

// largestInt is the largest integer with maxIntDigits digits.
const largestInt = 999999999999999999

// integers is the trie of the integers low..high in decimal.
func integers(low, high int64) trie {
	b := rangeBuilder{nodes: trie{{}}, ends: map[rangeKey]int32{}}
	if high >= 0 {
		b.add(0, uint64(max(low, 0)), uint64(high))
	}
	if low < 0 {
		minus := b.node()
		b.link(0, '-', minus)
		b.add(minus, uint64(-min(high, -1)), uint64(-low))
	}
	return b.nodes
}

// rangeBuilder makes the automaton of a range of decimals.
type rangeBuilder struct {
	nodes trie
	ends  map[rangeKey]int32
}

// rangeKey is the set of all numbers with so many digits to go that continue
// between low and high (the digits left of the bounds, if still tight).
type rangeKey struct{ low, high string }

func (b *rangeBuilder) node() int32 {
	b.nodes = append(b.nodes, trieNode{})
	return int32(len(b.nodes) - 1)
}

func (b *rangeBuilder) link(from int32, c byte, to int32) {
	n := &b.nodes[from]
	n.bytes, n.next = append(n.bytes, c), append(n.next, to)
}

// add lets node from be followed by the numbers low..high. Numbers of different
// lengths share first digits, so they are gathered digit by digit.
func (b *rangeBuilder) add(from int32, low, high uint64) {
	var parts []rangeKey
	for low <= high {
		digits := len(strconv.FormatUint(low, 10))
		top := uint64(1)
		for range digits {
			top *= 10
		}
		end := min(high, top-1)
		parts = append(parts, rangeKey{strconv.FormatUint(low, 10), strconv.FormatUint(end, 10)})
		low = end + 1
	}
	b.fill(from, parts)
}

// fill gives node the continuations parts; an empty part is an end.
func (b *rangeBuilder) fill(node int32, parts []rangeKey) {
	for c := byte('0'); c <= '9'; c++ {
		var next []rangeKey
		for _, p := range parts {
			if p.low != "" && p.low[0] <= c && c <= p.high[0] {
				next = append(next, p.after(c))
			}
		}
		if len(next) > 0 {
			b.link(node, c, b.shared(next))
		}
	}
	for _, p := range parts {
		if p.low == "" {
			b.nodes[node].final = true
		}
	}
}

// after is what is left of p behind the digit c.
func (p rangeKey) after(c byte) rangeKey {
	left := rangeKey{p.low[1:], p.high[1:]}
	if c > p.low[0] {
		left.low = zeros[:len(left.low)]
	}
	if c < p.high[0] {
		left.high = nines[:len(left.high)]
	}
	return left
}

const zeros, nines = "00000000000000000000", "99999999999999999999"

// shared is the node with the continuations parts.
func (b *rangeBuilder) shared(parts []rangeKey) int32 {
	var id rangeKey
	for _, p := range parts {
		id.low += p.low + ","
		id.high += p.high + ","
	}
	if n, ok := b.ends[id]; ok {
		return n
	}
	n := b.node()
	b.ends[id] = n
	b.fill(n, parts)
	return n
}
