package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"pastel/worker"
	"pastel/worker/native"
	"pastel/worker/suite"
)

// A hybridDemo is the demo page, an edge server that admits it, and an upstream
// that counts what reaches it.
type hybridDemo struct {
	*tab
	host     string // of the edge server
	upstream *suite.Upstream
}

// openHybrid opens the demo with its server's address, model and key filled in.
func openHybrid(t *testing.T) *hybridDemo {
	t.Helper()
	site, upstream := demoServer(t, true), suite.NewUpstream(t)
	settings := suite.DefaultSettings(upstream.Serving("big", "echo", "slow-20", "cut-3"))
	settings.Origins, settings.Limits.Attempts = []string{site.URL}, 1
	edge, err := worker.New(settings.Config(&worker.Memory{}, native.Client()))
	if err != nil {
		t.Fatal(err)
	}
	server := newOrigin(edge)
	t.Cleanup(server.Close)
	d := &hybridDemo{openTab(t, site.URL), strings.TrimPrefix(server.URL, "http://"), upstream}
	d.waitFor(`document.getElementById("status").textContent.includes("ready")`)
	d.eval(setCold, nil)
	d.eval(`document.getElementById("hybrid").open = true`, nil)
	d.set("max-tokens", "24")
	d.set("server-url", server.URL+"/v1")
	d.set("server-key", suite.Token)
	d.set("server-model", "echo")
	return d
}

// set gives a control a value as a hand does.
func (d *hybridDemo) set(id, value string) {
	d.t.Helper()
	d.eval(fmt.Sprintf(`(() => {
		const e = document.getElementById(%q);
		e.value = %q;
		e.dispatchEvent(new Event("input"));
		e.dispatchEvent(new Event("change"));
	})()`, id, value), nil)
}

func (d *hybridDemo) click(id string) {
	d.t.Helper()
	if err := chromedp.Do(d.ctx, chromedp.Click(chromedp.CSS("#"+id))); err != nil {
		d.t.Fatalf("click %s: %v", id, err)
	}
}

// send types a message and sends it; it does not wait for the answer.
func (d *hybridDemo) send(text string) {
	d.t.Helper()
	d.waitFor(`!document.getElementById("send").disabled`)
	var before int
	d.eval(`document.querySelectorAll(".message").length`, &before)
	if err := chromedp.Do(d.ctx, chromedp.SendKeys(chromedp.CSS("#prompt"), text+"\r")); err != nil {
		d.t.Fatalf("type: %v", err)
	}
	d.waitFor(fmt.Sprintf(`document.querySelectorAll(".message").length === %d`, before+2))
}

// A shownAnswer is the last answer as the page shows it.
type shownAnswer struct{ Text, Where, Reason, Label, Draft string }

// answer waits until the last answer is complete.
func (d *hybridDemo) answer() (got shownAnswer) {
	d.t.Helper()
	d.waitFor(`!document.getElementById("send").disabled`)
	d.eval(`(() => {
		const m = [...document.querySelectorAll(".message.assistant")].pop();
		const label = m.querySelector(".where");
		return {text: m.querySelector(".text").textContent, where: label?.dataset.where, reason: label?.dataset.reason,
			label: label?.textContent, draft: m.querySelector(".draft s")?.textContent};
	})()`, &got)
	return got
}

func (d *hybridDemo) server() string { return "server:" + d.host }

// calls is the number of requests that reached the upstream.
func (d *hybridDemo) calls() int {
	bodies, _ := d.upstream.Seen()
	return len(bodies)
}

const dialogOpen = `document.getElementById("consent-dialog").open`

