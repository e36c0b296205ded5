//go:build js && wasm

package main

import (
	"log/slog"
	"net/http"
	"os"
	"syscall/js"
	"time"

	"github.com/syumai/workers"
	"github.com/syumai/workers/cloudflare"

	"pastel/fault"
	"pastel/worker"
	"pastel/worker/poolblend"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	handler, err := newServer(log)
	if err != nil {
		log.Error("settings", "error", err.Error())
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			worker.WriteError(w, fault.Sentinel(fault.Internal))
		})
	}
	finished := make(chan bool)
	workers.ServeNonBlock(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := newStreamWriter(w, r.Context())
		handler.ServeHTTP(body, r.WithContext(body.ctx))
		body.end()
		go func() { finished <- body.begun() }()
	}))
	workers.Ready()
	if !<-finished {
		<-workers.Done() // without a body, the headers are still on their way
	}
}

// silence is the default time to a ping. Here a client that left is noticed only
// by writing to it, so this decides how long an abandoned upstream goes on.
const silence = 500 * time.Millisecond

func newServer(log *slog.Logger) (http.Handler, error) {
	settings, err := worker.ParseSettings([]byte(cloudflare.Getenv("PASTEL_SETTINGS")))
	if err != nil {
		return nil, err
	}
	if settings.Limits.Ping.Duration == 0 {
		settings.Limits.Ping.Duration = silence
	}
	config := settings.Config(durableState{cloudflare.GetBinding("STATE")}, fetcher{global()})
	config.Log = log
	if binding := cloudflare.GetBinding("POOLS"); !binding.IsUndefined() {
		config.Pools, config.Blender = fetchPools{fetcher{binding}}, &poolblend.Blender{}
	}
	return worker.New(config)
}

// global is the real global object: syscall/js sees a proxy of it, on which
// fetch refuses to be called.
func global() js.Value { return js.Global().Get("globalThis") }
