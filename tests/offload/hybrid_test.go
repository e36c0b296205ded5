package offload

import (
	"context"
	"net"
	"strings"
	"testing"

	"pastel/worker"
	"pastel/worker/native"
	"pastel/worker/suite"
	"pastel/worker/workerd"
)

// asked is an argument of page.ts's answer.
type asked map[string]any

// answered is its result.
type answered struct {
	Error    string
	Asked    []string
	Ms       float64
	Text     *string
	Label    *label
	Shown    string
	Replaced []string
}

type label struct {
	Where, Reason, Blocked string
	Fallback               bool
	Signals                map[string]float64
	Error                  *wireError
}

// wireError is an error as it crosses from TypeScript.
type wireError struct{ Code, Message string }

func (e *wireError) String() string { return e.Code + ": " + e.Message }

// thresholds call scope below 0.5 and confidence below 0.5 hard.
func policy(mode string) map[string]any {
	cut := map[string]any{"on": true, "score": 0.5, "tie": 0}
	return map[string]any{"mode": mode, "scope": cut, "confidence": cut}
}

var (
	easy  = map[string]any{"geo_mean": 0.9}
	hard  = map[string]any{"geo_mean": 0.1}
	turns = []map[string]string{{"role": "system", "content": "private system"}, {"role": "user", "content": "earlier private turn"},
		{"role": "assistant", "content": "earlier answer"}, {"role": "user", "content": "what is asked"}}
)

const draft = "draft of the device"

// A world is a page, an edge server that admits it, and an upstream.
type world struct {
	*page
	host     suite.Host
	upstream *suite.Upstream
}

// ask answers a query in the page and checks what holds for every answer.
func (w *world) ask(change asked) answered {
	w.t.Helper()
	a := asked{"url": w.host.URL + "/v1", "model": "echo", "token": suite.Token, "policy": policy("hybrid"), "messages": turns, "after": hard}
	for k, v := range change {
		a[k] = v
	}
	var got answered
	w.call("answer", a, &got)
	if got.Error == "" && (got.Text == nil || *got.Text != got.Shown || got.Label == nil) {
		w.t.Errorf("%v: the page shows %q, the answer is %v, label %v", change, got.Shown, got.Text, got.Label)
	}
	return got
}

func (w *world) consent(extent string) {
	w.t.Helper()
	w.call("consent", map[string]any{"url": w.host.URL + "/v1", "extent": extent}, nil)
}

// server is the label of answers by the edge server.
func (w *world) server() string { return "server:" + strings.TrimPrefix(w.host.URL, "http://") }

// behaviours are the upstream models that the tests ask for.
var behaviours = []string{"echo", "slow-20", "status-500", "hang", "cut-3", "stall-3", "late-300"}

// onBothHosts runs a test against net/http and workerd, with one page each.
func onBothHosts(t *testing.T, test func(t *testing.T, w *world)) {
	for name, start := range map[string]suite.Start{
		"native":  startNative,
		"workerd": func(t testing.TB, s worker.Settings, pools string) suite.Host { return workerd.Start(t, s, pools).Host },
	} {
		t.Run(name, func(t *testing.T) {
			p, u := openPage(t), suite.NewUpstream(t)
			s := suite.DefaultSettings(u.Serving("big", behaviours...))
			s.Origins, s.Limits.Attempts = []string{p.origin}, 1
			p.t = t
			test(t, &world{p, start(t, s, ""), u})
		})
	}
}

func startNative(t testing.TB, s worker.Settings, _ string) suite.Host {
	t.Helper()
	server, err := worker.New(s.Config(&worker.Memory{}, native.Client()))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); native.Serve(ctx, l, server) }()
	t.Cleanup(func() { stop(); <-stopped })
	return suite.Host{URL: "http://" + l.Addr().String(), Logs: func() string { return "" }}
}

