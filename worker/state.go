package worker

import (
	"context"
	"time"
)

// A Rate admits PerSecond requests on average and Burst at once.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst"`
}

// State is what must outlive a request: buckets, budgets and counters. Memory
// implements it in one process; on Cloudflare, where every request has its own
// instance, a Durable Object does. Implementations are safe for concurrent use.
type State interface {
	// Take takes one request from a bucket and returns 0, or how long to wait.
	Take(ctx context.Context, bucket string, rate Rate) (wait time.Duration, err error)
	// Spend adds n tokens to what name spent on a day (days since 1970, UTC),
	// unless that would pass budget. A negative n gives back and always works.
	Spend(ctx context.Context, name string, day, n, budget int64) (ok bool, err error)
	// Count adds to counters; Counters returns them all.
	Count(ctx context.Context, deltas map[string]float64) error
	Counters(ctx context.Context) (map[string]float64, error)
}
