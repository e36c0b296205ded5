package worker

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"pastel/fault"
)

// A record is what is remembered of one request: for its log line, its
// counters and its budget. It never holds text of a prompt or an answer.
type record struct {
	mu       sync.Mutex
	id       string
	started  time.Time
	method   string
	route    string
	key      string
	status   int
	code     fault.Code
	attempts []string // "backend" or "backend ERR_…"
	events   int64
	used     usage
}

func (r *record) attempted(backend string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if code := codeOf(err); code != "" {
		backend += " " + string(code)
	}
	r.attempts = append(r.attempts, backend)
}

func (r *record) chunk(c chunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.usage.total() > 0 {
		r.used = c.usage
	}
	if !c.isUsage {
		r.events++
	}
}

func (r *record) ended(err error, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code, r.status = codeOf(err), status
}

// tokens is what the request cost: what the backend reported, or else an
// estimate of one token an event. A request without an answer costs nothing,
// unless the client did not wait for it.
func (r *record) tokens(c *Call) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.used.total() > 0:
		return r.used.total()
	case r.events > 0, r.code == fault.Aborted:
		return c.promptTokens() + r.events
	}
	return 0
}

// log writes the request's one line.
func (r *record) log(l *slog.Logger, took time.Duration) {
	l.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("id", r.id), slog.String("method", r.method), slog.String("route", r.route),
		slog.String("key", r.key), slog.Int("status", r.status), slog.String("code", string(r.code)),
		slog.Any("attempts", r.attempts), slog.Int64("events", r.events),
		slog.Int64("prompt_tokens", r.used.Prompt), slog.Int64("completion_tokens", r.used.Completion),
		slog.Float64("ms", float64(took.Microseconds())/1000))
}

// secondsBuckets are the upper bounds of the duration histogram.
var secondsBuckets = []float64{0.005, 0.05, 0.5, 5, 50}

// counters are the request's contribution to /metrics, under Prometheus names.
func (r *record) counters(took time.Duration) map[string]float64 {
	route := `{route="` + r.route + `"`
	c := map[string]float64{
		"pastel_requests_total" + route + `,status="` + strconv.Itoa(r.status) + `"}`: 1,
		"pastel_request_seconds_sum" + route + "}":                                    took.Seconds(),
		"pastel_request_seconds_count" + route + "}":                                  1,
		"pastel_request_seconds_bucket" + route + `,le="+Inf"}`:                       1,
	}
	for _, le := range secondsBuckets {
		if took.Seconds() <= le {
			c["pastel_request_seconds_bucket"+route+`,le="`+strconv.FormatFloat(le, 'g', -1, 64)+`"}`] = 1
		}
	}
	for _, a := range r.attempts {
		c[`pastel_upstream_attempts_total{attempt="`+a+`"}`]++
	}
	if r.events > 0 {
		c["pastel_stream_events_total"] = float64(r.events)
	}
	if r.used.total() > 0 {
		c[`pastel_tokens_total{kind="prompt"}`] = float64(r.used.Prompt)
		c[`pastel_tokens_total{kind="completion"}`] = float64(r.used.Completion)
	}
	return c
}
