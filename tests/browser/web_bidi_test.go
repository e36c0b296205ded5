package browser

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A firefox is a headless Firefox driven over WebDriver BiDi: the twenty lines of
// the protocol (https://w3c.github.io/webdriver-bidi/) that the smoke test needs,
// over a WebSocket (RFC 6455) of our own, because the agent inside Firefox speaks
// BiDi itself and needs no driver beside it.
type firefox struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	last    int
	context string
}

// quietPrefs keep Firefox from calling home.
const quietPrefs = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#none");
user_pref("extensions.webextensions.uuids", "{\"pastel@pastel.example\":\"5a5e1000-0000-4000-8000-000000000001\"}");
`

// startFirefox starts Firefox and opens its first tab. It ends with the test.
func startFirefox(t *testing.T, flags ...string) *firefox {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		t.Fatal("no firefox-esr in PATH: on Debian, apt-get install firefox-esr")
	}
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(quietPrefs), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, append(flags, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0")...)
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start firefox: %v", err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	f := &firefox{t: t}
	f.connect(readAddress(t, output))
	f.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	var tree struct {
		Contexts []struct{ Context string }
	}
	f.call("browsingContext.getTree", map[string]any{}, &tree)
	f.context = tree.Contexts[0].Context
	return f
}

// readAddress reads Firefox's output up to the line that names its agent.
func readAddress(t *testing.T, output io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		listening := regexp.MustCompile(`WebDriver BiDi listening on ws://(\S+)`)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case address := <-found:
		return address
	case <-time.After(60 * time.Second):
		t.Fatal("firefox did not say where it listens")
		return ""
	}
}

func (f *firefox) connect(address string) {
	f.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		f.t.Fatalf("connect to firefox: %v", err)
	}
	f.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(3 * time.Minute))
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	fmt.Fprintf(conn, "GET /session HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		address, base64.StdEncoding.EncodeToString(key))
	f.conn, f.r = conn, bufio.NewReader(conn)
	response, err := http.ReadResponse(f.r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		f.t.Fatalf("connect to firefox: %v, %v", response, err)
	}
}

// call sends a command and decodes its result.
func (f *firefox) call(method string, params, result any) {
	f.t.Helper()
	f.last++
	text, err := json.Marshal(map[string]any{"id": f.last, "method": method, "params": params})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.send(text); err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	for {
		var reply struct {
			ID             int
			Type           string
			Error, Message string
			Result         json.RawMessage
		}
		text, err := f.receive()
		if err == nil {
			err = json.Unmarshal(text, &reply)
		}
		switch {
		case err != nil:
			f.t.Fatalf("%s: %v", method, err)
		case reply.ID != f.last: // an event
			continue
		case reply.Type == "error":
			f.t.Fatalf("%s: %s: %s", method, reply.Error, reply.Message)
		case result != nil:
			if err := json.Unmarshal(reply.Result, result); err != nil {
				f.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

func (f *firefox) goTo(url string) {
	f.t.Helper()
	f.call("browsingContext.navigate", map[string]any{"context": f.context, "url": url, "wait": "complete"}, nil)
}

// eval evaluates a JavaScript expression, awaits it, and decodes its JSON value into dst.
func (f *firefox) eval(expression string, dst any) {
	f.t.Helper()
	var result struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	f.call("script.evaluate", map[string]any{
		"expression":   "(async () => JSON.stringify(await (" + expression + ")) ?? 'null')()",
		"target":       map[string]any{"context": f.context},
		"awaitPromise": true,
	}, &result)
	if result.Type != "success" {
		f.t.Fatalf("eval %.120s: %s", expression, result.ExceptionDetails.Text)
	}
	if dst == nil {
		return
	}
	if err := json.Unmarshal([]byte(result.Result.Value), dst); err != nil {
		f.t.Fatalf("eval %.120s: %v", expression, err)
	}
}

// send writes one text frame. Clients must mask (section 5.3), and Firefox wants more than zeros.
func (f *firefox) send(text []byte) error {
	frame := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	frame = append(frame, mask[:]...)
	for i, b := range text {
		frame = append(frame, b^mask[i%4])
	}
	_, err := f.conn.Write(frame)
	return err
}

// receive reads one message of one or more frames, and steps over pings.
func (f *firefox) receive() ([]byte, error) {
	var message []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return nil, err
		}
		n, err := f.frameLength(head[1])
		if err != nil {
			return nil, err
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(f.r, payload); err != nil {
			return nil, err
		}
		switch opcode := head[0] & 15; {
		case opcode == 8:
			return nil, errors.New("firefox closed the connection: " + strings.ToValidUTF8(string(payload), "?"))
		case opcode > 8:
			continue
		}
		message = append(message, payload...)
		if head[0]&0x80 != 0 {
			return message, nil
		}
	}
}

func (f *firefox) frameLength(b byte) (uint64, error) {
	var buf [8]byte
	switch n := b & 127; n {
	case 126:
		_, err := io.ReadFull(f.r, buf[6:])
		return binary.BigEndian.Uint64(buf[:]), err
	case 127:
		_, err := io.ReadFull(f.r, buf[:])
		return binary.BigEndian.Uint64(buf[:]), err
	default:
		return uint64(n), nil
	}
}