// The demo's promise: local sends nothing, asking asks, a draft is replaced
// visibly, every answer says who gave it, and revoking ends it.
func TestHybridDemo(t *testing.T) {
	d := openHybrid(t)
	d.send("Once upon a time")
	got := d.answer()
	if got.Where != "device" || got.Reason != "mode-local" || !strings.Contains(got.Label, "confidence 0.") || got.Text == "" || d.calls() != 0 {
		t.Fatalf("local: %+v, %d calls", got, d.calls())
	}

	// Everything is below the threshold of budget 1.
	d.set("budget", "1")
	d.set("mode", "ask")
	d.send("what is asked first")
	d.waitFor(dialogOpen)
	var title string
	d.eval(`document.getElementById("consent-title").textContent`, &title)
	if !strings.Contains(title, d.host) || d.calls() != 0 {
		t.Errorf("the dialog asks %q, %d calls before the answer", title, d.calls())
	}
	d.click("consent-no")
	if got := d.answer(); got.Where != "device" || got.Reason != "declined" || d.calls() != 0 {
		t.Errorf("declined: %+v, %d calls", got, d.calls())
	}
	d.send("what is asked next")
	d.waitFor(dialogOpen)
	d.click("consent-yes")
	got = d.answer()
	if got.Where != d.server() || got.Reason != "unsure" || got.Text != "what is asked next" || got.Draft == "" || !strings.Contains(got.Label, d.host) {
		t.Errorf("allowed: %+v, want it from %s", got, d.server())
	}
	bodies, _ := d.upstream.Seen()
	if len(bodies) != 1 || strings.Contains(bodies[0], "Once upon") || strings.Contains(bodies[0], "asked first") {
		t.Errorf("the server saw %q, want the last message only", bodies)
	}

	d.set("mode", "server")
	d.set("server-model", "slow-20")
	d.send("count")
	d.waitFor(`(() => { const n = [...document.querySelectorAll(".message.assistant .text")].pop().textContent.length; return n > 3 && n < 50; })()`) // streams
	if got := d.answer(); got.Where != d.server() || got.Reason != "mode-server" || got.Text != strings.Join(suite.Numbers(20), "") || got.Draft != "" {
		t.Errorf("server: %+v", got)
	}
	d.set("mode", "hybrid")
	d.set("server-model", "cut-3")
	d.send("a server that dies")
	if got := d.answer(); got.Where != "device" || got.Reason != "server-failed" || got.Draft == "" || got.Text == "" {
		t.Errorf("cut: %+v", got)
	}

	d.set("server-model", "echo")
	d.click("revoke")
	before := d.calls()
	d.send("after revoking")
	if got := d.answer(); got.Where != "device" || got.Reason != "no-consent" || d.calls() != before {
		t.Errorf("revoked: %+v, %d calls, %d before", got, d.calls(), before)
	}
	// The key is not kept, and consent is recorded.
	var kept string
	d.eval(`JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage})`, &kept)
	if strings.Contains(kept, suite.Token) || !strings.Contains(kept, "revoked_ms") {
		t.Errorf("kept: %s", kept)
	}
	d.click("clear") // deletes everything
	d.waitFor(`document.getElementById("consent").textContent.startsWith("No server is given")`)
	d.eval(`JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage})`, &kept)
	if strings.Contains(kept, d.host) {
		t.Errorf("kept after everything was deleted: %s", kept)
	}
}

// Moving the budget to the right moves the mark to the right and never lowers
// the threshold.
func TestHybridDemoBudget(t *testing.T) {
	tb := openTab(t, demoServer(t, true).URL)
	tb.waitFor(`document.getElementById("mark") !== null`)
	var at []struct{ X, Threshold, Budget float64 }
	tb.eval(`Array.from({length: 21}, (_, i) => {
		const slider = document.getElementById("budget");
		slider.value = i / 20;
		slider.dispatchEvent(new Event("input"));
		return {x: Number(document.getElementById("mark").getAttribute("cx")),
			threshold: Number(document.getElementById("threshold").textContent),
			budget: parseFloat(document.getElementById("budget-value").textContent)};
	})`, &at)
	for i, p := range at {
		if p.Budget != float64(5*i) {
			t.Errorf("budget at step %d is %v", i, p.Budget)
		}
		if i > 0 && (p.X <= at[i-1].X || p.Threshold < at[i-1].Threshold) {
			t.Errorf("from %+v to %+v", at[i-1], p)
		}
	}
	if at[0].Threshold != 0 || at[20].Threshold != 1 {
		t.Errorf("thresholds from %v to %v", at[0].Threshold, at[20].Threshold)
	}
}

