// Package suite is the edge server's test suite: the same tests for every host.
//
// A host's test calls Run with a function that starts it. Upstreams are real
// HTTP servers on loopback that misbehave on demand. It must not know how any
// host works.
package suite
