package browser

import (
	"strings"
	"testing"
)

// TestExtensionAnswers asks in the panel and by a click in a page's menu.
func TestExtensionAnswers(t *testing.T) {
	x := installExtension(t)
	tb := x.panel(7)
	cold(tb, 40)
	t.Run("typed question", func(t *testing.T) {
		if got := askPanel(tb, "Once upon a time"); got.State != "done" || !strings.HasPrefix(got.Text, story) || !strings.Contains(got.Foot, "on this device") {
			t.Errorf("answer = %+v, want %q", got, story)
		}
	})
	t.Run("the engine has threads", func(t *testing.T) {
		var isolated bool
		tb.eval(`crossOriginIsolated`, &isolated)
		var facts string
		tb.eval(`document.getElementById("facts").innerText`, &facts)
		if !isolated || strings.Contains(facts, "1 thread\n") {
			t.Errorf("isolated = %v, facts %q", isolated, facts)
		}
	})
	t.Run("summarise", func(t *testing.T) {
		x.click("summarise", "Once upon a time", 7)
		tb.waitFor(`document.querySelectorAll("#log > li").length === 2`)
		if got := endOfLast(tb); got.State != "done" || !strings.HasPrefix(got.Text, story) {
			t.Errorf("answer = %+v", got)
		}
	})
}
