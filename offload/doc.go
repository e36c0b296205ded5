// Package offload decides which queries leave the device: it scores how sure
// and how much in scope the device is, calibrates thresholds for a server
// budget, and routes, with the user's consent, behind a circuit breaker.
//
// The path of one query, and the file of each step:
//
//	signals.go    scope (before any decode) and confidence (during and after it)
//	threshold.go  a cut through scores that splits ties reproducibly
//	calibrate.go  thresholds from a server budget or a target accuracy
//	curve.go      accuracy against server usage, the random line, the oracle
//	route.go      local, ask, hybrid, server: one decision with its reason
//	cost.go       measured speeds and budgets that may veto sending
//	consent.go    what the user agreed to send, to which host
//	breaker.go    when to stop trying a server that fails
//	request.go    the only bytes that may leave: minimised, then encoded
//
// Everything is a pure function or a small state machine whose clock is an
// argument (milliseconds since the Unix epoch), so that a page, a worker and a
// server decide alike. web/src/offload.ts is its twin in the browser; both pass
// testdata/offload. It must not know tensors, engines or any transport.
package offload
