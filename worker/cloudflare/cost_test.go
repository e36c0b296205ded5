package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pastel/worker/suite"
	"pastel/worker/workerd"
)

// What a request costs on the platform: the first (which compiles the module)
// and the following, in time and in CPU of the whole process. Cloudflare bills
// and limits CPU; a module over 10 MB gzipped is refused.
func TestCostPerRequest(t *testing.T) {
	u := suite.NewUpstream(t)
	p := workerd.Start(t, suite.DefaultSettings(u.Serving("a", "count-20")), "")
	timed := func(f func()) time.Duration {
		began := time.Now()
		f()
		return time.Since(began)
	}
	cold := timed(func() { p.Do(t, "GET", "/healthz", "", nil) })
	const n = 50
	for name, f := range map[string]func(){
		"healthz":                    func() { p.Do(t, "GET", "/healthz", "", nil) },
		"streamed chat of 20 events": func() { p.Chat(t, "count-20", "x", true) },
	} {
		f()
		before := cpu(t, p.PID())
		took := make([]time.Duration, n)
		for i := range took {
			took[i] = timed(f)
		}
		slices.Sort(took)
		each := (cpu(t, p.PID()) - before) / n
		t.Logf("%s: p50 %v, CPU %v a request", name, took[n/2].Round(time.Millisecond/10), each)
		if each > 500*time.Millisecond {
			t.Errorf("%s: CPU %v a request", name, each)
		}
	}
	t.Logf("cold start: first request after %v", cold.Round(time.Millisecond))
}

// cpu is the CPU time a process has used: fields 14 and 15 of /proc/PID/stat, in
// ticks of 10 ms.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
