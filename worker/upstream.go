package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pastel/fault"
	"pastel/worker/sse"
)

// maxObject bounds an answer that is not streamed, in bytes.
const maxObject = 8 << 20

// An Upstream is any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Workers AI.
type Upstream struct {
	ID     string            `json:"id"`     // for logs and counters
	URL    string            `json:"url"`    // up to and including /v1
	Key    string            `json:"key"`    // sent as bearer token; "" for none
	Serves map[string]string `json:"models"` // public id → the upstream's own name

	// Client must not follow redirects: an upstream that redirects is broken or
	// hostile, and the key must not follow.
	Client Doer `json:"-"`
}

// A Doer sends requests. *http.Client is one; on Cloudflare it would bring
// TLS and HTTP/2 into the module for nothing.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Name implements Backend.
func (u *Upstream) Name() string { return u.ID }

// Models implements Backend.
func (u *Upstream) Models() []string {
	ids := make([]string, 0, len(u.Serves))
	for id := range u.Serves {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Chat implements Backend.
func (u *Upstream) Chat(ctx context.Context, c *Call) (Answer, error) {
	body := c.Body(u.Serves[c.Model])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(u.URL, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Internal, "worker: upstream URL: ", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if u.Key != "" {
		req.Header.Set("Authorization", "Bearer "+u.Key)
	}
	resp, err := u.Client.Do(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	answer, err := newAnswer(ctx, resp, c.Stream)
	if err != nil {
		_ = resp.Body.Close()
	}
	return answer, err
}

// transportError hides the text of a failed connection: it names addresses.
func transportError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errTimeout()
	}
	return errUpstream("could not be reached or broke off")
}

func errUpstream(what string) error { return fault.New(CodeUpstream, "worker: the upstream ", what) }

func errTimeout() error { return fault.New(CodeTimeout, "worker: the upstream took too long") }

func newAnswer(ctx context.Context, resp *http.Response, stream bool) (Answer, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case stream && kind == "text/event-stream":
		return &eventAnswer{ctx, sse.NewReader(resp.Body), resp.Body}, nil
	case !stream && kind == "application/json":
		return &objectAnswer{ctx, resp.Body, false}, nil
	}
	return nil, errUpstream("answered with the wrong content type")
}

// statusError turns an upstream's refusal into ours. Its text is not passed on.
func statusError(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		wait := time.Duration(min(max(1, seconds), 3600)) * time.Second
		return retryAfter{fault.New(CodeRate, "worker: the upstream has too many requests"), wait}
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return errTimeout()
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity, status == http.StatusRequestEntityTooLarge:
		return fault.New(fault.BadRequest, "worker: the upstream refused the request (", status, ")")
	}
	return errUpstream("answered " + strconv.Itoa(resp.StatusCode))
}

// An eventAnswer is a stream. It ends with [DONE]; without, it was cut.
type eventAnswer struct {
	ctx    context.Context
	events *sse.Reader
	body   io.ReadCloser
}

func (a *eventAnswer) Next() ([]byte, error) {
	data, err := a.events.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errUpstream("cut the stream")
	case fault.CodeOf(err) == CodeTooLarge:
		return nil, errUpstream("sent an event over the limit")
	case err != nil:
		return nil, transportError(a.ctx, err)
	case string(data) == "[DONE]":
		return nil, io.EOF
	}
	return data, nil
}

func (a *eventAnswer) Close() error { return a.body.Close() }

// An objectAnswer is one object.
type objectAnswer struct {
	ctx  context.Context
	body io.ReadCloser
	done bool
}

func (a *objectAnswer) Next() ([]byte, error) {
	if a.done {
		return nil, io.EOF
	}
	a.done = true
	data, err := io.ReadAll(io.LimitReader(a.body, maxObject+1))
	if err != nil {
		return nil, transportError(a.ctx, err)
	}
	if len(data) > maxObject {
		return nil, errUpstream("sent an answer over the limit")
	}
	return data, nil
}

func (a *objectAnswer) Close() error { return a.body.Close() }
