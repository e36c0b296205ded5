package browser

import (
	"strings"
	"testing"
)

var samples = []string{"transfer ten dollars to my savings account", "what is my bank balance", "pay my electricity bill"}

// pickSample adds a sample from a page's menu and waits until the panel shows it: else it comes in behind those
// that are typed next.
func pickSample(x *installed, tb *tab) {
	tb.t.Helper()
	x.click("sample", samples[0], 7)
	tb.waitFor(`document.getElementById("samples").value !== ""`)
}

// teachPanel teaches a style with three typed samples.
func teachPanel(tb *tab) {
	tb.t.Helper()
	change(tb, "samples", strings.Join(samples, "\n"))
	tb.eval(`document.getElementById("teach").click()`, nil)
	tb.waitFor(`document.getElementById("style-state").textContent.startsWith("Learned from 3 samples")`)
}

// TestExtensionStyle teaches a style: answers change from then on, and come back when it is switched off or forgotten.
func TestExtensionStyle(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	cold(tb, 60)
	plain := askPanel(tb, "what is")
	pickSample(x, tb)
	teachPanel(tb)
	styled := askPanel(tb, "what is")
	if styled.State != "done" || styled.Text == plain.Text {
		t.Errorf("in my style %q, plain %q", styled.Text, plain.Text)
	}
	t.Logf("plain %q\nin my style %q", plain.Text, styled.Text)
	t.Run("switched off", func(t *testing.T) {
		tb.eval(`document.getElementById("style-on").click()`, nil)
		if got := askPanel(tb, "what is"); got.Text != plain.Text {
			t.Errorf("answer = %q, want %q", got.Text, plain.Text)
		}
		tb.eval(`document.getElementById("style-on").click()`, nil)
	})
	t.Run("forgotten", func(t *testing.T) {
		tb.eval(`document.getElementById("forget").click()`, nil)
		tb.waitFor(`document.getElementById("style-state").textContent === "Nothing learned yet."`)
		if got := askPanel(tb, "what is"); got.Text != plain.Text {
			t.Errorf("answer = %q, want %q", got.Text, plain.Text)
		}
	})
}

// TestExtensionStyleAfterRestart restarts the browser: answers are still given in the taught style, and say so.
func TestExtensionStyleAfterRestart(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	cold(tb, 60)
	plain := askPanel(tb, "what is")
	teachPanel(tb)
	styled := askPanel(tb, "what is")
	if styled.Text == plain.Text || !strings.Contains(styled.Foot, "in your style") || strings.Contains(plain.Foot, "in your style") {
		t.Fatalf("in my style %+v, plain %+v", styled, plain)
	}
	x.close()
	x.start()
	if got := askPanel(x.panel(7), "what is"); got.Text != styled.Text || !strings.Contains(got.Foot, "in your style") {
		t.Errorf("after the restart %+v, want %+v", got, styled)
	}
}

// TestExtensionSample adds a sample from a page's menu while the panel is open: the panel shows it as one line below
// what is written there.
func TestExtensionSample(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	change(tb, "samples", samples[0])
	x.click("sample", "what is\n  my balance", 7)
	tb.waitFor(`document.getElementById("samples").value.split("\n").length === 2`)
	var got string
	if tb.eval(`document.getElementById("samples").value`, &got); got != samples[0]+"\nwhat is my balance" {
		t.Errorf("samples %q", got)
	}
}
