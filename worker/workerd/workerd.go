// Package workerd runs the edge server in the real runtime of Cloudflare Workers,
// for tests: it builds the worker, fetches the runtime with npm once, and starts
// it on loopback. It must not know what the tests check.
package workerd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"text/template"
	"time"

	"pastel/worker"
	"pastel/worker/npm"
	"pastel/worker/suite"
)

// Version is pinned: the npm package of the runtime.
const Version = "1.20261117.1"

// binary returns the runtime's path: $PASTEL_WORKERD, or from npm.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PASTEL_WORKERD"); path != "" {
		return path, nil
	}
	arch := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	dir, err := npm.Fetch("@cloudflare/workerd-"+runtime.GOOS+"-"+arch, Version)
	if err != nil {
		return "", fmt.Errorf("no workerd: %w; or set PASTEL_WORKERD to a workerd binary", err)
	}
	return filepath.Join(dir, "bin", "workerd"), nil
})

// build builds the worker as `make worker` does and returns its files.
var build = sync.OnceValues(func() (fs.FS, error) {
	dir, err := os.MkdirTemp("", "pastel-worker-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out, err := exec.Command("go", "run", "pastel/worker/cloudflare/build", dir).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	entries, err := os.ReadDir(dir)
	files := fstest.MapFS{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	return files, err
})

// config is workerd's: the worker with its bindings, on a free port of loopback,
// with no network but loopback.
var config = template.Must(template.New("config").Parse(`
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      compatibilityDate = "2026-11-01",
      modules = [
        (name = "entry.mjs", esModule = embed "build/entry.mjs"),
        (name = "worker.mjs", esModule = embed "build/worker.mjs"),
        (name = "runtime.mjs", esModule = embed "build/runtime.mjs"),
        (name = "wasm_exec.js", esModule = embed "build/wasm_exec.js"),
        (name = "state.mjs", esModule = embed "build/state.mjs"),
        (name = "app.wasm", wasm = embed "build/app.wasm"),
      ],
      bindings = [
        (name = "PASTEL_SETTINGS", text = embed "settings.json"),
        (name = "STATE", durableObjectNamespace = "State"),
        {{if .Pools}}(name = "POOLS", service = "pools"),{{end}}
      ],
      durableObjectNamespaces = [(className = "State", uniqueKey = "pastel-state")],
      durableObjectStorage = (inMemory = void),
      globalOutbound = "loopback",
    )),
    (name = "loopback", network = (allow = ["local"])),
    {{if .Pools}}(name = "pools", disk = (path = "{{.Pools}}")),{{end}}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "edge")],
);
`))

// A Process is a running workerd.
type Process struct {
	suite.Host
	cmd  *exec.Cmd
	once sync.Once
}

// PID is the process's id, for measurements.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Start starts workerd and waits until it listens. It stops with the test.
//
// Errors: fail the test; without npm and $PASTEL_WORKERD the message says how to
// get the runtime.
func Start(t testing.TB, s worker.Settings, pools string) *Process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var text bytes.Buffer
	if err := config.Execute(&text, map[string]string{"Pools": pools}); err != nil {
		t.Fatal(err)
	}
	// embed takes paths below the config only.
	if err := os.CopyFS(filepath.Join(dir, "build"), built); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"config.capnp": text.Bytes(), "settings.json": settings} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return run(t, exec.Command(path, "serve", "--control-fd=3", filepath.Join(dir, "config.capnp")))
}

func run(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var logs lockedBuffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{write}, &logs, &logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	p := &Process{cmd: cmd, Host: suite.Host{Logs: logs.String}}
	t.Cleanup(func() {
		p.Stop()
		_ = read.Close()
	})
	port := make(chan int, 1)
	go func() {
		var listening struct{ Port int }
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if json.Unmarshal(lines.Bytes(), &listening) == nil && listening.Port > 0 {
				port <- listening.Port
			}
		}
		close(port) // it ended
	}()
	select {
	case n, ok := <-port:
		if ok {
			p.URL = fmt.Sprintf("http://127.0.0.1:%d", n)
			return p
		}
	case <-time.After(30 * time.Second):
	}
	t.Fatalf("workerd does not listen:\n%s", logs.String())
	return nil
}

// Stop ends the process.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
}

// A lockedBuffer collects output.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
