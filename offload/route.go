package offload

import "pastel/fault"

// A Mode is the user's choice of where answers may come from.
type Mode string

// The modes. The zero value is Local.
const (
	Local  Mode = "local"  // never send
	Ask    Mode = "ask"    // ask the user each time a query should be sent
	Hybrid Mode = "hybrid" // send what is out of scope or unsure
	Server Mode = "server" // always send
)

// A Stage is a moment at which a query may leave the device.
type Stage string

// The stages, in order of time.
const (
	AtPrompt Stage = "prompt" // before any decode: scope is known
	AtEarly  Stage = "early"  // after the first m tokens
	AtAnswer Stage = "answer" // the device's draft is complete
)

// A Reason says in one word why an answer came from where it came from.
type Reason string

// The reasons. The first group keeps a query, the second sends it, the third
// keeps what should have been sent (a fallback).
const (
	ModeLocal Reason = "mode-local"
	InScope   Reason = "in-scope"
	Confident Reason = "confident"

	ModeServer  Reason = "mode-server"
	OutOfScope  Reason = "out-of-scope"
	UnsureEarly Reason = "unsure-early"
	Unsure      Reason = "unsure"
	DeviceSlow  Reason = "device-slow"

	Offline       Reason = "offline"
	BreakerIsOpen Reason = "breaker-open"
	BudgetSpent   Reason = "budget-spent"
	ServerSlow    Reason = "server-slow"
	NoConsent     Reason = "no-consent"
	Declined      Reason = "declined"      // asked, and the user said no
	ServerFailed  Reason = "server-failed" // sent, and no complete answer came
)

// A Policy is what the user configured and calibration produced. The zero value
// is local.
type Policy struct {
	Mode Mode `json:"mode"`
	Thresholds
	Early Threshold `json:"early"` // on the Early signal; off unless calibrated

	ScopeSignal      Signal `json:"scope_signal,omitempty"`      // Scope (zero value) or Nearest
	ConfidenceSignal Signal `json:"confidence_signal,omitempty"` // zero value: the first known of MaxProb and GeoMean

	// PreRoute switches the cascade off: only what is known before a decode routes.
	PreRoute bool `json:"pre_route"`
}

// An Env is the state of the world when a decision is made.
type Env struct {
	Online  bool // the network is thought to be there
	Closed  bool // the breaker would let a call through
	Consent bool // in force for this server
	Asked   bool // the user said yes to this query (Ask mode)
	Cost    Cost
}

// A Where is what to do with a query at a stage.
type Where string

// The outcomes of a decision.
const (
	OnDevice Where = "device" // go on, or keep the draft
	OnServer Where = "server" // send
	AskUser  Where = "ask"    // ask, then decide again with Asked
)

// A Decision is where a query goes now and why.
type Decision struct {
	Where  Where  `json:"where"`
	Reason Reason `json:"reason"`
	// Fallback: the policy wanted the server and the device answers instead.
	Fallback bool `json:"fallback,omitempty"`
	// Blocked is ERR_CONSENT when only consent is missing. In Server mode the
	// caller reports it as an error instead of answering.
	Blocked fault.Code `json:"blocked,omitempty"`
}

// Decide returns where a query goes at a stage. It is a pure function.
//
// tie is the query's TieBreak. A signal that is not known routes nothing.
func (p Policy) Decide(at Stage, s Signals, tie float64, e Env) Decision {
	send, why := p.wants(at, s, tie, e.Cost)
	if !send {
		return Decision{Where: OnDevice, Reason: why}
	}
	if held, is := p.held(e); is {
		return Decision{Where: OnDevice, Reason: held, Fallback: true}
	}
	if p.Mode == Ask && !e.Asked {
		return Decision{Where: AskUser, Reason: why}
	}
	if !e.Consent {
		return Decision{Where: OnDevice, Reason: NoConsent, Fallback: true, Blocked: fault.Consent}
	}
	return Decision{Where: OnServer, Reason: why}
}

// wants is the policy alone: what the mode and the signals ask for.
func (p Policy) wants(at Stage, s Signals, tie float64, c Cost) (send bool, why Reason) {
	switch {
	case p.Mode == Server:
		return true, ModeServer
	case p.Mode != Hybrid && p.Mode != Ask:
		return false, ModeLocal
	case at == AtPrompt:
		return p.wantsAtPrompt(s, tie, c)
	case p.PreRoute:
		return false, InScope
	case at == AtEarly:
		return below(p.Early, s, Early, tie), either(below(p.Early, s, Early, tie), UnsureEarly, InScope)
	}
	unsure := below(p.Confidence, s, p.Sureness(s), tie)
	return unsure, either(unsure, Unsure, Confident)
}

func (p Policy) wantsAtPrompt(s Signals, tie float64, c Cost) (bool, Reason) {
	switch {
	case below(p.Scope, s, p.ScopeSignal, tie):
		return true, OutOfScope
	case c.deviceTooSlow():
		return true, DeviceSlow
	}
	return false, InScope
}

// held names what keeps a query here for the moment, whatever the user wants.
func (p Policy) held(e Env) (Reason, bool) {
	switch {
	case !e.Online:
		return Offline, true
	case !e.Closed:
		return BreakerIsOpen, true
	}
	return e.Cost.veto()
}

// Sureness is the confidence that the policy cuts: the configured signal, or the one
// this answer has.
func (p Policy) Sureness(s Signals) Signal {
	if p.ConfidenceSignal != 0 {
		return p.ConfidenceSignal
	}
	if _, known := s.Get(MaxProb); known {
		return MaxProb
	}
	return GeoMean
}

func below(t Threshold, s Signals, k Signal, tie float64) bool {
	v, known := s.Get(k)
	return known && t.Below(Point{v, tie})
}

func either(is bool, yes, no Reason) Reason {
	if is {
		return yes
	}
	return no
}
