package worker

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pastel/fault"
)

func TestKeyring(t *testing.T) {
	now := time.Unix(1000, 0)
	ring := newKeyring([]Key{
		{Name: "a", SHA256: HashToken("token-a")},
		{Name: "b", SHA256: HashToken("token-b"), Expires: now.Add(time.Second)},
		{Name: "c", SHA256: HashToken("token-c"), Expires: now},
	})
	for token, want := range map[string]string{"token-a": "a", "token-b": "b", "token-c": "", "": "", "token-": "", HashToken("token-a"): ""} {
		got := ""
		if k := ring.find(token, now); k != nil {
			got = k.Name
		}
		if got != want {
			t.Errorf("find(%q) = %q, want %q", token, got, want)
		}
	}
}

// A wrong guess costs the same whether it is nearly right, wholly wrong, or
// right: what differs must drown in noise. Guesses are timed in turn, so that
// other work on the machine hits all alike.
func TestGuessingCostsTheSame(t *testing.T) {
	const token = "correct-horse-battery-staple-0001"
	keys := make([]Key, 200)
	for i := range keys {
		keys[i] = Key{Name: strconv.Itoa(i), SHA256: HashToken("other-" + strconv.Itoa(i))}
	}
	keys[0].SHA256 = HashToken(token) // found first, were the search to stop there
	ring := newKeyring(keys)
	guesses := []string{token, token[:len(token)-1] + "2", "zorrect-horse-battery-staple-0001"}
	times := make([][]time.Duration, len(guesses))
	for range 2000 {
		for i, g := range guesses {
			began := time.Now()
			ring.find(g, began)
			times[i] = append(times[i], time.Since(began))
		}
	}
	var medians []time.Duration
	for _, x := range times {
		slices.Sort(x)
		medians = append(medians, x[len(x)/2])
	}
	t.Logf("medians: right %v, nearly %v, wrong %v", medians[0], medians[1], medians[2])
	// A search that stopped at the match would be 200 times faster for the right one.
	if lo, hi := slices.Min(medians), slices.Max(medians); float64(hi) > 1.5*float64(lo) {
		t.Errorf("cost depends on the guess: %v", medians)
	}
}

func TestConfigRefusals(t *testing.T) {
	good := Config{State: &Memory{}, Keys: []Key{{Name: "k", SHA256: HashToken("t")}}, Hosts: []string{"localhost"}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no state":          func(c *Config) { c.State = nil },
		"no keys, not open": func(c *Config) { c.Keys = nil },
		"no hosts":          func(c *Config) { c.Hosts = nil },
		"any origin":        func(c *Config) { c.Origins = []string{"*"} },
		"null origin":       func(c *Config) { c.Origins = []string{"null"} },
		"token in clear":    func(c *Config) { c.Keys = []Key{{Name: "k", SHA256: "secret"}} },
		"key without name":  func(c *Config) { c.Keys = []Key{{SHA256: HashToken("t")}} },
		"negative limit":    func(c *Config) { c.Limits.Body = -1 },
		"rate of nothing":   func(c *Config) { c.Limits.PerKey = Rate{PerSecond: 1} },
	} {
		c := good
		change(&c)
		if _, err := New(c); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	s, err := ParseSettings([]byte(`{"upstreams":[{"id":"a","url":"https://up.example/v1","key":"k","models":{"m":"n"}}],
		"keys":[],"origins":[],"hosts":["h"],"limits":{"wall":"90s","per_key":{"per_second":2,"burst":4}}}`))
	if err != nil || s.Limits.Wall.Duration != 90*time.Second || s.Limits.PerKey != (Rate{2, 4}) || s.Upstreams[0].Serves["m"] != "n" {
		t.Errorf("settings = %+v, %v", s, err)
	}
	for name, text := range map[string]string{
		"misspelt field":  `{"limit":{}}`,
		"number for time": `{"limits":{"wall":90}}`,
		"file upstream":   `{"upstreams":[{"id":"a","url":"file:///etc/passwd","models":{"m":"n"}}]}`,
		"user in URL":     `{"upstreams":[{"id":"a","url":"https://u:p@h/v1","models":{"m":"n"}}]}`,
		"no models":       `{"upstreams":[{"id":"a","url":"https://h/v1"}]}`,
		"not JSON":        `{`,
	} {
		if _, err := ParseSettings([]byte(text)); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
