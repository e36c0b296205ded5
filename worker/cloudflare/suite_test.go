package main

import (
	"testing"

	"pastel/worker"
	"pastel/worker/suite"
	"pastel/worker/workerd"
)

// The same suite as under net/http, in the runtime of Cloudflare Workers.
func TestSuite(t *testing.T) {
	suite.Run(t, func(t testing.TB, s worker.Settings, pools string) suite.Host { return workerd.Start(t, s, pools).Host })
}