// The product's promise, in a real browser: easy stays, hard goes after consent
// and nothing else of the page with it, failures fall back, revoking blocks.
func TestHybrid(t *testing.T) {
	onBothHosts(t, func(t *testing.T, w *world) {
		expect := func(name string, got answered, where, reason, text string, fallback bool) {
			t.Helper()
			if got.Error != "" || got.Label == nil {
				t.Fatalf("%s: %+v", name, got)
			}
			if got.Label.Where != where || got.Label.Reason != reason || *got.Text != text || got.Label.Fallback != fallback {
				t.Errorf("%s: %q by %+v, want %q by %s (%s, fallback %v)", name, *got.Text, got.Label, text, where, reason, fallback)
			}
		}
		// Without consent nothing leaves, whatever the mode.
		got := w.ask(nil)
		expect("hard, no consent", got, "device", "no-consent", draft, true)
		if got.Label.Blocked != "ERR_CONSENT" {
			t.Errorf("blocked = %q", got.Label.Blocked)
		}
		if got := w.ask(asked{"policy": policy("server")}); got.Error != "ERR_CONSENT" {
			t.Errorf("mode server without consent: %+v", got)
		}
		w.consent("last-turn")
		got = w.ask(asked{"after": easy})
		expect("easy", got, "device", "confident", draft, false)
		if got.Label.Signals["geo_mean"] != 0.9 {
			t.Errorf("signals = %v", got.Label.Signals)
		}
		expect("local", w.ask(asked{"policy": policy("local")}), "device", "mode-local", draft, false)
		if n := w.upstream.Calls("echo"); n != 0 {
			t.Fatalf("the server saw %d requests before a hard query", n)
		}
		// Hard: streamed, the draft visibly replaced, and only the last turn sent.
		got = w.ask(nil)
		expect("hard", got, w.server(), "unsure", "what is asked", false)
		if len(got.Replaced) != 1 || got.Replaced[0] != draft {
			t.Errorf("replaced %q", got.Replaced)
		}
		bodies, _ := w.upstream.Seen()
		if len(bodies) != 1 || strings.Contains(bodies[0], "private") || strings.Contains(bodies[0], "draft") || strings.Contains(bodies[0], "earlier") {
			t.Errorf("the server saw %q", bodies)
		}
		expect("out of scope", w.ask(asked{"before": map[string]any{"scope": 0.1}}), w.server(), "out-of-scope", "what is asked", false)
		expect("long stream", w.ask(asked{"model": "slow-20"}), w.server(), "unsure", strings.Join(suite.Numbers(20), ""), false)
		expect("mode server", w.ask(asked{"policy": policy("server"), "after": easy}), w.server(), "mode-server", "what is asked", false)
		// All turns when that was agreed.
		w.consent("conversation")
		w.ask(nil)
		if bodies, _ := w.upstream.Seen(); !strings.Contains(bodies[len(bodies)-1], "private system") {
			t.Error("the conversation was not sent although agreed")
		}
		w.consent("last-turn")
		// Asking.
		got = w.ask(asked{"policy": policy("ask"), "yes": true})
		expect("ask, yes", got, w.server(), "unsure", "what is asked", false)
		if len(got.Asked) != 1 {
			t.Errorf("asked %q", got.Asked)
		}
		expect("ask, no", w.ask(asked{"policy": policy("ask")}), "device", "declined", draft, true)
		if got := w.ask(asked{"policy": policy("ask"), "after": easy}); len(got.Asked) != 0 {
			t.Errorf("asked about an easy query: %q", got.Asked)
		}
		// Failures.
		for _, model := range []string{"status-500", "hang", "cut-3", "stall-3"} {
			got := w.ask(asked{"model": model, "firstMs": 500, "idleMs": 500})
			expect(model, got, "device", "server-failed", draft, true)
			if got.Label.Error == nil || got.Ms > 3000 {
				t.Errorf("%s: error %v after %v ms", model, got.Label.Error, got.Ms)
			}
		}
		got = w.ask(asked{"model": "cut-3", "before": map[string]any{"scope": 0.1}})
		expect("cut before the device began", got, "device", "server-failed", draft, true)
		if len(got.Replaced) != 1 || got.Replaced[0] != "0 1 2 " {
			t.Errorf("withdrawn %q", got.Replaced)
		}
		if got := w.ask(asked{"model": "hang", "abortMs": 200}); got.Error != "TimeoutError" || got.Ms > 2000 {
			t.Errorf("aborted: %+v", got)
		}
		expect("bad token", w.ask(asked{"token": "wrong"}), "device", "server-failed", draft, true)
		// Revoked.
		before, _ := w.upstream.Seen()
		w.consent("")
		expect("revoked", w.ask(nil), "device", "no-consent", draft, true)
		if after, _ := w.upstream.Seen(); len(after) != len(before) {
			t.Error("a request left after consent was revoked")
		}
	})
}

// A server that is gone costs a little time at first, and none once the breaker
// is open.
func TestServerGone(t *testing.T) {
	p := openPage(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	w := &world{page: p, host: suite.Host{URL: url}}
	w.consent("last-turn")
	for i, want := range []string{"server-failed", "server-failed", "server-failed", "breaker-open", "breaker-open"} {
		got := w.ask(asked{"keep": i > 0})
		if got.Label == nil || got.Label.Reason != want || !got.Label.Fallback || *got.Text != draft {
			t.Errorf("query %d: %+v %+v, want %s", i, got, got.Label, want)
		}
	}
}

// A page whose origin is not listed gets nothing from the server.
func TestForeignOrigin(t *testing.T) {
	p, u := openPage(t), suite.NewUpstream(t)
	w := &world{p, startNative(t, suite.DefaultSettings(u.Serving("big", behaviours...)), ""), u}
	w.consent("last-turn")
	if got := w.ask(nil); got.Label == nil || got.Label.Reason != "server-failed" || u.Calls("echo") != 0 {
		t.Errorf("%+v, %d calls", got.Label, u.Calls("echo"))
	}
}
