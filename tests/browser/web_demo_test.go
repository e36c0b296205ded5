package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"pastel/web/build"
)

var demoFiles = sync.OnceValues(func() (build.Files, error) { return build.Site("../../web") })

// demoServer serves the demo as a host does; isolated adds the headers that give it threads.
func demoServer(t *testing.T, isolated bool) *httptest.Server {
	t.Helper()
	files, err := demoFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := files.Write(dir); err != nil {
		t.Fatal(err)
	}
	static := http.FileServer(http.Dir(dir))
	s := newOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isolated {
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		}
		static.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// setCold moves the temperature slider to 0, as a hand does.
const setCold = `(() => {
	const slider = document.getElementById("temperature");
	slider.value = 0;
	slider.dispatchEvent(new Event("input"));
})()`

// askDemo types a message, presses Enter, and returns the whole answer.
func askDemo(tb *tab, text string) string {
	tb.t.Helper()
	tb.waitFor(`!document.getElementById("send").disabled`)
	var before int
	tb.eval(`document.querySelectorAll(".message").length`, &before)
	if err := chromedp.Do(tb.ctx, chromedp.SendKeys(chromedp.CSS("#prompt"), text+"\r")); err != nil {
		tb.t.Fatal(err)
	}
	tb.waitFor(fmt.Sprintf(`document.querySelectorAll(".message").length === %d && !document.getElementById("send").disabled`, before+2))
	var answer string
	tb.eval(`[...document.querySelectorAll(".message.assistant .text")].pop().textContent`, &answer)
	return answer
}

func TestWebDemo(t *testing.T) {
	s := demoServer(t, true)
	tb := openTab(t, s.URL)
	t.Run("answers", func(t *testing.T) {
		tb.eval(setCold, nil)
		if got := askDemo(tb, "Once upon a time"); !strings.HasPrefix(got, story) {
			t.Errorf("answer = %q, want it to begin %q", got, story)
		}
	})
	t.Run("says where it ran, how fast, on what", func(t *testing.T) {
		var text string
		tb.eval(`document.body.innerText`, &text)
		for _, want := range []string{"Answered on this device", "tokens/s", "relaxed SIMD", "thread", "MB memory"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	})
	t.Run("every control has a name", func(t *testing.T) {
		var nameless []string
		tb.eval(`[...document.querySelectorAll("input, select, textarea, button, progress")].filter((e) =>
			!(e.textContent.trim() || e.getAttribute("aria-label") || [...(e.labels ?? [])].some((l) => l.textContent.trim()))).map((e) => e.outerHTML)`, &nameless)
		if len(nameless) > 0 {
			t.Errorf("controls without a name: %q", nameless)
		}
	})
	t.Run("opens without a network", func(t *testing.T) {
		tb.eval(`navigator.serviceWorker.ready.then(() => null)`, nil)
		s.CloseClientConnections()
		s.Close()
		tb.reload()
		tb.waitFor(`document.getElementById("temperature") !== null`)
		tb.eval(setCold, nil)
		if got := askDemo(tb, "Once upon a time"); !strings.HasPrefix(got, story) {
			t.Errorf("offline answer = %q", got)
		}
	})
}

func TestWebDemoStops(t *testing.T) {
	tb := openTab(t, demoServer(t, true).URL)
	tb.waitFor(`document.getElementById("status").textContent.includes("ready")`)
	tb.eval(`document.getElementById("max-tokens").value = 1900, document.getElementById("temperature").value = 1.5`, nil)
	if err := chromedp.Do(tb.ctx, chromedp.SendKeys(chromedp.CSS("#prompt"), "The dog\r")); err != nil {
		t.Fatal(err)
	}
	tb.waitFor(`document.querySelector(".message.assistant .text")?.textContent.length > 10`)
	if err := chromedp.Do(tb.ctx, chromedp.KeyEvent("\x1b")); err != nil {
		t.Fatal(err)
	}
	tb.waitFor(`["Stopped.", "Answer complete."].includes(document.getElementById("status").textContent)`)
	tb.waitFor(`!document.getElementById("send").disabled && document.activeElement.id === "prompt"`)
}

// TestWebDemoIsolatesItself: a host that cannot send COOP and COEP still gives threads, after the service worker's one reload.
func TestWebDemoIsolatesItself(t *testing.T) {
	tb := openTab(t, demoServer(t, false).URL)
	tb.waitFor(`crossOriginIsolated`)
	tb.waitFor(`document.getElementById("status").textContent.includes("ready")`)
}

// TestWebDemoScreenshots writes docs/demo-light.png and docs/demo-dark.png when
// PASTEL_SCREENSHOTS names the folder to write to; it always checks that both themes draw.
func TestWebDemoScreenshots(t *testing.T) {
	tb := openTab(t, demoServer(t, true).URL)
	tb.eval(setCold, nil)
	askDemo(tb, "Once upon a time")
	askDemo(tb, "The little dog was sad because")
	images := map[string][]byte{}
	for _, theme := range []string{"light", "dark"} {
		png, err := chromedp.Run(tb.ctx, screenshot(theme, 1280, 860))
		if err != nil {
			t.Fatal(err)
		}
		images[theme] = png
		if dir := os.Getenv("PASTEL_SCREENSHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "demo-"+theme+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if string(images["light"]) == string(images["dark"]) {
		t.Error("light and dark look the same")
	}
}

// screenshot draws the page as somebody with this system theme and size of window sees it.
func screenshot(theme string, width, height int64) chromedp.Action[[]byte] {
	return func(ctx context.Context, tg *chromedp.Target) ([]byte, error) {
		metrics := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1}
		if _, err := cdp.Call(ctx, tg, emulation.SetDeviceMetricsOverride, metrics); err != nil {
			return nil, err
		}
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}
		if _, err := cdp.Call(ctx, tg, emulation.SetEmulatedMedia, media); err != nil {
			return nil, err
		}
		r, err := cdp.Call(ctx, tg, page.CaptureScreenshot, page.CaptureScreenshotParams{})
		return r.Data, err
	}
}
