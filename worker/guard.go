package worker

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pastel/fault"
)

// allowedHeaders are those the official OpenAI clients and our page send;
// x-stainless-* is admitted by prefix.
var allowedHeaders = []string{"authorization", "content-type", "accept", "range", "if-range", "if-none-match",
	"openai-organization", "openai-project", "x-request-id", "idempotency-key", "user-agent"}

const stainlessPrefix = "x-stainless-"

const exposedHeaders = "X-Request-Id, Retry-After, Content-Range, Accept-Ranges, ETag"

// checkHost refuses names this server does not answer to: a page may have made
// its own name point here (DNS rebinding; CVE-2024-28224).
func (s *Server) checkHost(r *http.Request) error {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if !slices.Contains(s.Hosts, host) {
		return fault.New(CodeForbidden, "worker: this server does not answer to host ", fault.Quote(host))
	}
	return nil
}

// checkOrigin admits listed pages only. The origin in the answer is the one
// from the list, and credentials are never allowed.
func (s *Server) checkOrigin(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil // not a page
	}
	i := slices.Index(s.Origins, origin)
	if i < 0 {
		return fault.New(CodeForbidden, "worker: pages from ", fault.Quote(origin), " may not ask this server")
	}
	w.Header().Set("Access-Control-Allow-Origin", s.Origins[i])
	w.Header().Set("Access-Control-Expose-Headers", exposedHeaders)
	return nil
}

// preflight answers a browser's question before a cross-origin request.
func preflight(w http.ResponseWriter, r *http.Request) {
	var admitted []string
	asked := strings.ToLower(strings.Join(r.Header.Values("Access-Control-Request-Headers"), ","))
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.TrimSpace(name)
		if slices.Contains(allowedHeaders, name) || strings.HasPrefix(name, stainlessPrefix) && isToken(name) {
			admitted = append(admitted, name)
		}
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", strings.Join(admitted, ", "))
	h.Set("Access-Control-Max-Age", "600")
	h.Add("Vary", "Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

func isToken(name string) bool {
	return len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// address is the bucket of a client: its IPv4 address, or its IPv6 network of
// 64 bits, since one host owns all of that.
func address(r *http.Request) string {
	host := r.RemoteAddr
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		network, _ := ip.Prefix(64)
		return network.String()
	}
	return ip.String()
}

// authenticate returns the key of a request's bearer token.
func (s *Server) authenticate(r *http.Request) (*Key, error) {
	header := r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	if header == "" && s.Open {
		return &Key{Name: "anonymous"}, nil
	}
	// Also without a token the ring is searched: every refusal costs the same.
	key := s.keys.find(strings.TrimSpace(token), s.Now())
	if key == nil || !strings.EqualFold(scheme, "bearer") {
		return nil, fault.New(CodeAuth, "worker: no valid bearer token")
	}
	return key, nil
}

// take takes one request from a bucket.
func (s *Server) take(ctx context.Context, bucket string, rate Rate) error {
	wait, err := s.State.Take(ctx, bucket, rate)
	if err != nil {
		return fault.New(CodeBusy, "worker: the limits cannot be checked now")
	}
	if wait > 0 {
		return retryAfter{fault.New(CodeRate, "worker: too many requests"), wait}
	}
	return nil
}

// admit decides who may ask: by address first, so that guessing tokens is slow.
func (s *Server) admit(r *http.Request, rec *record) (*Key, error) {
	if err := s.take(r.Context(), "ip "+s.ClientIP(r), s.Limits.PerIP); err != nil {
		return nil, err
	}
	key, err := s.authenticate(r)
	if err != nil {
		return nil, err
	}
	rec.key = key.Name
	return key, s.take(r.Context(), "key "+key.Name, s.Limits.PerKey)
}

// reserve takes an answer's largest cost from a key's day, and returns how to
// settle with what it cost in fact.
func (s *Server) reserve(ctx context.Context, key *Key, tokens int64) (settle func(used int64), err error) {
	now := s.Now().UTC()
	day, budget := now.Unix()/86400, key.Tokens
	set(&budget, s.Limits.DailyTokens)
	ok, err := s.State.Spend(ctx, key.Name, day, tokens, budget)
	if err != nil {
		return nil, fault.New(CodeBusy, "worker: the budget cannot be checked now")
	}
	if !ok {
		midnight := time.Unix((day+1)*86400, 0)
		return nil, retryAfter{fault.New(CodeBudget, "worker: the day's ", budget, " tokens do not allow for ", tokens, " more"), midnight.Sub(now)}
	}
	return func(used int64) {
		// Also when the client has gone: what was used is used.
		_, _ = s.State.Spend(context.WithoutCancel(ctx), key.Name, day, used-tokens, 1<<62)
	}, nil
}
