package suite

import (
	"testing"
)

// Run tests a host.
func Run(t *testing.T, start Start) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Start)
	}{
		{"health", testHealth},
		{"models", testModels},
		{"answer", testAnswer},
		{"stream", testStream},
		{"usage", testUsage},
		{"passed fields", testPassedFields},
		{"only checked messages", testOnlyCheckedMessages},
		{"auth", testAuth},
		{"host header", testHostHeader},
		{"cors", testCORS},
		{"malformed bodies", testMalformed},
		{"paths and methods", testPaths},
		{"rate limit", testRateLimit},
		{"daily budget", testBudget},
		{"daily budget of the impatient", testBudgetOfTheImpatient},
		{"failover", testFailover},
		{"upstream faults", testFaults},
		{"faults inside a stream", testStreamFaults},
		{"time limits", testTimeLimits},
		{"pings", testPings},
		{"pings before an object", testWhitespacePings},
		{"client leaves", testClientLeaves},
		{"pools", testPools},
		{"blend a trained pool", testBlend},
		{"twenty streams at once", testConcurrentStreams},
		{"metrics and logs", testMetricsAndLogs},
		{"the official openai client", testOpenAIClient},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, start) })
	}
}
