package worker

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"pastel/fault"
	"pastel/offload"
)

// retryPause is the first wait before the same backend is tried again; it
// doubles with every round.
const retryPause = 50 * time.Millisecond

// A guarded is a backend behind its circuit breaker.
type guarded struct {
	Backend
	mu      sync.Mutex
	breaker offload.Breaker
}

// breakerFailures is two requests of three attempts each.
const breakerFailures = 6

func (g *guarded) allow(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.Allow(now.UnixMilli())
}

// report tells the breaker how a call went. Only what the backend is to blame
// for counts against it.
func (g *guarded) report(err error, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch fault.CodeOf(err) {
	case "", fault.BadRequest:
		g.breaker.Success()
	case CodeUpstream, CodeTimeout:
		g.breaker.Failure(now.UnixMilli())
	default:
		g.breaker.Abandon(now.UnixMilli())
	}
}

// opened is an answer whose first chunk has arrived.
type opened struct {
	Answer
	backend *guarded
	first   []byte
	abort   context.CancelCauseFunc
}

func (o *opened) Close() error {
	o.abort(context.Canceled)
	return o.Answer.Close()
}

// open tries the backends of a model until one sends its first chunk: each once
// in order of preference, then again with pauses, up to Limits.Attempts. After
// the first chunk nothing is retried: the client has seen it.
func (s *Server) open(ctx context.Context, c *Call, rec *record) (*opened, error) {
	waiting := slices.Clone(s.byModel[c.Model])
	var last error = retryAfter{fault.New(CodeBusy, "worker: no backend for this model may be tried now"), 5 * time.Second}
	for attempt, round := 0, 0; attempt < s.Limits.Attempts && len(waiting) > 0; round++ {
		if round > 0 && !sleep(ctx, retryPause<<(round-1)) {
			return nil, context.Cause(ctx)
		}
		var again []*guarded
		for _, g := range waiting {
			if attempt == s.Limits.Attempts || !g.allow(s.Now()) {
				continue
			}
			attempt++
			answer, err := s.try(ctx, g, c, rec)
			if err == nil {
				return answer, nil
			}
			last = err
			switch fault.CodeOf(err) {
			case CodeUpstream, CodeTimeout:
				again = append(again, g)
			case CodeRate: // another backend may have room; this one said when to return
			default:
				return nil, err
			}
		}
		waiting = again
	}
	return nil, last
}

// try makes one attempt at one backend, up to its first chunk.
func (s *Server) try(ctx context.Context, g *guarded, c *Call, rec *record) (*opened, error) {
	ctx, abort := context.WithCancelCause(ctx)
	patience := s.Limits.FirstByte.Duration
	if !c.Stream {
		patience = s.Limits.Object.Duration // its first chunk is all of it
	}
	late := time.AfterFunc(patience, func() { abort(errTimeout()) })
	defer late.Stop()
	answer, err := g.Chat(ctx, c)
	var first []byte
	if err == nil {
		if first, err = answer.Next(); err == nil {
			_, err = parseChunk(first)
		}
		if errors.Is(err, io.EOF) {
			err = errUpstream("ended before it began")
		}
		if err != nil {
			_ = answer.Close()
		}
	}
	g.report(err, s.Now())
	rec.attempted(g.Name(), err)
	if err != nil {
		abort(err)
		return nil, err
	}
	return &opened{answer, g, first, abort}, nil
}

// sleep waits and reports whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
