package tokenizer

// pairTable maps pairs of tokens to what they merge into: open addressing with
// linear probing. Nearly all time of byte-level BPE goes into looking up pairs
// that do not merge; against Go's map, in wasm, encoding takes half the time.
type pairTable struct {
	slots []pairSlot // a power of two of them, at most 5/8 full
}

type pairSlot struct {
	left, right int32 // left is -1 in an empty slot
	rank        uint32
	merged      int32
}

// maxProbes bounds the search for a free slot. Honest tables stay below 100; one
// whose pairs were chosen to collide must not make loading quadratic.
const maxProbes = 1024

func newPairTable(n int) pairTable {
	size := 16
	for size < n+n*3/5 {
		size *= 2
	}
	t := pairTable{slots: make([]pairSlot, size)}
	for i := range t.slots {
		t.slots[i].left = -1
	}
	return t
}

// add enters a pair unless it is there. It reports failure when maxProbes is not
// enough.
func (t *pairTable) add(p pairSlot) bool {
	mask := uint32(len(t.slots) - 1)
	at := hashPair(p.left, p.right)
	for range maxProbes {
		s := &t.slots[at&mask]
		if s.left == p.left && s.right == p.right {
			return true
		}
		if s.left < 0 {
			*s = p
			return true
		}
		at++
	}
	return false
}

// find returns the rank and token of a pair, noRank if it is not there. Both
// tokens must be 0 or more.
func (t *pairTable) find(left, right int32) (rank uint32, merged int32) {
	mask := uint32(len(t.slots) - 1)
	for at := hashPair(left, right); ; at++ {
		s := &t.slots[at&mask]
		if s.left == left && s.right == right {
			return s.rank, s.merged
		}
		if s.left < 0 {
			return noRank, -1
		}
	}
}

// hashPair mixes all bits of both tokens into the low bits: the finaliser of
// MurmurHash3, Appleby 2011.
func hashPair(left, right int32) uint32 {
	h := uint64(uint32(left))<<32 | uint64(uint32(right))
	h ^= h >> 33
	h *= 0xFF51AFD7ED558CCD
	h ^= h >> 33
	h *= 0xC4CEB9FE1A85EC53
	return uint32(h >> 32)
}
