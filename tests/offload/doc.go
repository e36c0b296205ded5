// Package offload holds the tests of hybrid answers in a real browser: the page's
// routing client against the edge server, under net/http and in workerd. Nothing
// imports it, and it must not know how a local answer is computed.
package offload
