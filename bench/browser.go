package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A Browser is a fresh headless Chromium with a profile of its own and one tab.
type Browser struct {
	ctx     context.Context
	stop    func()
	profile string
}

// browserTimeout ends a browser whose page hangs.
const browserTimeout = 15 * time.Minute

// NewBrowser starts Chromium. It ends with Close, with ctx, or after browserTimeout.
//
// Errors: no Chromium in PATH.
func NewBrowser(ctx context.Context) (*Browser, error) { return NewBrowserFor(ctx, browserTimeout) }

// NewBrowserFor is NewBrowser with a limit of one's own.
func NewBrowserFor(ctx context.Context, limit time.Duration) (*Browser, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	b := &Browser{}
	if b.profile, err = os.MkdirTemp("", "pastel-bench-"); err != nil {
		return nil, err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(b.profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true))
	limited, stop := context.WithTimeout(ctx, limit)
	alloc, closeBrowser := chromedp.NewExecAllocator(limited, opts...)
	tab, closeTab := chromedp.NewContext(alloc)
	b.ctx, b.stop = tab, func() { closeTab(); closeBrowser(); stop() }
	if err := chromedp.Do(b.ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("bench: start Chromium: %w", err)
	}
	return b, nil
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("bench: no Chromium in PATH: install one, on Debian with: apt-get install chromium")
}

// Close ends the browser and deletes its profile.
func (b *Browser) Close() {
	b.stop()
	_ = os.RemoveAll(b.profile) // a temporary folder
}

// Open opens a page and waits until it has loaded.
func (b *Browser) Open(url string) error { return chromedp.Do(b.ctx, chromedp.Navigate(url)) }

// Call awaits f(...args) in the page and decodes its value into dst.
func (b *Browser) Call(dst any, f string, args ...any) error {
	list, err := json.Marshal(args)
	if err != nil {
		return err
	}
	expression := fmt.Sprintf("(async () => JSON.stringify((await (%s)(...%s)) ?? null))()", f, list)
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
	if err != nil {
		return fmt.Errorf("bench: %s in the page: %w", f, err)
	}
	return json.Unmarshal([]byte(text), dst)
}

// PeakRenderer is the largest resident set any renderer of the browser had, in bytes;
// 0 where /proc does not tell.
func (b *Browser) PeakRenderer() uint64 { return peakRenderer(b.profile) }

// Version is the browser's product and version, such as "HeadlessChrome/156.0.8078.79".
func (b *Browser) Version() string {
	v, err := cdp.Call(b.ctx, chromedp.FromContext(b.ctx).Browser, browser.GetVersion, cdp.Empty{})
	if err != nil {
		return ""
	}
	return v.Product
}
