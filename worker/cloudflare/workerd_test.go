package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"pastel/worker"
	"pastel/worker/suite"
)

// workerdVersion is pinned: it is the runtime of Cloudflare Workers, from npm.
const workerdVersion = "1.20261117.1"

// cacheDir is ignored by git and survives between runs.
var cacheDir = filepath.Join("..", "..", ".cache", "worker")

// workerd returns the runtime's binary: $PASTEL_WORKERD, or from the cache, or
// fetched with npm once.
var workerd = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PASTEL_WORKERD"); path != "" {
		return path, nil
	}
	arch := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	dir, err := filepath.Abs(filepath.Join(cacheDir, "workerd-"+workerdVersion))
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "package", "bin", "workerd")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name := "@cloudflare/workerd-" + runtime.GOOS + "-" + arch + "@" + workerdVersion
	fetch := exec.Command("npm", "pack", "--silent", "--pack-destination", dir, name)
	tarball, err := fetch.Output()
	if err != nil {
		return "", fmt.Errorf("fetching %s with npm: %w\nThese tests need Cloudflare's workerd. Either install npm (Debian: apt-get install npm), "+
			"or set PASTEL_WORKERD to a workerd binary", name, err)
	}
	unpack := exec.Command("tar", "-xzf", filepath.Join(dir, strings.TrimSpace(string(tarball))), "-C", dir)
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking workerd: %w: %s", err, out)
	}
	return binary, nil
})

// build builds the worker as `make worker` does and returns its directory.
var build = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(filepath.Join(cacheDir, "build"))
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "run", "./build", dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	return dir, nil
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

// A process is a running workerd.
type process struct {
	suite.Host
	cmd    *exec.Cmd
	waited sync.Once
}

// launch starts workerd and waits until it listens.
func launch(t testing.TB, s worker.Settings, pools string) *process {
	t.Helper()
	binary, err := workerd()
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
	if err := os.CopyFS(filepath.Join(dir, "build"), os.DirFS(built)); err != nil {
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
	return run(t, exec.Command(binary, "serve", "--control-fd=3", filepath.Join(dir, "config.capnp")))
}

func run(t testing.TB, cmd *exec.Cmd) *process {
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
	write.Close()
	p := &process{cmd: cmd, Host: suite.Host{Logs: logs.String}}
	t.Cleanup(func() {
		p.stop()
		read.Close()
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

func (p *process) stop() {
	p.waited.Do(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
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

// The same suite as under net/http, in the runtime of Cloudflare Workers.
func TestSuite(t *testing.T) {
	suite.Run(t, func(t testing.TB, s worker.Settings, pools string) suite.Host { return launch(t, s, pools).Host })
}
