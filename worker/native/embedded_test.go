package native

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pastel/fault"
	"pastel/worker"
	"pastel/worker/suite"
)

// parrot is an engine that says the last message back, word by word.
type parrot struct{ stopped chan struct{} }

func (p parrot) Answer(ctx context.Context, q worker.Question, emit func(string) error) (worker.Outcome, error) {
	words := strings.SplitAfter(q.Messages[len(q.Messages)-1].Content, " ")
	out := worker.Outcome{Finish: "stop", PromptTokens: 3}
	for i := 0; i < len(words) || q.Temperature == 0; i++ { // greedy: for ever
		if out.CompletionTokens == q.MaxTokens && q.Temperature > 0 {
			out.Finish = "length"
			break
		}
		if err := emit(words[i%len(words)]); err != nil {
			close(p.stopped)
			return out, err
		}
		out.CompletionTokens++
	}
	return out, ctx.Err()
}

func TestEmbeddedEngine(t *testing.T) {
	engine := parrot{make(chan struct{})}
	h := startWith(t, suite.DefaultSettings(), "", func(c *worker.Config) {
		c.Backends = append(c.Backends, &worker.Embedded{ID: "engine", Serves: []string{"local"}, Engine: engine})
	})
	r := h.Chat(t, "local", "one two three", false)
	var got struct {
		Object  string
		Choices []struct {
			Message struct{ Role, Content string }
			Finish  string `json:"finish_reason"`
		}
		Usage map[string]int
	}
	if json.Unmarshal([]byte(r.Body), &got) != nil || got.Object != "chat.completion" || got.Choices[0].Message.Content != "one two three" ||
		got.Choices[0].Message.Role != "assistant" || got.Choices[0].Finish != "stop" || got.Usage["total_tokens"] != 6 {
		t.Errorf("answer = %s", r.Body)
	}
	s := suite.ParseStream(t, h.Chat(t, "local", "grüße 東京 🎨", true).Body)
	if s.Text != "grüße 東京 🎨" || !s.Done {
		t.Errorf("stream = %+v", s)
	}
	short := strings.Replace(suite.ChatBody("local", "a b c d", true), `{`, `{"max_tokens":2,`, 1)
	s = suite.ParseStream(t, h.Do(t, "POST", "/v1/chat/completions", short, nil).Body)
	if last, _ := json.Marshal(s.Chunks[len(s.Chunks)-1]); s.Text != "a b " || !strings.Contains(string(last), `"finish_reason":"length"`) {
		t.Errorf("cut short = %q, %s", s.Text, last)
	}
	// A client that leaves stops the engine.
	ctx, leave := context.WithCancel(context.Background())
	resp := h.Open(t, ctx, "POST", "/v1/chat/completions", strings.Replace(suite.ChatBody("local", "x", true), `{`, `{"temperature":0,`, 1), nil)
	leave()
	resp.Body.Close()
	select {
	case <-engine.stopped:
	case <-time.After(time.Second):
		t.Error("the engine goes on")
	}
}

// sumBlend is a real, small blender: adapters are float32 vectors, and the
// blend is their sum weighted by the scores.
type sumBlend struct{}

func (sumBlend) Blend(_ context.Context, manifest []byte, open worker.Opener, scores []float32) ([]byte, error) {
	var m struct{ Adapters []struct{ File string } }
	if err := json.Unmarshal(manifest, &m); err != nil || len(m.Adapters) != len(scores) {
		return nil, fault.New(fault.BadRequest, "blend: ", len(scores), " scores for ", len(m.Adapters), " adapters")
	}
	var sum []float32
	for i, a := range m.Adapters {
		f, err := open(a.File)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum = make([]float32, len(raw)/4)
		}
		for j := range sum {
			sum[j] += scores[i] * math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
		}
	}
	return binary.Append(nil, binary.LittleEndian, sum)
}

func TestBlend(t *testing.T) {
	dir := suite.PoolDir(t, map[string]string{
		"p/pool.json": `{"adapters":[{"file":"a"},{"file":"b"}]}`,
		"p/a":         "\x00\x00\x80\x3f\x00\x00\x00\x40", // 1, 2
		"p/b":         "\x00\x00\x40\x40\x00\x00\x80\x40", // 3, 4
	})
	h := startWith(t, suite.DefaultSettings(), dir, func(c *worker.Config) { c.Blender = sumBlend{} })
	blend := func(body string) suite.Reply {
		return h.Do(t, http.MethodPost, "/v1/pools/p/blend", body, nil)
	}
	want, _ := binary.Append(nil, binary.LittleEndian, []float32{0.5*1 + 2*3, 0.5*2 + 2*4})
	if r := blend(`{"scores":[0.5,2]}`); r.Status != 200 || r.Body != string(want) || r.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("blend = %+v, want %x", r, want)
	}
	for name, body := range map[string]string{
		"too few scores":    `{"scores":[1]}`,
		"no scores":         `{"scores":[]}`,
		"not finite":        `{"scores":[1e999,1]}`,
		"text":              `{"scores":["1",1]}`,
		"more than numbers": `{"scores":[1,1],"prompt":"secret"}`,
		"two objects":       `{"scores":[1,1]}{}`,
		"too many":          `{"scores":[` + strings.Repeat("1,", 5000) + `1]}`,
	} {
		if r := blend(body); r.Status != 400 || r.Code() != "ERR_BAD_REQUEST" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	if r := h.Do(t, http.MethodPost, "/v1/pools/other/blend", `{"scores":[1]}`, nil); r.Status != 404 {
		t.Errorf("unknown pool: %d", r.Status)
	}
}

// A client that stops reading does not hold a backend for ever.
func TestSlowReader(t *testing.T) {
	u := suite.NewUpstream(t)
	s := suite.DefaultSettings(u.Serving("a", "count-1000000"))
	s.Limits.Idle = worker.Duration{Duration: 500 * time.Millisecond}
	h := start(t, s, "")
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(4096)
	body := suite.ChatBody("count-1000000", "x", true)
	io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "+
		suite.Token+"\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
	if !u.WaitGone(20 * time.Second) {
		t.Error("the upstream still streams to a client that does not read")
	}
}

func itoa(n int) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}