// A calibration on the user's own questions sends nothing, sets the threshold that the
// budget asks for, and is forgotten with the adapters it was made for.
func TestHybridDemoCalibrate(t *testing.T) {
	d := openHybrid(t)
	d.set("budget", "0.5")
	planted := d.text("threshold")
	d.click("calibrate-run")
	d.waitFor(`document.getElementById("calibrate-state").textContent.startsWith("Write at least two")`)
	d.set("questions", "Once upon a time\n\n  What is the routing number of my bank?\nLily went to the park with her mom.\nderivative ( of 17 enzymes ;\n")
	d.click("calibrate-run")
	d.waitFor(`document.getElementById("calibrated").textContent.startsWith("Calibrated on your questions")`)
	for budget, want := range map[string]string{"0": "sends 0 of your 4", "0.25": "sends 1 of your 4", "0.5": "sends 2 of your 4", "1": "sends 4 of your 4"} {
		d.set("budget", budget)
		if shown := d.text("expected"); !strings.Contains(shown, want) {
			t.Errorf("budget %s: %q, want %q", budget, shown, want)
		}
	}
	d.set("budget", "0.5")
	if d.calls() != 0 {
		t.Errorf("%d requests reached the server", d.calls())
	}
	// The threshold is what routes.
	threshold, err := strconv.ParseFloat(d.text("threshold"), 64)
	if err != nil {
		t.Fatal(err)
	}
	d.set("mode", "hybrid")
	d.waitFor(dialogOpen)
	d.click("consent-yes")
	d.send("Once upon a time")
	got := d.answer()
	_, after, _ := strings.Cut(got.Label, "confidence ")
	var confidence float64
	if _, err := fmt.Sscanf(after, "%f", &confidence); err != nil || (got.Where == "device") != (confidence >= threshold) {
		t.Errorf("threshold %v: %+v", threshold, got)
	}

	// Customised, scope is known; the calibration was for the model without.
	d.set("samples", "please freeze my account\nfreeze my bank account\ni want to freeze my account\nfreeze my savings account now\ncan you freeze my account")
	d.click("customize-run")
	d.waitFor(`document.getElementById("calibrated").textContent.startsWith("Calibrated on a planted task")`)
	if shown := d.text("threshold"); shown != planted {
		t.Errorf("threshold %s, was %s before", shown, planted)
	}
	d.set("budget", "0")
	d.send("Sing!")
	if got := d.answer(); got.Where != d.server() || got.Reason != "out-of-scope" || got.Draft != "" || !strings.Contains(got.Label, "scope ") {
		t.Errorf("unlike the samples: %+v", got)
	}
	d.send("please freeze my bank account")
	if got := d.answer(); got.Where != "device" || got.Reason != "confident" || !strings.Contains(got.Label, "scope ") {
		t.Errorf("like the samples: %+v", got)
	}
}

// text is what an element of the page says.
func (d *hybridDemo) text(id string) (text string) {
	d.t.Helper()
	d.eval(fmt.Sprintf(`document.getElementById(%q).textContent`, id), &text)
	return text
}

// The keyboard alone opens the section, and Escape in the dialog means no.
func TestHybridDemoKeyboard(t *testing.T) {
	d := openHybrid(t)
	d.set("budget", "1")
	d.set("mode", "ask")
	d.send("keyboard")
	d.waitFor(dialogOpen + ` && document.activeElement.id === "consent-no"`)
	if err := chromedp.Do(d.ctx, chromedp.KeyEvent("\x1b")); err != nil {
		t.Fatal(err)
	}
	if got := d.answer(); got.Reason != "declined" || d.calls() != 0 {
		t.Errorf("Escape: %+v, %d calls", got, d.calls())
	}
}

// TestHybridDemoScreenshots draws the section in both themes, and writes
// docs/hybrid-light.png and docs/hybrid-dark.png when PASTEL_SCREENSHOTS names the folder.
func TestHybridDemoScreenshots(t *testing.T) {
	d := openHybrid(t)
	d.set("budget", "0.4")
	d.set("mode", "hybrid")
	d.waitFor(dialogOpen)
	d.click("consent-yes")
	d.send("Once upon a time")
	d.answer()
	d.set("budget", "1")
	d.send("The quarterly revenue of seventeen enzymes is what the server knows.")
	d.answer()
	d.set("budget", "0.4")
	if _, err := chromedp.Run(d.ctx, screenshot("light", 1280, 860)); err != nil { // the page's size comes with it
		t.Fatal(err)
	}
	d.eval(`document.getElementById("plot").scrollIntoView({block: "end"})`, nil)
	images := map[string]string{}
	for _, theme := range []string{"light", "dark"} {
		png, err := chromedp.Run(d.ctx, screenshot(theme, 1280, 860))
		if err != nil {
			t.Fatal(err)
		}
		images[theme] = string(png)
		if dir := os.Getenv("PASTEL_SCREENSHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "hybrid-"+theme+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if images["light"] == images["dark"] {
		t.Error("light and dark look the same")
	}
	d.set("questions", "Once upon a time\nThe dog ran to the park.\nThe quarterly revenue of seventeen enzymes\nLily went to the park with her mom.\nwill it rain tomorrow?")
	d.click("calibrate-run")
	d.waitFor(`document.getElementById("calibrated").textContent.startsWith("Calibrated on your questions")`)
	d.eval(`document.getElementById("calibrate").scrollIntoView({block: "end"})`, nil)
	png, err := chromedp.Run(d.ctx, screenshot("light", 1280, 860))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("PASTEL_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "hybrid-calibrated.png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
