package worker

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemoryBuckets(t *testing.T) {
	var m Memory
	ctx, r := context.Background(), Rate{PerSecond: 1, Burst: 2}
	for i, want := range []bool{true, true, false} {
		wait, _ := m.Take(ctx, "a", r)
		if (wait == 0) != want || wait > time.Second {
			t.Errorf("take %d: wait %v", i, wait)
		}
	}
	if wait, _ := m.Take(ctx, "b", r); wait != 0 {
		t.Error("buckets are shared")
	}
}

// Many addresses cannot claim more memory than the cap.
func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for i := range maxBuckets + 5000 {
		m.Take(context.Background(), strconv.Itoa(i), Rate{PerSecond: 1e-3, Burst: 5})
	}
	if n := len(m.buckets); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

func TestMemoryBudget(t *testing.T) {
	var m Memory
	ctx := context.Background()
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if ok, _ := m.Spend(ctx, "a", 1, 10, 95); ok {
				granted.Add(1)
			}
		})
	}
	wg.Wait()
	if granted.Load() != 9 {
		t.Errorf("%d of 50 reservations of 10 from 95, want 9", granted.Load())
	}
	for _, tt := range []struct {
		name           string
		who            string
		day, n, budget int64
		want           bool
	}{
		{"exactly the rest", "a", 1, 5, 95, true},
		{"used up", "a", 1, 1, 95, false},
		{"another key", "b", 1, 95, 95, true},
		{"give back", "a", 1, -10, 95, true},
		{"what was given back", "a", 1, 10, 95, true},
		{"the next day", "a", 2, 95, 95, true},
		{"give back yesterday", "a", 1, -50, 95, true},
		{"which changed nothing today", "a", 2, 1, 95, false},
	} {
		if got, _ := m.Spend(ctx, tt.who, tt.day, tt.n, tt.budget); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"stream":true}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"temperature":1e400}`))
	limits := Limits{}.withDefaults()
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseCall(body, limits)
		if err != nil {
			return
		}
		if c.MaxTokens < 1 || c.MaxTokens > limits.MaxTokens || c.estimate() < 1 {
			t.Errorf("max tokens %d, estimate %d", c.MaxTokens, c.estimate())
		}
		again, err := parseCall(c.Body(c.Model), limits)
		if err != nil || again.MaxTokens != c.MaxTokens || len(again.Messages()) != len(c.Messages()) {
			t.Errorf("what is passed on does not parse: %v", err)
		}
	})
}
