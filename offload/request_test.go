package offload

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestRequestJSON(t *testing.T) {
	nasty := "quote \" back \\ newline \n nul \x00 del \x7f ls \u2028 emoji 🎨 bad \xff"
	r := Request{Model: "big", Messages: []Message{{"system", "s"}, {"user", nasty}}, MaxTokens: 7, Stream: true}
	var got struct {
		Model         string
		Messages      []Message
		MaxTokens     int `json:"max_tokens"`
		Stream        bool
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	d := json.NewDecoder(strings.NewReader(string(r.AppendJSON(nil))))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Model != "big" || got.MaxTokens != 7 || !got.Stream || !got.StreamOptions.IncludeUsage || len(got.Messages) != 2 {
		t.Errorf("decoded %+v", got)
	}
	if want := strings.ReplaceAll(nasty, "\xff", "\ufffd"); got.Messages[1].Content != want {
		t.Errorf("content = %q, want %q", got.Messages[1].Content, want)
	}
}

// What leaves the device for a blend is N numbers: no text, no embedding.
func TestScoresJSON(t *testing.T) {
	scores := []float32{0.5, -1, 1e-9, math.MaxFloat32}
	var got map[string][]float32
	if err := json.Unmarshal(AppendScores(nil, scores), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got["scores"]) != len(scores) {
		t.Fatalf("decoded %v", got)
	}
	for i, s := range scores {
		if got["scores"][i] != s {
			t.Errorf("score %d = %v, want %v", i, got["scores"][i], s)
		}
	}
}

func FuzzServerHost(f *testing.F) {
	for _, s := range []string{"https://a.example:8443/x", "http://[::1]:1", "https://a@b", "https://]:1", "https://[:1", "http://[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		host, err := ServerHost(url)
		if err != nil {
			return
		}
		// Canonical means: naming it again changes nothing.
		again, err := ServerHost("https://" + host)
		if err != nil || again != host && again+":443" != host {
			t.Errorf("ServerHost(%q) = %q, and of that %q, %v", url, host, again, err)
		}
	})
}
