//go:build wasip1

package main

import (
	"pastel/engine"
	"pastel/wasm/dispatch"
)

func config() dispatch.Config {
	return dispatch.Config{Machine: engine.Reference(), Executor: "reference", NowMs: nowMs}
}
