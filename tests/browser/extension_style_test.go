package browser

import (
	"strings"
	"testing"
)

var samples = []string{"transfer ten dollars to my savings account", "what is my bank balance", "pay my electricity bill"}

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
	x.click("sample", samples[0], 7)
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
