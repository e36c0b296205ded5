package chrome

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Timeout is how long one test may hold a browser.
const Timeout = 5 * time.Minute

// Start runs a headless Chromium until the end of the test and returns the context of its first tab, for
// chromedp.Do and chromedp.Run. More tabs are made with chromedp.NewContext(ctx).
//
// Errors: a missing Chromium fails the test, with the command that installs it.
func Start(t testing.TB, opts ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	all := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	limited, stop := context.WithTimeout(context.Background(), Timeout)
	alloc, closeBrowser := chromedp.NewExecAllocator(limited, append(all, opts...)...)
	ctx, closeTab := chromedp.NewContext(alloc)
	t.Cleanup(func() { closeTab(); closeBrowser(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// find returns the path of Chromium.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium in PATH: install one, on Debian with: apt-get install chromium")
	return ""
}
