package worker

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"pastel/fault"
)

// A Key is one bearer token, known by its hash only. Tokens are random and
// long (NewToken), so a plain hash cannot be reversed by guessing.
type Key struct {
	Name    string    `json:"name"`             // appears in logs and counters
	SHA256  string    `json:"sha256"`           // of the token, hexadecimal
	Expires time.Time `json:"expires,omitzero"` // zero: never. Pages get short-lived tokens.
	Tokens  int64     `json:"tokens,omitempty"` // daily budget; 0: the server's
}

// HashToken returns what Key.SHA256 holds for a token.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (k Key) check() error {
	raw, err := hex.DecodeString(k.SHA256)
	if err != nil || len(raw) != sha256.Size || k.Name == "" {
		return fault.New(fault.BadRequest, "worker: key ", fault.Quote(k.Name), " needs a name and a SHA-256 of 64 hexadecimal digits")
	}
	return nil
}

// A keyring finds a key by token at a cost that depends on neither the token
// nor the match: every key is compared, in constant time.
type keyring struct {
	keys   []Key
	hashes [][sha256.Size]byte
}

func newKeyring(keys []Key) keyring {
	ring := keyring{keys, make([][sha256.Size]byte, len(keys))}
	for i, k := range keys {
		_, _ = hex.Decode(ring.hashes[i][:], []byte(k.SHA256)) // checked by Config.check
	}
	return ring
}

// find returns the key of a token that is valid now, or nil.
func (r keyring) find(token string, now time.Time) *Key {
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range r.hashes {
		same := subtle.ConstantTimeCompare(sum[:], r.hashes[i][:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return nil
	}
	if k := &r.keys[found]; k.Expires.IsZero() || now.Before(k.Expires) {
		return k
	}
	return nil
}
