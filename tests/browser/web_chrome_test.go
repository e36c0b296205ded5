package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chrome starts the one Chromium of this test run. It dies with the process.
var chrome = sync.OnceValues(func() (context.Context, error) {
	profile, err := os.MkdirTemp("", "pastel-chrome-")
	if err != nil {
		return nil, err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"),
		chromedp.NoSandbox,
		chromedp.UserDataDir(profile),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, _ = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

// A tab is one page of the shared browser. Every test serves its own origin
// (a port of its own), so storage is never shared between tests.
type tab struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	errors []string // console errors, which fail the test unless taken
}

// openTab opens url in a new tab, which closes with the test.
func openTab(t *testing.T, url string) *tab {
	t.Helper()
	parent, err := chrome()
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	ctx, cancelTime := context.WithTimeout(ctx, 120*time.Second)
	tb := &tab{t: t, ctx: ctx, cancel: func() { cancelTime(); cancel() }}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open tab: %v", err)
	}
	go tb.watchConsole(chromedp.Console(ctx))
	t.Cleanup(tb.close)
	tb.goTo(url)
	return tb
}

func (tb *tab) watchConsole(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	for m, err := range messages {
		if err != nil {
			return
		}
		if m.IsException() || m.Type == chromedp.ConsoleError {
			tb.mu.Lock()
			tb.errors = append(tb.errors, m.String())
			tb.mu.Unlock()
		}
	}
}

// close closes the tab and fails the test for console errors nobody took.
func (tb *tab) close() {
	tb.cancel()
	for _, e := range tb.takeErrors() {
		tb.t.Errorf("console error: %s", e)
	}
}

// takeErrors returns the console errors so far and forgets them.
func (tb *tab) takeErrors() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	errors := tb.errors
	tb.errors = nil
	return errors
}

// forgetErrors drops console errors that contain one of the texts: a network
// fault that a test makes on purpose is one.
func (tb *tab) forgetErrors(texts ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	kept := tb.errors[:0]
	for _, e := range tb.errors {
		expected := false
		for _, text := range texts {
			expected = expected || strings.Contains(e, text)
		}
		if !expected {
			kept = append(kept, e)
		}
	}
	tb.errors = kept
}

func (tb *tab) goTo(url string) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, chromedp.Navigate(url)); err != nil {
		tb.t.Fatalf("open %s: %v", url, err)
	}
}

func (tb *tab) reload() {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, chromedp.Reload()); err != nil {
		tb.t.Fatalf("reload: %v", err)
	}
}

// eval evaluates a JavaScript expression, awaits it, and decodes its JSON value into dst (nil: dropped).
func (tb *tab) eval(expression string, dst any) {
	tb.t.Helper()
	if err := tb.tryEval(expression, dst); err != nil {
		tb.t.Fatalf("eval %.120s: %v", expression, err)
	}
}

func (tb *tab) tryEval(expression string, dst any) error {
	wrapped := "(async () => JSON.stringify(await (" + expression + ")) ?? 'null')()"
	text, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string](wrapped, awaitPromise))
	if err != nil || dst == nil {
		return err
	}
	return json.Unmarshal([]byte(text), dst)
}

// waitFor waits until a JavaScript condition holds, over navigations.
func (tb *tab) waitFor(condition string) {
	tb.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var holds bool
		if err := tb.tryEval(condition, &holds); err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			var text string
			_ = tb.tryEval("document.body.innerText", &text)
			tb.t.Fatalf("never came true: %s\nthe page says: %s", condition, text)
		}
	}
}

func awaitPromise(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }

// wireError is an error as the worker reports it.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *wireError) Error() string { return e.Code + ": " + e.Message }

// scenario runs one scenario of the page's worker and decodes its value.
func scenario[T any](tb *tab, name string, args ...any) (T, *wireError) {
	tb.t.Helper()
	var reply struct {
		Value T          `json:"value"`
		Error *wireError `json:"error"`
	}
	tb.eval(fmt.Sprintf("run(%s)", jsArgs(append([]any{name}, args...))), &reply)
	return reply.Value, reply.Error
}

// mustRun is scenario for one that has to succeed.
func mustRun[T any](tb *tab, name string, args ...any) T {
	tb.t.Helper()
	v, err := scenario[T](tb, name, args...)
	if err != nil {
		tb.t.Fatalf("%s: %v", name, err)
	}
	return v
}

func jsArgs(args []any) string {
	text, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return string(text[1 : len(text)-1])
}
