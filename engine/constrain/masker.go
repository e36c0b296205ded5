package constrain

import (
	"math/bits"
	"slices"

	"pastel/fault"
)

// A Masker follows one document as it is written. It is not safe for concurrent
// use. What it learns about a grammar and a vocabulary stays over Reset.
type Masker struct {
	auto    *automaton
	vocab   *Vocab
	eos     []int32
	current int32
	ended   bool
	allowed map[int32]*allowance // by frame id
	masks   map[int32][]uint64   // by configuration
	states  []int32              // configurations along a path of the trie

	maxStacks int // stacks at which to forget those not needed
}

// An allowance is what one frame lets through, whatever is below it.
type allowance struct {
	dense []uint64 // mask, or nil
	ids   []int32  // the tokens, where they are few
	pops  []int32  // trie nodes where the frame may have ended and tokens go on
}

const (
	fewTokens = 1024 // tokens kept as a list and not as a mask
	maxMasks  = 128  // masks kept; at 150 000 tokens one takes 19 KB
)

// NewMasker returns a Masker at the start of a document. eos are the tokens that
// end it; they are allowed when it is complete, and only then.
func NewMasker(g *Grammar, v *Vocab, eos []int32) *Masker {
	m := &Masker{auto: newAutomaton(g), vocab: v, eos: eos, allowed: map[int32]*allowance{}, masks: map[int32][]uint64{}, maxStacks: 4 * maxConfigs}
	m.Reset()
	return m
}

// Reset goes back to the start of a document.
func (m *Masker) Reset() {
	m.ended = false
	m.current = m.auto.config([]int32{m.auto.push(m.auto.frame(frame{op: opValue, a: m.auto.g.root}), 0)})
	m.tidy()
}

// Done reports whether the document is complete. It may still be able to go on,
// as 12 may become 123.
func (m *Masker) Done() bool { return m.ended || m.auto.configs[m.current].done }

// Accept moves past a token.
//
// Errors: fault.BadRequest if the mask does not allow it; the Masker stays where
// it was.
func (m *Masker) Accept(id int32) error {
	for _, eos := range m.eos {
		if id == eos && m.Done() {
			m.ended = true
			return nil
		}
	}
	to := int32(0)
	if !m.ended && id >= 0 && int(id) < m.vocab.size && len(m.vocab.token(id)) > 0 && !m.isEOS(id) {
		to = m.current
		for _, c := range m.vocab.token(id) {
			to = m.auto.step(to, c)
		}
	}
	if to == 0 {
		return fault.New(fault.BadRequest, "constrain: token ", id, " is not allowed here")
	}
	m.current = to
	m.tidy()
	return nil
}

func (m *Masker) isEOS(id int32) bool { return slices.Contains(m.eos, id) }

// tidy bounds what is remembered.
func (m *Masker) tidy() {
	if len(m.auto.configs) > maxConfigs || len(m.auto.stacks) > m.maxStacks {
		m.current = m.auto.keepOnly(m.current)
		m.maxStacks = max(4*maxConfigs, 2*len(m.auto.stacks)) // a deep document needs many
		clear(m.masks)
	}
	if len(m.masks) > maxMasks {
		clear(m.masks)
	}
}

// Mask returns the tokens that may come: bit id%64 of word id/64. All zero after
// the end token, or if the vocabulary lacks the bytes to go on.
//
// Aliasing: the mask is the Masker's, valid until the next call.
func (m *Masker) Mask() []uint64 {
	if m.ended {
		return make([]uint64, m.words())
	}
	if mask, ok := m.masks[m.current]; ok {
		return mask
	}
	mask := make([]uint64, m.words())
	for _, s := range m.auto.configs[m.current].stacks {
		m.addStack(mask, s)
	}
	for _, id := range m.eos {
		if id >= 0 && int(id) < m.vocab.size {
			mask[id/64] &^= 1 << (id % 64)
			if m.Done() {
				mask[id/64] |= 1 << (id % 64)
			}
		}
	}
	m.masks[m.current] = mask
	return mask
}

func (m *Masker) words() int { return (m.vocab.size + 63) / 64 }

// addStack adds the tokens that stack s allows: what its top frame allows alone,
// and the tokens that go on in the frames below it.
func (m *Masker) addStack(mask []uint64, s int32) {
	for s != 0 {
		top, rest := m.auto.stacks[s].top, m.auto.stacks[s].rest
		alone := m.allowance(top)
		alone.addTo(mask)
		if rest != 0 {
			below := m.auto.config([]int32{rest})
			for _, node := range alone.pops {
				m.walk(node, below, mask, nil)
			}
		}
		if !m.auto.g.nullable(m.auto.frames[top]) {
			return
		}
		s = rest
	}
}

func (a *allowance) addTo(mask []uint64) {
	for i, w := range a.dense {
		mask[i] |= w
	}
	for _, id := range a.ids {
		mask[id/64] |= 1 << (id % 64)
	}
}

// alike returns a frame that lets the same tokens through as f and occurs more
// often: a string whose limit of length no token can reach is like one without,
// and a key that already differs from all declared names is like any other.
func (m *Masker) alike(f int32) int32 {
	x := m.auto.frames[f]
	switch x.op {
	case opString:
		length, count := m.auto.g.lengths[x.a], x.b>>8
		if count < length.min || length.max >= 0 && length.max-count < m.vocab.longest {
			return f
		}
		x.a, x.b = 0, x.b&0xFF
	case opFreeKey:
		if x.b>>8 != 0 {
			return f
		}
		x.a = 0
	default:
		return f
	}
	return m.auto.frame(x)
}

// allowance runs the whole trie against one frame, once.
func (m *Masker) allowance(f int32) *allowance {
	f = m.alike(f)
	if a, ok := m.allowed[f]; ok {
		return a
	}
	a := &allowance{dense: make([]uint64, m.words())}
	m.walk(0, m.auto.config([]int32{m.auto.push(f, 0)}), a.dense, &a.pops)
	a.shrink()
	m.allowed[f] = a
	return a
}

// shrink turns a mask with few tokens into a list.
func (a *allowance) shrink() {
	var ids []int32
	for i, w := range a.dense {
		for ; w != 0; w &= w - 1 {
			if len(ids) == fewTokens {
				return
			}
			ids = append(ids, int32(i*64+bits.TrailingZeros64(w)))
		}
	}
	a.dense, a.ids = nil, ids
}

// walk runs the tokens below node, whose prefix has led to configuration from,
// and adds those that do not die to mask. With pops it notes the nodes where the
// configuration may be complete and longer tokens exist.
func (m *Masker) walk(node, from int32, mask []uint64, pops *[]int32) {
	v, a := m.vocab, m.auto
	base := v.depth[node]
	states := append(m.states[:0], from)
	for i, end := node+1, v.skip[node]; i < end; {
		depth := v.depth[i] - base
		to := a.configs[states[depth-1]].next[v.bytes[i]] - 1
		if to < 0 {
			to = a.step(states[depth-1], v.bytes[i])
		}
		if to == 0 {
			i = v.skip[i]
			continue
		}
		states = append(states[:depth], to)
		for _, id := range v.ids[v.first[i]:v.first[i+1]] {
			mask[id/64] |= 1 << (id % 64)
		}
		if pops != nil && a.configs[to].done && !v.leaf(i) {
			*pops = append(*pops, i)
		}
		i++
	}
	m.states = states
}
