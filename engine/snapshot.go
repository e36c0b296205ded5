package engine

import (
	"iter"

	"pastel/fault"
	"pastel/kernels"
)

// A snapshot is a session's tokens, keys and values as bytes: a header that says
// what they belong to, then per layer and head the filled positions.
//
//	"PSTLKV" 0 1, identity (length u32, text), cache type u32, tokens (count u32, int32 each),
//	then for every layer keys and values of every head
//
// All numbers are little-endian. A snapshot holds the conversation: whoever
// stores it stores the text.
const snapshotMagic = "PSTLKV\x00\x01"

// identity names everything the cached values depend on: model, adapters and
// their scales. Sessions restore only snapshots of the same identity.
func (s *Session) identity() string {
	b := []byte(s.model.digest)
	for _, a := range s.adapters {
		b = fault.Append(b, "\n", a.ID, "=", a.Scale)
	}
	return string(b)
}

// SetDigest names the model's bytes, for snapshots. Hosts that know the file's
// SHA-256 set it after loading; without one, snapshots of different files with
// equal shapes cannot be told apart.
func (m *Model) SetDigest(digest string) { m.digest = digest }

// Save returns the session's snapshot.
func (s *Session) Save() []byte {
	tokens := s.Tokens()
	b := append([]byte(nil), snapshotMagic...)
	id := s.identity()
	b = append32(b, uint32(len(id)))
	b = append(b, id...)
	b = append32(b, uint32(s.planner.Cache.Type))
	b = append32(b, uint32(len(tokens)))
	for _, t := range tokens {
		b = append32(b, uint32(t))
	}
	for part := range s.filled(len(tokens)) {
		b = append(b, part...)
	}
	return b
}

// Restore makes the session continue where a snapshot was taken; its logits are
// those of the next pass. The session's adapters must be set before.
//
// Errors: ERR_BAD_REQUEST when the snapshot is of another model, adapter set or
// cache type, ERR_CONTEXT when it does not fit, ERR_BAD_FILE when it is cut; the
// session is then empty.
func (s *Session) Restore(b []byte) error {
	s.Truncate(0)
	r := snapshotReader{b: b}
	if r.text(len(snapshotMagic)) != snapshotMagic {
		return fault.New(fault.BadFile, "engine: not a session snapshot")
	}
	if id := r.text(int(r.u32())); r.ok && id != s.identity() {
		return fault.New(fault.BadRequest, "engine: snapshot of ", fault.Quote(id), ", session of ", fault.Quote(s.identity()))
	}
	if kv := r.u32(); r.ok && kernels.KVType(kv) != s.planner.Cache.Type {
		return fault.New(fault.BadRequest, "engine: snapshot of cache type ", kv, ", session of ", uint32(s.planner.Cache.Type))
	}
	count := int(r.u32())
	if !r.ok || count > len(r.b)/4 {
		return fault.New(fault.BadFile, "engine: snapshot of ", len(b), " bytes is cut")
	}
	ids := make([]int32, count)
	for i := range ids {
		ids[i] = int32(r.u32())
	}
	if err := s.checkTokens(ids); err != nil {
		return err
	}
	if err := s.planner.Cache.Append(ids); err != nil {
		return err
	}
	for part := range s.filled(count) {
		if len(r.b) < len(part) {
			s.Truncate(0)
			return fault.New(fault.BadFile, "engine: snapshot of ", len(b), " bytes is cut")
		}
		r.b = r.b[copy(part, r.b):]
	}
	return nil
}

// filled is the memory of the first n positions of every head.
func (s *Session) filled(n int) iter.Seq[[]byte] {
	c, cache := s.model.Config(), s.planner.Cache
	return func(yield func([]byte) bool) {
		for _, l := range cache.Layers {
			keys := kernels.KVLayout{Heads: c.NKVHeads, Dim: c.KeyDim, Capacity: cache.Capacity, Type: cache.Type}
			values := kernels.KVLayout{Heads: c.NKVHeads, Dim: c.ValueDim, Capacity: cache.Capacity, Type: cache.Type}
			if !s.parts(l.Keys, keys, n, yield) || !s.parts(l.Values, values, n, yield) {
				return
			}
		}
	}
}

func (s *Session) parts(at kernels.Addr, l kernels.KVLayout, n int, yield func([]byte) bool) bool {
	for _, p := range l.Filled(n) {
		if !yield(s.model.mem.Bytes(at+kernels.Addr(p.At), p.NBytes)) {
			return false
		}
	}
	return true
}

// append32 appends a little-endian number.
func append32(b []byte, v uint32) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

// snapshotReader takes values from b; ok turns false at the end.
type snapshotReader struct {
	b  []byte
	ok bool
}

func (r *snapshotReader) u32() uint32 {
	if len(r.b) < 4 {
		r.ok, r.b = false, nil
		return 0
	}
	v := uint32(r.b[0]) | uint32(r.b[1])<<8 | uint32(r.b[2])<<16 | uint32(r.b[3])<<24
	r.b = r.b[4:]
	return v
}

func (r *snapshotReader) text(n int) string {
	r.ok = n >= 0 && n <= len(r.b)
	if !r.ok {
		r.b = nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
