package worker

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"pastel/fault"
)

// The codes this server adds to fault's. They are the same in TypeScript.
const (
	CodeAuth      fault.Code = "ERR_AUTH"       // no token, or one that is not known
	CodeForbidden fault.Code = "ERR_FORBIDDEN"  // this page or host may not ask
	CodeNotFound  fault.Code = "ERR_NOT_FOUND"  // no such model, pool, file or path
	CodeMethod    fault.Code = "ERR_METHOD"     // a path that does not take this method
	CodeTooLarge  fault.Code = "ERR_TOO_LARGE"  // a body, an event or an answer over its limit
	CodeRate      fault.Code = "ERR_RATE_LIMIT" // too many requests
	CodeBudget    fault.Code = "ERR_BUDGET"     // the day's tokens are used up
	CodeUpstream  fault.Code = "ERR_UPSTREAM"   // a backend failed
	CodeTimeout   fault.Code = "ERR_TIMEOUT"    // a backend, or the whole answer, took too long
	CodeBusy      fault.Code = "ERR_BUSY"       // no backend may be tried now
)

// kinds maps each code to its HTTP status and OpenAI's error type.
var kinds = map[fault.Code]struct {
	status int
	kind   string
}{
	fault.BadRequest: {http.StatusBadRequest, "invalid_request_error"},
	fault.Context:    {http.StatusBadRequest, "invalid_request_error"},
	CodeAuth:         {http.StatusUnauthorized, "authentication_error"},
	CodeForbidden:    {http.StatusForbidden, "permission_error"},
	CodeNotFound:     {http.StatusNotFound, "invalid_request_error"},
	CodeMethod:       {http.StatusMethodNotAllowed, "invalid_request_error"},
	CodeTooLarge:     {http.StatusRequestEntityTooLarge, "invalid_request_error"},
	CodeRate:         {http.StatusTooManyRequests, "rate_limit_error"},
	CodeBudget:       {http.StatusTooManyRequests, "insufficient_quota"},
	CodeUpstream:     {http.StatusBadGateway, "server_error"},
	CodeTimeout:      {http.StatusGatewayTimeout, "server_error"},
	CodeBusy:         {http.StatusServiceUnavailable, "server_error"},
	fault.Internal:   {http.StatusInternalServerError, "server_error"},
}

// A retryAfter is an error that knows when to come back.
type retryAfter struct {
	err  *fault.Error
	wait time.Duration
}

func (e retryAfter) Error() string { return e.err.Error() }

func (e retryAfter) Unwrap() error { return e.err }

func statusOf(err error) int {
	if k, ok := kinds[fault.CodeOf(err)]; ok {
		return k.status
	}
	return http.StatusInternalServerError
}

// errorObject is OpenAI's error object. Errors that are not ours become
// ERR_INTERNAL without their text, which may hold anything.
func errorObject(err error) []byte {
	code := fault.CodeOf(err)
	k, ours := kinds[code]
	message := "internal error"
	if ours && code != fault.Internal {
		message = err.Error()
	} else {
		code, k = fault.Internal, kinds[fault.Internal]
	}
	type object struct {
		Message string     `json:"message"`
		Type    string     `json:"type"`
		Param   *string    `json:"param"`
		Code    fault.Code `json:"code"`
	}
	body, _ := json.Marshal(map[string]object{"error": {message, k.kind, nil, code}})
	return body
}

// WriteError answers with err as an OpenAI error object. Nothing must have been
// written before.
func WriteError(w http.ResponseWriter, err error) {
	var later retryAfter
	if errors.As(err, &later) {
		seconds := max(1, int64((later.wait+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	writeBody(w, statusOf(err), "application/json", errorObject(err))
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
