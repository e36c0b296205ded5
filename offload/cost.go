package offload

// A Meter is a running mean that forgets: speeds of this device, this network
// and this server change while a page is open. The zero value knows nothing.
type Meter struct {
	mean  float64
	known bool
}

// meterWeight is the share of a new observation: the last five carry 83%.
const meterWeight = 0.3

// Observe adds a measurement. Values that are not positive are not speeds and
// are ignored.
func (m *Meter) Observe(x float64) {
	switch {
	case !(x > 0):
	case !m.known:
		m.mean, m.known = x, true
	default:
		m.mean += meterWeight * (x - m.mean)
	}
}

// Value returns the running mean, 0 before the first observation.
func (m *Meter) Value() float64 { return m.mean }

// A Cost is what is known about the price of answering here and there. Zero
// means unknown for a speed and unlimited for a limit, so the zero Cost vetoes
// nothing.
type Cost struct {
	DeviceTokensPerSec float64 `json:"device_tokens_per_sec"`
	ServerTokensPerSec float64 `json:"server_tokens_per_sec"`
	RoundTripMs        float64 `json:"round_trip_ms"` // request sent to first token
	AnswerTokens       float64 `json:"answer_tokens"` // expected length of the answer

	MaxDeviceMs  float64 `json:"max_device_ms"` // slower here: prefer the server
	MaxServerMs  float64 `json:"max_server_ms"` // slower there: stay here
	TokenBudget  float64 `json:"token_budget"`  // server tokens allowed per day
	TokensServed float64 `json:"tokens_served"` // server tokens used today
}

// DeviceMs is the expected time of an answer on the device, 0 when unknown.
func (c Cost) DeviceMs() float64 {
	if c.DeviceTokensPerSec <= 0 {
		return 0
	}
	return 1000 * c.AnswerTokens / c.DeviceTokensPerSec
}

// ServerMs is the expected time of an answer from the server, 0 when unknown.
func (c Cost) ServerMs() float64 {
	if c.ServerTokensPerSec <= 0 {
		return c.RoundTripMs
	}
	return c.RoundTripMs + 1000*c.AnswerTokens/c.ServerTokensPerSec
}

// deviceTooSlow reports whether this device would take longer than the user
// would wait, and the server is not known to be slower still.
func (c Cost) deviceTooSlow() bool {
	here := c.DeviceMs()
	return c.MaxDeviceMs > 0 && here > c.MaxDeviceMs && c.ServerMs() < here
}

// veto returns why the query should stay although a signal would send it.
func (c Cost) veto() (Reason, bool) {
	switch {
	case c.TokenBudget > 0 && c.TokensServed+c.AnswerTokens > c.TokenBudget:
		return BudgetSpent, true
	case c.MaxServerMs > 0 && c.ServerMs() > c.MaxServerMs:
		return ServerSlow, true
	}
	return "", false
}
