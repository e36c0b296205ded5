package host

import "sync"

// head keeps the first bytes of what Go's runtime prints when it dies: its first
// line says why, the rest are goroutine traces. The zero value is ready; it is safe
// for concurrent use.
type head struct {
	mu   sync.Mutex
	text []byte
}

const headBytes = 512

func (t *head) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[:min(len(p), headBytes-len(t.text))]...)
	return len(p), nil
}

// line returns the first line.
func (t *head) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, b := range t.text {
		if b == '\n' {
			return string(t.text[:i])
		}
	}
	return string(t.text)
}
