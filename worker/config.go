package worker

import (
	"log/slog"
	"net/http"
	"time"

	"pastel/fault"
)

// A Config is everything a Server needs. Only Backends and a State are required;
// zero limits take the defaults of Limits.
type Config struct {
	Backends []Backend // in order of preference
	State    State     // rate limits, budgets, counters
	Keys     []Key     // who may ask; none: anyone (refused unless Open is set)
	Open     bool      // allow asking without a token

	Origins []string // pages that may ask: exact "https://host[:port]"
	Hosts   []string // names this server answers to, without port

	// ClientIP names who is asking for the rate limit; nil takes RemoteAddr.
	ClientIP func(*http.Request) string

	Pools   Pools   // nil: no pools
	Blender Blender // nil: no blends

	Limits Limits
	Log    *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now
}

// Limits bound what one request, one key and one address may use. Zero fields
// take the defaults.
type Limits struct {
	Body      int64 `json:"body,omitempty"`       // bytes of a request body; 1 MiB
	Messages  int   `json:"messages,omitempty"`   // messages in one chat; 256
	MaxTokens int   `json:"max_tokens,omitempty"` // of an answer, and the default when none is asked for; 1024
	Scores    int   `json:"scores,omitempty"`     // numbers in one blend; 4096

	Wall      Duration `json:"wall,omitzero"`       // of a whole answer; 5 min
	FirstByte Duration `json:"first_byte,omitzero"` // of one attempt at a stream, until it begins; 60 s
	Object    Duration `json:"object,omitzero"`     // of one attempt at an answer that is not streamed; half of wall
	Idle      Duration `json:"idle,omitzero"`       // between two events of a backend, or for a client that does not read; 60 s
	Ping      Duration `json:"ping,omitzero"`       // of silence before a ping; 15 s, on Cloudflare 500 ms
	Attempts  int      `json:"attempts,omitempty"`  // at backends, before the first byte; 3

	PerKey      Rate  `json:"per_key,omitzero"`       // requests; 5 a second, bursts of 20
	PerIP       Rate  `json:"per_ip,omitzero"`        // requests; 10 a second, bursts of 40
	DailyTokens int64 `json:"daily_tokens,omitempty"` // per key, prompt and answer; 1 000 000
}

func (l Limits) withDefaults() Limits {
	set(&l.Body, 1<<20)
	set(&l.Messages, 256)
	set(&l.MaxTokens, 1024)
	set(&l.Scores, 4096)
	set(&l.Wall, Duration{5 * time.Minute})
	set(&l.FirstByte, Duration{time.Minute})
	set(&l.Object, Duration{l.Wall.Duration / 2})
	set(&l.Idle, Duration{time.Minute})
	set(&l.Ping, Duration{15 * time.Second})
	set(&l.Attempts, 3)
	set(&l.PerKey, Rate{PerSecond: 5, Burst: 20})
	set(&l.PerIP, Rate{PerSecond: 10, Burst: 40})
	set(&l.DailyTokens, 1_000_000)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check refuses limits that would limit nothing or everything.
func (l Limits) check() error {
	for name, v := range map[string]float64{
		"body": float64(l.Body), "messages": float64(l.Messages), "max_tokens": float64(l.MaxTokens), "scores": float64(l.Scores),
		"wall": float64(l.Wall.Duration), "first_byte": float64(l.FirstByte.Duration), "object": float64(l.Object.Duration), "idle": float64(l.Idle.Duration),
		"ping": float64(l.Ping.Duration), "attempts": float64(l.Attempts), "daily_tokens": float64(l.DailyTokens),
		"per_key": min(l.PerKey.PerSecond, float64(l.PerKey.Burst)), "per_ip": min(l.PerIP.PerSecond, float64(l.PerIP.Burst)),
	} {
		if !(v > 0) {
			return fault.New(fault.BadRequest, "worker: limit ", name, " must be positive")
		}
	}
	return nil
}

func (c Config) check() error {
	switch {
	case c.State == nil:
		return fault.New(fault.BadRequest, "worker: no state")
	case len(c.Keys) == 0 && !c.Open:
		return fault.New(fault.BadRequest, "worker: no keys, and asking without one is not allowed")
	case len(c.Hosts) == 0:
		return fault.New(fault.BadRequest, "worker: no host names to answer to")
	}
	for _, o := range c.Origins {
		if o == "*" || o == "null" {
			return fault.New(fault.BadRequest, "worker: origin ", fault.Quote(o), " would admit every page")
		}
	}
	for _, k := range c.Keys {
		if err := k.check(); err != nil {
			return err
		}
	}
	return c.Limits.check()
}
