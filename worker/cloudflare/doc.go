// Package main hosts the edge server on Cloudflare Workers.
//
// Every request gets its own Go instance (syumai/workers), so nothing is kept in
// memory between requests: limits, budgets and counters live in a Durable Object
// (state.mjs), settings in the secret PASTEL_SETTINGS, pools behind a binding
// that fetches (static assets, or any service).
//
//	main_js.go       the instance: settings, one request, then exit
//	client_js.go     the body's stream, and noticing that the client has left
//	transport_js.go  worker.Doer over the platform's fetch, with abort
//	state_js.go      worker.State over the Durable Object
//	pools_js.go      worker.Pools over a fetching binding
//	entry.mjs        what the platform loads: the worker and the object's class
//	state.mjs        the Durable Object
//
// It builds with `make worker` for GOOS=js only, and must not know net/http
// servers, files or sockets.
package main
