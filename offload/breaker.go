package offload

// A Breaker stops calls to a server that keeps failing and lets one probe
// through from time to time.
//
// closed: calls pass; Failures in a row open it. open: calls are refused for
// OpenMs. half-open: one probe passes; its success closes the breaker, its
// failure opens it for twice as long, up to MaxOpenMs.
//
// The zero value is ready (see the defaults below). Not safe for concurrent use.
type Breaker struct {
	Failures  int   // in a row; 0 means 3
	OpenMs    int64 // first time it opens; 0 means 5 000
	MaxOpenMs int64 // 0 means 300 000

	failed   int   // failures in a row
	openMs   int64 // current length; 0 while closed
	retryMs  int64 // when the next probe may pass
	hasProbe bool
}

// A BreakerState is closed, open or half-open.
type BreakerState string

// The states.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerOpen     BreakerState = "open"
	BreakerHalfOpen BreakerState = "half-open"
)

// State returns the state at a moment.
func (b *Breaker) State(nowMs int64) BreakerState {
	switch {
	case b.openMs == 0:
		return BreakerClosed
	case nowMs < b.retryMs:
		return BreakerOpen
	}
	return BreakerHalfOpen
}

// Allow reports whether a call may be made now. In half-open state it grants
// the one probe; a probe that never reports back is replaced after OpenMs.
func (b *Breaker) Allow(nowMs int64) bool {
	switch b.State(nowMs) {
	case BreakerClosed:
		return true
	case BreakerOpen:
		return false
	}
	b.hasProbe = true
	b.retryMs = nowMs + b.openMs
	return true
}

// Success records a call that worked.
func (b *Breaker) Success() {
	b.failed, b.openMs, b.retryMs, b.hasProbe = 0, 0, 0, false
}

// Failure records a call that did not.
func (b *Breaker) Failure(nowMs int64) {
	b.failed++
	switch {
	case b.hasProbe:
		b.open(nowMs, min(2*b.openMs, orDefault(b.MaxOpenMs, 300_000)))
	case b.openMs == 0 && b.failed >= int(orDefault(int64(b.Failures), 3)):
		b.open(nowMs, orDefault(b.OpenMs, 5_000))
	}
}

// Abandon records a call the user stopped: it says nothing about the server,
// so a probe is handed back.
func (b *Breaker) Abandon(nowMs int64) {
	if b.hasProbe {
		b.hasProbe = false
		b.retryMs = nowMs
	}
}

func (b *Breaker) open(nowMs, lengthMs int64) {
	b.openMs, b.retryMs, b.hasProbe = lengthMs, nowMs+lengthMs, false
}

func orDefault(v, otherwise int64) int64 {
	if v > 0 {
		return v
	}
	return otherwise
}
