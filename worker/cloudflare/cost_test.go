package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pastel/worker"
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

// What a ping costs: the CPU of requests whose upstream is silent for two seconds,
// with and without pings meanwhile.
func TestCostOfPings(t *testing.T) {
	u := suite.NewUpstream(t)
	const n, pings = 20, 19
	each := map[time.Duration]time.Duration{}
	for _, ping := range []time.Duration{time.Minute, 100 * time.Millisecond} {
		s := suite.DefaultSettings(u.Serving("a", "late-2000"))
		s.Limits.Ping = worker.Duration{Duration: ping}
		p := workerd.Start(t, s, "")
		p.Chat(t, "late-2000", "x", false) // compiles the module
		before := cpu(t, p.PID())
		var all sync.WaitGroup
		for range n {
			all.Go(func() { p.Chat(t, "late-2000", "x", false) })
		}
		all.Wait()
		each[ping] = (cpu(t, p.PID()) - before) / n
		p.Stop()
	}
	t.Logf("CPU of a request: %v, with %d pings %v", each[time.Minute], pings, each[100*time.Millisecond])
	if each[100*time.Millisecond] > each[time.Minute]+500*time.Millisecond {
		t.Error("pings cost too much")
	}
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
