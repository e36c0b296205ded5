package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/extensions"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"pastel/web/build"
)

// An installed is a Chromium of its own with the extension in it: service workers
// and offscreen documents exist once per profile, and these tests kill them.
type installed struct {
	t       *testing.T
	ctx     context.Context
	id      string
	dir     string // the unpacked extension
	profile string
	close   func()
}

// installExtension starts Chromium with a fresh profile and loads the extension, unpacked.
func installExtension(t *testing.T) *installed {
	t.Helper()
	files, err := build.Extension("../../web", "chrome")
	if err != nil {
		t.Fatal(err)
	}
	x := &installed{t: t, dir: t.TempDir() + "/pastel", profile: t.TempDir()}
	if err := files.Write(x.dir); err != nil {
		t.Fatal(err)
	}
	x.start()
	return x
}

// start starts the browser; after close, with what the profile kept.
func (x *installed) start() {
	x.t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"),
		chromedp.NoSandbox,
		chromedp.UserDataDir(x.profile),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-extensions", false),
		chromedp.Flag("enable-unsafe-extension-debugging", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(420, 900),
	)
	limited, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	alloc, closeBrowser := chromedp.NewExecAllocator(limited, opts...)
	ctx, closeTab := chromedp.NewContext(alloc)
	x.ctx = ctx
	x.close = func() { closeTab(); closeBrowser(); stop() }
	x.t.Cleanup(x.close)
	if err := chromedp.Do(ctx); err != nil {
		x.t.Fatalf("start chromium: %v", err)
	}
	loaded, err := chromedp.CallBrowser(ctx, extensions.LoadUnpacked, extensions.LoadUnpackedParams{Path: x.dir})
	if err != nil {
		x.t.Fatalf("load the extension: %v", err)
	}
	x.id = loaded.ID
}

func (x *installed) url(path string) string { return "chrome-extension://" + x.id + "/" + path }

// open opens a page in a tab of this browser.
func (x *installed) open(url string) *tab {
	x.t.Helper()
	ctx, cancel := chromedp.NewContext(x.ctx)
	ctx, cancelTime := context.WithTimeout(ctx, 150*time.Second)
	tb := &tab{t: x.t, ctx: ctx, cancel: func() { cancelTime(); cancel() }}
	if err := chromedp.Do(ctx); err != nil {
		x.t.Fatalf("open tab: %v", err)
	}
	go tb.watchConsole(chromedp.Console(ctx))
	x.t.Cleanup(tb.close)
	if url != "" {
		tb.goTo(url)
	}
	return tb
}

// panel opens the side panel's page in a tab, standing for a window: headless Chromium has no side panel to click.
func (x *installed) panel(window int) *tab {
	x.t.Helper()
	tb := x.open(x.url(fmt.Sprintf("panel.html?window=%d", window)))
	patiently(tb, `document.getElementById("facts").textContent.includes("thread")`)
	return tb
}

// target returns the running service worker, or the offscreen document, or nil.
func (x *installed) target(suffix string) *target.Info {
	x.t.Helper()
	all, err := chromedp.CallBrowser(x.ctx, target.GetTargets, target.GetTargetsParams{})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, info := range all.TargetInfos {
		if strings.HasSuffix(info.URL, suffix) && strings.HasPrefix(info.URL, x.url("")) {
			return info
		}
	}
	return nil
}

// kill ends the service worker or the offscreen document and waits until it is gone.
func (x *installed) kill(suffix string) {
	x.t.Helper()
	info := x.target(suffix)
	if info == nil {
		x.t.Fatalf("%s does not run", suffix)
	}
	if _, err := chromedp.CallBrowser(x.ctx, target.CloseTarget, target.CloseTargetParams{TargetID: info.TargetID}); err != nil {
		x.t.Fatalf("close %s: %v", suffix, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if now := x.target(suffix); now == nil || now.TargetID != info.TargetID {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("%s did not end", suffix)
		}
	}
}

// click does what a click on an entry of the page's menu does: it hands the event to the service worker.
func (x *installed) click(entry, selection string, window int) {
	x.t.Helper()
	x.wake()
	info := x.target("sw.js")
	ctx, cancel := chromedp.NewContext(x.ctx, chromedp.WithTargetID(info.TargetID), chromedp.WithDetachOnCancel())
	defer cancel()
	event, _ := json.Marshal(map[string]any{"menuItemId": entry, "selectionText": selection})
	js := fmt.Sprintf(`chrome.contextMenus.onClicked.dispatch(%s, {id: 1, windowId: %d}); 0`, event, window)
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[int](js)); err != nil {
		x.t.Fatalf("click %s: %v", entry, err)
	}
}

// wake starts the service worker, as any event does.
func (x *installed) wake() {
	x.t.Helper()
	if x.target("sw.js") != nil {
		return
	}
	tb := x.open(x.url("icon.svg"))
	defer tb.cancel()
	tb.goTo(x.url("panel.html?window=999"))
	tb.waitFor(`document.getElementById("facts").textContent.includes("thread")`)
}

// patiently waits like waitFor, for what a busy machine may need long for: a long answer, a browser's first panel.
func patiently(tb *tab, condition string) {
	tb.t.Helper()
	for deadline := time.Now().Add(80 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var holds bool
		if err := tb.tryEval(condition, &holds); err == nil && holds {
			return
		}
	}
	tb.waitFor(condition) // which says what the page shows
}

// lastAnswer is what the panel shows of the last question, once it is over.
type lastAnswer struct{ State, Text, Foot string }

const readLast = `(() => {
	const item = [...document.querySelectorAll("#log > li")].pop();
	return { State: item.dataset.state, Text: item.querySelector(".text").textContent, Foot: item.lastChild.innerText };
})()`

// askPanel types a question and waits for its end.
func askPanel(tb *tab, text string) lastAnswer {
	tb.t.Helper()
	submitPanel(tb, text)
	return endOfLast(tb)
}

func submitPanel(tb *tab, text string) {
	tb.t.Helper()
	var before int
	tb.eval(`document.querySelectorAll("#log > li").length`, &before)
	if err := chromedp.Do(tb.ctx, chromedp.SendKeys(chromedp.CSS("#ask"), text+"\r")); err != nil {
		tb.t.Fatal(err)
	}
	tb.waitFor(fmt.Sprintf(`document.querySelectorAll("#log > li").length === %d`, before+1))
}

func endOfLast(tb *tab) lastAnswer {
	tb.t.Helper()
	patiently(tb, `!document.querySelector("#log > li:last-child").hasAttribute("aria-busy")`)
	var got lastAnswer
	tb.eval(readLast, &got)
	return got
}

// change sets a control of the panel, as a hand does.
func change(tb *tab, id string, value any) {
	tb.t.Helper()
	js, _ := json.Marshal(value)
	tb.eval(fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.value = %s; e.dispatchEvent(new Event("change")); })()`, id, js), nil)
}

// cold makes answers of a panel's extension repeatable.
func cold(tb *tab, maxTokens int) {
	tb.t.Helper()
	change(tb, "temperature", 0)
	change(tb, "max-tokens", maxTokens)
	time.Sleep(100 * time.Millisecond)
}
