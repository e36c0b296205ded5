package worker

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory that many addresses can claim: about 200 bytes
// a bucket, 20 MB in all.
const maxBuckets = 100_000

// Memory is a State in this process. The zero value is ready.
type Memory struct {
	mu       sync.Mutex
	buckets  map[string]*rate.Limiter
	day      int64
	spent    map[string]int64 // of day
	counters map[string]float64
}

// Take implements State.
func (m *Memory) Take(_ context.Context, bucket string, r Rate) (time.Duration, error) {
	now := time.Now()
	m.mu.Lock()
	limiter, ok := m.buckets[bucket]
	if !ok {
		m.makeRoom(now)
		limiter = rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
		m.buckets[bucket] = limiter
	}
	m.mu.Unlock()
	if limiter.AllowN(now, 1) {
		return 0, nil
	}
	missing := 1 - limiter.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/r.PerSecond*float64(time.Second))), nil
}

// makeRoom forgets buckets that are full again (forgetting them changes
// nothing), and, under attack from many addresses, half of the others.
func (m *Memory) makeRoom(now time.Time) {
	if m.buckets == nil {
		m.buckets = map[string]*rate.Limiter{}
	}
	if len(m.buckets) < maxBuckets {
		return
	}
	maps.DeleteFunc(m.buckets, func(_ string, l *rate.Limiter) bool {
		return l.TokensAt(now) >= float64(l.Burst())
	})
	for bucket := range m.buckets {
		if len(m.buckets) <= maxBuckets/2 {
			return
		}
		delete(m.buckets, bucket)
	}
}

// Spend implements State.
func (m *Memory) Spend(_ context.Context, name string, day, n, budget int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if day != m.day || m.spent == nil {
		if day < m.day {
			return true, nil // given back after midnight: that day is over
		}
		m.day, m.spent = day, map[string]int64{}
	}
	if n > 0 && m.spent[name]+n > budget {
		return false, nil
	}
	m.spent[name] = max(0, m.spent[name]+n)
	return true, nil
}

// Count implements State.
func (m *Memory) Count(_ context.Context, deltas map[string]float64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters == nil {
		m.counters = map[string]float64{}
	}
	for name, d := range deltas {
		m.counters[name] += d
	}
	return nil
}

// Counters implements State.
func (m *Memory) Counters(context.Context) (map[string]float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counters), nil
}
