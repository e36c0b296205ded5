//go:build js && wasm

package main

import (
	"context"
	"encoding/json"
	"syscall/js"
	"time"

	"pastel/fault"
	"pastel/worker"
)

// A durableState is worker.State in Durable Objects: one object per bucket and
// per budget, so that they do not wait for each other, and one for all counters.
type durableState struct{ namespace js.Value }

// call sends an operation to the object of a name; state.mjs answers it.
func (s durableState) call(ctx context.Context, name string, op map[string]any, reply any) error {
	if s.namespace.IsUndefined() {
		return fault.New(fault.Internal, "cloudflare: no STATE binding")
	}
	body, err := json.Marshal(op)
	if err != nil {
		return err
	}
	object := s.namespace.Call("get", s.namespace.Call("idFromName", name))
	res, err := await(ctx, object.Call("fetch", "https://state/", map[string]any{"method": "POST", "body": string(body)}))
	if err != nil {
		return err
	}
	text, err := await(ctx, res.Call("text"))
	if err != nil {
		return err
	}
	if status := res.Get("status").Int(); status != 200 {
		return fault.New(fault.Internal, "cloudflare: the state answered ", status)
	}
	return json.Unmarshal([]byte(text.String()), reply)
}

// Take implements worker.State.
func (s durableState) Take(ctx context.Context, bucket string, r worker.Rate) (time.Duration, error) {
	var reply struct{ Wait float64 } // milliseconds
	err := s.call(ctx, bucket, map[string]any{"op": "take", "perSecond": r.PerSecond, "burst": r.Burst}, &reply)
	return time.Duration(reply.Wait * float64(time.Millisecond)), err
}

// Spend implements worker.State.
func (s durableState) Spend(ctx context.Context, name string, day, n, budget int64) (bool, error) {
	var reply struct{ OK bool }
	err := s.call(ctx, "budget "+name, map[string]any{"op": "spend", "day": day, "n": n, "budget": budget}, &reply)
	return reply.OK, err
}

// Count implements worker.State.
func (s durableState) Count(ctx context.Context, deltas map[string]float64) error {
	var reply struct{}
	return s.call(ctx, "counters", map[string]any{"op": "count", "deltas": deltas}, &reply)
}

// Counters implements worker.State.
func (s durableState) Counters(ctx context.Context) (counters map[string]float64, err error) {
	err = s.call(ctx, "counters", map[string]any{"op": "counters"}, &counters)
	return counters, err
}
