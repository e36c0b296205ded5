package browser

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// largeModel writes a model file of 1.2 GB: the shape of a billion-parameter model, random weights.
func largeModel(t *testing.T) (path string, nBytes int64) {
	t.Helper()
	config, err := testmodel.Shape("1b", tensor.Q8_0)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "large.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := config.Write(f); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return path, info.Size()
}

// TestWebLargeModel loads a model of more than a gigabyte, from the network and from
// storage, answers, and gives the memory back.
func TestWebLargeModel(t *testing.T) {
	began := time.Now()
	path, size := largeModel(t)
	t.Logf("generated %d bytes in %v", size, time.Since(began).Round(time.Millisecond))
	if size < 1_200_000_000 {
		t.Fatalf("the model has %d bytes, want 1.2 GB", size)
	}
	s := engineSite(t)
	s.mux.HandleFunc("/large.gguf", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	tb := openTab(t, s.URL)
	load := func(name string) {
		t.Helper()
		got := must[struct{ Download, Load, Answer float64 }](tb, `
			const times = {};
			const onProgress = ({ phase, ratio }) => {
				if (ratio === 0) times[phase] ??= -performance.now();
				if (ratio === 1 && times[phase] < 0) times[phase] += performance.now();
			};
			window.engine = await pastel.Engine.create({ model: "/large.gguf", contextLength: 128, onProgress });
			const t0 = performance.now();
			await engine.completions.create({ prompt: [5, 6, 7], max_tokens: 2 });
			return { ...times, answer: performance.now() - t0 };`)
		rate := func(ms float64) float64 { return float64(size) / 1e3 / ms }
		t.Logf("%s: download %.0f MB/s, storage to wasm memory %.0f MB/s, first answer after %.0f ms", name, rate(got.Download), rate(got.Load), got.Answer)
	}
	before := settled(t, 600<<20) // renderers of earlier tests go in their own time
	load("first time")
	loaded := rendererBytes(t)
	must[any](tb, `engine.close()`)
	closed := settled(t, loaded-before-size/2)
	t.Logf("renderers use %d MB before, %d MB loaded, %d MB after close", before>>20, loaded>>20, closed>>20)
	if closed-before > size/10 {
		t.Errorf("after close() %d MB more are in use than before", (closed-before)>>20)
	}
	load("from storage")
	if used := must[float64](tb, `engine.close(); return (await pastel.storageEstimate()).usedBytes`); used < float64(size) {
		t.Errorf("the store uses %v bytes", used)
	}
	must[any](tb, `await pastel.clearModels()`)
}

// settled waits until the renderers use less than limit, at most ten seconds.
func settled(t *testing.T, limit int64) (n int64) {
	for range 50 {
		if n = rendererBytes(t); n < limit {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	return n
}

// rendererBytes is the resident memory of all Chromium renderers that this process started.
func rendererBytes(t *testing.T) (sum int64) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	parents, resident := map[int]int{}, map[int]int{}
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		parents[pid] = statusField(dir, "PPid:")
		cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && bytes.Contains(cmdline, []byte("--type=renderer")) {
			resident[pid] = statusField(dir, "VmRSS:")
		}
	}
	for pid, kB := range resident {
		for pid > 1 && pid != os.Getpid() {
			pid = parents[pid]
		}
		if pid > 1 {
			sum += int64(kB) << 10
		}
	}
	return sum
}

// statusField reads a number from a process's status; 0 when the process is gone.
func statusField(dir, name string) (n int) {
	status, _ := os.ReadFile(filepath.Join(dir, "status"))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return n
}
