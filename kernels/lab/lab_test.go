package lab

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"pastel/kernels"
	"pastel/kernels/program"
)

var (
	runFlag      = flag.String("lab.run", ".", "cases of the table, a regular expression")
	machinesFlag = flag.String("lab.machines", ".", "machines of the table, a regular expression")
	rivalFlag    = flag.String("lab.rival", "", "another build of the kernels to time beside the product's, a file")
	roundsFlag   = flag.Int("lab.rounds", 7, "rounds of every timing; the best counts")
	msFlag       = flag.Float64("lab.ms", 8, "milliseconds per timing and round")
	jsonFlag     = flag.String("lab.json", "", "file for the table as JSON")
)

// A Row is one line of the table.
type Row struct {
	Machine string  `json:"machine"`
	Case    string  `json:"case"`
	Rate    float64 `json:"rate"`
	Unit    string  `json:"unit"`
	OfLimit float64 `json:"ofLimit,omitempty"` // of the dot instruction's issue rate
	OfRead  float64 `json:"ofRead,omitempty"`  // of the memory read rate
	OfGo    float64 `json:"ofReference,omitempty"`
	ToRival float64 `json:"toRival,omitempty"` // speed divided by the rival's
}

// BenchmarkTable prints every kernel's speed on every machine beside the limits
// measured in the same run. Use -benchtime=1x.
func BenchmarkTable(b *testing.B) {
	browser := NewBrowser(b)
	suite := NewSuite()
	suite.choose(regexp.MustCompile(*runFlag))
	var rows []Row
	for b.Loop() {
		rows = rows[:0]
		reference := suite.reference()
		for _, m := range benchMachines(b, browser) {
			rows = append(rows, suite.measure(b, m.machine, m.flavour, m.threads, reference)...)
		}
	}
	fmt.Print("\n", render(rows)) // not b.Log, which cuts long texts
	if *jsonFlag != "" {
		text, _ := json.MarshalIndent(rows, "", "  ")
		if err := os.WriteFile(*jsonFlag, text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

type benchMachine struct {
	machine Machine
	flavour program.Flavour
	threads int
}

func benchMachines(b *testing.B, browser *Browser) (out []benchMachine) {
	want := regexp.MustCompile(*machinesFlag)
	for threads := 1; threads <= 2; threads++ {
		for _, f := range []program.Flavour{program.SIMD128, program.Relaxed} {
			m := check(browser.Machine(f, threads))
			if want.MatchString(m.Name()) {
				out = append(out, benchMachine{m, f, threads})
			}
		}
		name := fmt.Sprintf("wazero/simd128/threads=%d", threads)
		if want.MatchString(name) {
			w := check(NewWazero(threads, 6144))
			b.Cleanup(func() { w.Close() })
			out = append(out, benchMachine{w, program.SIMD128, threads})
		}
	}
	return out
}

// choose keeps the cases that match.
func (s *Suite) choose(want *regexp.Regexp) {
	s.cases = slices.DeleteFunc(s.cases, func(c Case) bool { return !want.MatchString(c.Name) })
}

// dotTurns is the number of turns per call of the dot probe: a tenth of a millisecond.
const dotTurns = 20_000

// measure times all cases on one machine, and the limits beside them.
func (s *Suite) measure(b *testing.B, m Machine, f program.Flavour, threads int, reference map[string]float64) (rows []Row) {
	product, dot := check(program.Build(f)), check(DotProbe(f))
	calls := []Call{{Name: "dot", Module: dot, A: dotTurns}}
	for _, c := range s.cases {
		calls = append(calls, Call{Name: c.Name, Module: product, A: uint32(c.Tape.Addr()), B: uint32(c.Tape.Len())})
	}
	var rival []byte
	if *rivalFlag != "" {
		rival = check(os.ReadFile(*rivalFlag))
		for _, c := range s.cases {
			calls = append(calls, Call{Name: "rival " + c.Name, Module: rival, A: uint32(c.Tape.Addr()), B: uint32(c.Tape.Len())})
		}
	}
	// alternate product and rival
	times, err := m.Time(&Contest{Spans: s.spans, Mem: s.mem, Calls: interleave(calls, len(s.cases), rival != nil), Rounds: *roundsFlag, MinMs: *msFlag})
	if err != nil {
		b.Fatal(m.Name(), ": ", err)
	}
	read := s.readRate(b, m)
	dotRate := dotTurns * DotMACs / best(times[0]) / 1e9 * float64(threads)
	rows = append(rows, Row{Machine: m.Name(), Case: "limit/dot", Rate: dotRate, Unit: "Gmac/s"},
		Row{Machine: m.Name(), Case: "limit/read", Rate: read, Unit: "GB/s"})
	step := 1
	if rival != nil {
		step = 2
	}
	for i, c := range s.cases {
		seconds := times[1+i*step]
		r := Row{Machine: m.Name(), Case: c.Name, Rate: c.rate(best(seconds)), Unit: c.Unit}
		if c.Unit == "Gmac/s" && !strings.HasPrefix(c.Name, "attention") {
			r.OfLimit = r.Rate / dotRate
		}
		if c.Bytes > 0 {
			r.OfRead = c.Bytes / best(seconds) / 1e9 / read
		}
		if ref := reference[c.Name]; ref > 0 {
			r.OfGo = ref / best(seconds)
		}
		if rival != nil {
			r.ToRival = best(times[2+i*step]) / best(seconds)
		}
		rows = append(rows, r)
	}
	return rows
}

// interleave puts each rival's call behind the product's.
func interleave(calls []Call, n int, rival bool) []Call {
	if !rival {
		return calls
	}
	out := calls[:1:1]
	for i := range n {
		out = append(out, calls[1+i], calls[1+n+i])
	}
	return out
}

// readRate is GB/s with which the machine's threads read memory.
func (s *Suite) readRate(b *testing.B, m Machine) float64 {
	probe := check(ReadProbe())
	call := Call{Name: "read", Module: probe, A: uint32(s.weights), B: ReadBytes}
	var times [][]float64
	switch m := m.(type) {
	case *Chromium:
		other := *m
		other.bin = probe // helpers run the probe's help
		times = check(other.Time(&Contest{Spans: s.spans[:1], Mem: s.mem, Calls: []Call{call}, Rounds: *roundsFlag, MinMs: *msFlag}))
	case *Wazero:
		other := check(NewWazero(1, 6144))
		other.bin = probe
		defer other.Close()
		for i := 1; i < m.Threads; i++ {
			if err := other.AddHelper(fmt.Sprint("read", i)); err != nil {
				b.Fatal(err)
			}
			if err := other.Await(i); err != nil {
				b.Fatal(err)
			}
		}
		times = check(other.Time(&Contest{Spans: s.spans[:1], Mem: s.mem, Calls: []Call{call}, Rounds: *roundsFlag, MinMs: *msFlag}))
	}
	return ReadBytes / best(times[0]) / 1e9
}

// reference times the plain Go executor, where one call is short enough.
func (s *Suite) reference() map[string]float64 {
	out := map[string]float64{}
	if *rivalFlag != "" {
		return out
	}
	for _, c := range s.cases {
		if c.Unit == "Gmac/s" && c.Work > 3e7 { // seconds
			continue
		}
		var ref kernels.Reference
		start := time.Now()
		ref.Run(c.Tape)
		out[c.Name] = time.Since(start).Seconds()
	}
	return out
}

// best is the shortest time: what the machine can do when nobody else runs.
func best(x []float64) float64 { return slices.Min(x) }

func render(rows []Row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "machine\tcase\trate\tunit\tof dot\tof read\t× reference\t× rival")
	ratio := func(v float64, digits int) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.*f", digits, v)
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\t%s\t%s\t%s\t%s\n", r.Machine, r.Case, r.Rate, r.Unit, ratio(r.OfLimit, 2), ratio(r.OfRead, 2), ratio(r.OfGo, 0), ratio(r.ToRival, 2))
	}
	w.Flush()
	return b.String()
}
