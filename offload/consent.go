package offload

import "pastel/fault"

// An Extent is how much of a conversation may be sent.
type Extent string

// The extents. Adapters, KV caches, samples and embeddings have none: no code
// path can send them.
const (
	LastTurn     Extent = "last-turn"    // the last user message alone
	Conversation Extent = "conversation" // all messages
)

// A Consent is one recorded decision of the user. It is never deleted or
// changed, except that revoking dates it: the record shows what was allowed when.
type Consent struct {
	Host      string `json:"host"` // canonical, from ServerHost
	Extent    Extent `json:"extent"`
	Notice    string `json:"notice"` // names the text the user agreed to
	GrantedMs int64  `json:"granted_ms"`
	RevokedMs int64  `json:"revoked_ms,omitempty"` // 0 while in force
}

// A Ledger is the record of consent, in order of time. The zero value allows
// nothing. Its owner stores it; not safe for concurrent use.
type Ledger struct {
	Consents []Consent `json:"consents"`
}

// Grant records consent for the host of a server URL, replacing (revoking)
// what was agreed for that host before.
//
// Errors: ERR_BAD_REQUEST for a bad URL or an unknown extent.
func (l *Ledger) Grant(serverURL string, extent Extent, notice string, nowMs int64) error {
	host, err := ServerHost(serverURL)
	if err != nil {
		return err
	}
	if extent != LastTurn && extent != Conversation {
		return fault.New(fault.BadRequest, "offload: unknown extent ", fault.Quote(string(extent)))
	}
	l.revoke(host, nowMs)
	l.Consents = append(l.Consents, Consent{Host: host, Extent: extent, Notice: notice, GrantedMs: nowMs})
	return nil
}

// Revoke ends consent for the host of a server URL from now on.
func (l *Ledger) Revoke(serverURL string, nowMs int64) error {
	host, err := ServerHost(serverURL)
	if err == nil {
		l.revoke(host, nowMs)
	}
	return err
}

func (l *Ledger) revoke(host string, nowMs int64) {
	for i := range l.Consents {
		if c := &l.Consents[i]; c.Host == host && c.RevokedMs == 0 {
			c.RevokedMs = max(nowMs, 1)
		}
	}
}

// Check returns what may be sent to the host of a server URL.
//
// Errors: ERR_CONSENT without consent in force for exactly that host.
func (l *Ledger) Check(serverURL string) (Extent, error) {
	host, err := ServerHost(serverURL)
	if err != nil {
		return "", err
	}
	for _, c := range l.Consents {
		if c.Host == host && c.RevokedMs == 0 {
			return c.Extent, nil
		}
	}
	return "", fault.New(fault.Consent, "offload: no consent to send to ", host)
}
