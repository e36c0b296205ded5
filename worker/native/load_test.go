package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pastel/worker"
	"pastel/worker/sse"
	"pastel/worker/suite"
)

// loadStreams is how many clients stream at once.
const loadStreams = 200

// loadDuration is short in an ordinary test run; PASTEL_LOAD=5m is the real one.
func loadDuration(t *testing.T) time.Duration {
	text := os.Getenv("PASTEL_LOAD")
	if text == "" {
		return 6 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("PASTEL_LOAD: %v", err)
	}
	return d
}

// 200 clients stream through the server from an upstream that sends an event
// every 20 ms: no event may be lost or reordered, and memory must stay flat.
func TestLoad(t *testing.T) {
	u := suite.NewUpstream(t)
	u.Forgetful = true
	h := startWith(t, suite.DefaultSettings(u.Serving("a", "slow-100")), "", func(c *worker.Config) {
		c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) // written, and not kept
	})
	want := strings.Join(suite.Numbers(100), "")
	deadline := time.Now().Add(loadDuration(t))
	var streams, events atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var heaps []uint64
	for range loadStreams {
		wg.Go(func() {
			for time.Now().Before(deadline) && !t.Failed() {
				s := suite.ParseStream(t, h.Chat(t, "slow-100", "x", true).Body)
				if s.Text != want || !s.Done {
					t.Errorf("lost or reordered: %q, done %v, error %q", s.Text, s.Done, s.Error)
				}
				streams.Add(1)
				events.Add(int64(len(s.Chunks)))
			}
		})
	}
	stopped := make(chan struct{})
	go func() { wg.Wait(); close(stopped) }()
	for sampling := true; sampling; {
		select {
		case <-stopped:
			sampling = false
		case <-time.After(time.Second):
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			mu.Lock()
			heaps = append(heaps, m.HeapAlloc)
			mu.Unlock()
		}
	}
	t.Logf("%d streams, %d events in %v; live heap MB (upstream, server and clients): %s",
		streams.Load(), events.Load(), loadDuration(t), megabytes(heaps))
	// Flat: the last third is not larger than the first third after warming up,
	// beyond what 200 streams in different phases differ by.
	if n := len(heaps); n >= 9 {
		early, late := slices.Max(heaps[1:n/3+1]), slices.Max(heaps[n-n/3:])
		if late > early+5<<20 {
			t.Errorf("live heap grew from %d to %d bytes", early, late)
		}
	}
}

func megabytes(heaps []uint64) string {
	var b strings.Builder
	step := max(1, len(heaps)/10)
	for i := 0; i < len(heaps); i += step {
		fmt.Fprintf(&b, "%.1f ", float64(heaps[i])/(1<<20))
	}
	return b.String()
}

// The server adds at most a millisecond (p50) to the time to the first event:
// the same requests, with and without it, taken in turn.
func TestAddedLatency(t *testing.T) {
	u := suite.NewUpstream(t)
	h := start(t, suite.DefaultSettings(u.Serving("a", "count-3")), "")
	direct := suite.Host{URL: u.URL}
	const n = 300
	var through, straight []time.Duration
	for i := range n + 20 {
		a, b := firstEvent(t, h), firstEvent(t, direct)
		if i >= 20 { // connections are open, caches warm
			through, straight = append(through, a), append(straight, b)
		}
	}
	slices.Sort(through)
	slices.Sort(straight)
	added := through[n/2] - straight[n/2]
	t.Logf("first event p50: %v through the server, %v straight, %v added; p95 %v and %v",
		through[n/2], straight[n/2], added, through[n*95/100], straight[n*95/100])
	limit := time.Millisecond
	if raceDetector { // which slows everything it watches several times
		limit = 20 * time.Millisecond
	}
	if added > limit {
		t.Errorf("added latency p50 %v, want at most %v", added, limit)
	}
}

func firstEvent(t *testing.T, h suite.Host) time.Duration {
	began := time.Now()
	resp := h.Open(t, context.Background(), http.MethodPost, "/v1/chat/completions", suite.ChatBody("count-3", "x", true), nil)
	defer resp.Body.Close()
	r := sse.NewReader(resp.Body)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return took
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Ten thousand bad requests leave nothing behind: no goroutine, no memory.
func TestBadRequestsLeakNothing(t *testing.T) {
	u := suite.NewUpstream(t)
	settings := suite.DefaultSettings(u.Serving("a", "cut-1"))
	settings.Limits.Body = 2000
	h := start(t, settings, "")
	bad := []func(){
		func() { h.Do(t, "POST", "/v1/chat/completions", "{", nil) },
		func() { h.Do(t, "POST", "/v1/chat/completions", strings.Repeat("x", 5000), nil) },
		func() { h.Do(t, "GET", "/nowhere", "", nil) },
		func() { h.Do(t, "GET", "/v1/models", "", map[string]string{"Authorization": "Bearer guess"}) },
		func() { h.Do(t, "GET", "/v1/models", "", map[string]string{"Host": "evil.example"}) },
		func() { h.Do(t, "OPTIONS", "/v1/models", "", map[string]string{"Origin": "https://evil.example"}) },
		func() { h.Do(t, "POST", "/v1/pools/none/blend", `{"scores":[1]}`, nil) },
		func() { h.Chat(t, "unknown", "x", true) },
		func() { h.Chat(t, "cut-1", "x", true) },
	}
	burst := func(n int) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range n / 8 {
					bad[(w+i)%len(bad)]()
				}
			})
		}
		wg.Wait()
	}
	measure := func() (goroutines int, heap uint64) {
		var m runtime.MemStats
		for range 20 { // finished connections take a moment
			http.DefaultClient.CloseIdleConnections()
			runtime.GC()
			time.Sleep(20 * time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	burst(800)
	goroutines, heap := measure()
	burst(10_000)
	after, heapAfter := measure()
	t.Logf("goroutines %d then %d, heap %d then %d KB", goroutines, after, heap>>10, heapAfter>>10)
	// Idle connections of 8 clients come and go; 10 000 requests of even one
	// goroutine or one KB each would show. Kept logs are 400 bytes a request.
	if after > goroutines+50 {
		t.Errorf("goroutines grew from %d to %d", goroutines, after)
	}
	if heapAfter > heap+8<<20 {
		t.Errorf("heap grew from %d to %d bytes", heap, heapAfter)
	}
}
