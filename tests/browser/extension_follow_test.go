package browser

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// chatServer serves the small model with a chat template, as a hub does.
func chatServer(t *testing.T) string {
	t.Helper()
	const template = `{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}assistant:`
	f := &modelFile{content: withTemplate(t, readTestdata(t, "models/stories260K-F16.gguf"), template), etag: `"c"`}
	mux := http.NewServeMux()
	mux.Handle("/chat.gguf", f)
	s := newOrigin(mux)
	t.Cleanup(s.Close)
	return s.URL + "/chat.gguf"
}

// turns are the messages of one request.
type turns []struct{ Role, Content string }

func (b *bigModel) conversation(t *testing.T) turns {
	t.Helper()
	sent := b.requests()
	if len(sent) != 1 {
		t.Fatalf("%d requests, want 1", len(sent))
	}
	var body struct{ Messages turns }
	if err := json.Unmarshal([]byte(sent[0]), &body); err != nil {
		t.Fatal(err)
	}
	return body.Messages
}

func (m turns) roles() string {
	var all []string
	for _, turn := range m {
		all = append(all, turn.Role)
	}
	return strings.Join(all, " ")
}

// TestExtensionFollowUp asks on after an answer: the turns before it go along, the selected text still between its marks,
// until the user begins anew or asks about another selection. A server gets them only where the user agreed to that.
func TestExtensionFollowUp(t *testing.T) {
	x := installExtension(t)
	big := newBigModel(t)
	tb := x.panel(7)
	cold(tb, 20)
	const shown = `!document.getElementById("follows").hidden`
	var offered bool
	askPanel(tb, "Once upon a time")
	if tb.eval(shown, &offered); offered {
		t.Error("the bundled model, which only continues a text, offers to go on from an answer")
	}
	use(tb, chatServer(t))
	serverSettings(tb, big.URL+"/v1", "server", 1)
	selected := func(text string, n int) {
		t.Helper()
		x.click("summarise", text, 7)
		tb.waitFor(`document.querySelectorAll("#log > li").length === ` + strconv.Itoa(n))
		endOfLast(tb)
	}
	agree := func(extent string) {
		t.Helper()
		change(tb, "extent", extent)
		serverSettings(tb, big.URL+"/v1", "server", 1)
		tb.eval(`document.querySelector("#consent button").click()`, nil)
	}
	agree("conversation")
	selected("Lily had a ball.", 2)
	if got := big.conversation(t); got.roles() != "system user" {
		t.Errorf("a selection: %v", got)
	}
	tb.waitFor(shown)
	askPanel(tb, "Whose ball?")
	got := big.conversation(t)
	if got.roles() != "system user assistant user" || got[2].Content != bigAnswer || got[3].Content != "Whose ball?" {
		t.Fatalf("a follow-up: %v", got)
	}
	mark, _, _ := strings.Cut(got[1].Content[strings.Index(got[1].Content, "<text-"):], "\n")
	if !strings.Contains(got[0].Content, mark) || !strings.Contains(got[1].Content, mark+"\nLily had a ball.\n</") {
		t.Errorf("the selection is not between the marks that the system message names: %v", got)
	}
	askPanel(tb, "And then?")
	if got := big.conversation(t); got.roles() != "system user assistant user assistant user" {
		t.Errorf("the next follow-up: %v", got)
	}
	selected("Tom had a cat.", 5)
	if got := big.conversation(t); got.roles() != "system user" || strings.Contains(got[1].Content, "Lily") {
		t.Errorf("another selection: %v", got)
	}
	tb.waitFor(shown)
	if err := chromedp.Do(tb.ctx, chromedp.Click(chromedp.CSS("#anew"))); err != nil {
		t.Fatal(err)
	}
	askPanel(tb, "Who are you?")
	if got := big.conversation(t); got.roles() != "user" {
		t.Errorf("begun anew: %v", got)
	}

	tb.eval(`document.querySelector("#consent button").click()`, nil) // takes it back
	agree("last-turn")
	askPanel(tb, "Really?")
	if got := big.conversation(t); got.roles() != "user" || got[0].Content != "Really?" {
		t.Errorf("with consent to the last turn only: %v", got)
	}

	serverSettings(tb, big.URL+"/v1", "local", 1)
	on := askPanel(tb, "Once upon a time")
	tb.waitFor(shown)
	tb.eval(`document.getElementById("anew").click()`, nil)
	anew := askPanel(tb, "Once upon a time")
	if on.State != "done" || anew.State != "done" || on.Text == anew.Text {
		t.Errorf("on the device, in a conversation %+v, anew %+v", on, anew)
	}
	if n := len(big.requests()); n != 0 {
		t.Errorf("%d requests sent", n)
	}
}
