// Package worker is the edge server: one http.Handler that speaks the OpenAI
// chat API in front of larger models and hands out adapter pools and blends.
//
// It runs under net/http (worker/native, `pastel serve`) and on Cloudflare
// Workers (worker/cloudflare); the same suite tests both.
//
// The path of one request, and the file of each step:
//
//	server.go    request id, panics, metrics, one log line without prompts
//	guard.go     Host, CORS, client IP, bearer token, rate limit: who may ask
//	routes.go    path → handler
//	chat.go      validate the body, reserve tokens, answer
//	call.go      what a chat request may contain, and what is passed on
//	messages.go  the same for its messages and schemas
//	failover.go  which backend, retries until the first byte
//	stream.go    the answer through to the client, with pings, in order
//	upstream.go  a backend over HTTP;  engine.go  a backend in this process
//	pools.go     manifests, ranged adapter files, blends
//	state.go     limits, budgets and counters, behind one interface
//	errors.go    OpenAI error objects with Pastel's codes
//
// It must not know engines, tensors or files: those come in as interfaces.
package worker
