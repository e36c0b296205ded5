package bench

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Machine says where and when figures were measured.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	OS      string `json:"os"`
	Go      string `json:"go"`
	Browser string `json:"browser,omitempty"`
	Date    string `json:"date"` // UTC
}

// ThisMachine describes the machine this process runs on.
func ThisMachine() Machine {
	return Machine{
		CPU: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Date: time.Now().UTC().Format("2006-01-02 15:04"),
	}
}

// procField returns the value of a "key : value" line, or "" where there is no such file.
func procField(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// procBytes is procField for "n kB".
func procBytes(path, key string) uint64 {
	n, _, _ := strings.Cut(procField(path, key), " ")
	kB, _ := strconv.ParseUint(n, 10, 64) // 0 where /proc does not tell
	return kB << 10
}

// resetPeak makes the process's peak resident set start anew. Linux only; elsewhere
// the peak is 0.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakSelf is the process's peak resident set since resetPeak.
func peakSelf() uint64 { return procBytes("/proc/self/status", "VmHWM") }

// peakRenderer is the peak resident set of the largest renderer process of the
// Chromium whose profile is dir.
func peakRenderer(dir string) (peak uint64) {
	entries, _ := os.ReadDir("/proc")
	parents := map[string]string{}
	root := ""
	var renderers []string
	for _, e := range entries {
		cmd, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil || e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		parents[e.Name()] = procField("/proc/"+e.Name()+"/status", "PPid")
		switch text := string(cmd); {
		case strings.Contains(text, "--type=renderer"):
			renderers = append(renderers, e.Name())
		case strings.Contains(text, dir) && !strings.Contains(text, "--type="):
			root = e.Name()
		}
	}
	for _, pid := range renderers {
		if descends(parents, pid, root) {
			peak = max(peak, procBytes("/proc/"+pid+"/status", "VmHWM"))
		}
	}
	return peak
}

func descends(parents map[string]string, pid, root string) bool {
	for range 8 {
		if pid == root {
			return root != ""
		}
		pid = parents[pid]
	}
	return false
}
