//go:build vite

package browser

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The trial project: what somebody writes who installs the package and uses Vite.
var viteProject = map[string]string{
	"package.json": `{ "name": "trial", "private": true, "type": "module" }`,
	"index.html":   `<!doctype html><title>vite</title><link rel="icon" href="data:,"><script type="module" src="/main.ts"></script>`,
	"vite.config.js": `const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
export default { build: { target: "es2022" }, optimizeDeps: { exclude: ["pastel-llm"] }, server: { headers }, preview: { headers } };`,
	"main.ts": `import { type ChatCompletion, Engine } from "pastel-llm";
async function answer(): Promise<string> {
	const engine = await Engine.create({ model: "/stories.gguf" });
	const messages = [{ role: "user", content: "Once upon a time" }];
	const r: ChatCompletion = await engine.chat.completions.create({ messages, max_tokens: 20, temperature: 0 });
	return engine.state.threads + " threads" + r.choices[0]!.message.content;
}
Object.assign(window, { answer: answer() });`,
	"tsconfig.json": `{ "compilerOptions": { "strict": true, "target": "es2022", "module": "esnext", "moduleResolution": "bundler",
	"noEmit": true, "lib": ["es2024", "dom"], "types": [], "skipLibCheck": false }, "include": ["main.ts"] }`,
}

// TestWebVite installs the packed package with Vite, checks its types, and opens the
// built page and the development server's. It needs npm and `make web`:
//
//	go test -tags vite ./tests/browser -run WebVite
func TestWebVite(t *testing.T) {
	dir := t.TempDir()
	for name, text := range viteProject {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	model := readTestdata(t, "models/stories260K-F16.gguf")
	if err := os.WriteFile(filepath.Join(dir, "public/stories.gguf"), model, 0o644); err != nil {
		t.Fatal(err)
	}
	runIn(t, "../../web/dist", "npm", "pack", "--pack-destination", dir)
	runIn(t, dir, "npm", "install", "--no-audit", "--no-fund", "./pastel-llm-0.1.0.tgz", "vite@8.3.8", "typescript@7.0.2")
	runIn(t, dir, "npx", "tsc", "-p", ".")
	runIn(t, dir, "npx", "vite", "build")
	for _, tt := range []struct{ name, arg string }{{"built", "preview"}, {"development server", "dev"}} {
		t.Run(tt.name, func(t *testing.T) {
			tb := openTab(t, serveVite(t, dir, tt.arg))
			tb.waitFor("window.answer !== undefined")
			var got string
			tb.eval("answer", &got)
			t.Logf("%q", got)
			if got != "1 threads"+story && got != "2 threads"+story {
				t.Errorf("answer = %q", got)
			}
		})
	}
}

func runIn(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// serveVite starts one of Vite's servers and returns its address once it answers.
func serveVite(t *testing.T, dir, mode string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("node", "node_modules/vite/bin/vite.js", mode, "--host", "127.0.0.1", "--strictPort", "--port", fmt.Sprint(port))
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for range 100 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("vite %s does not answer", mode)
	return ""
}
