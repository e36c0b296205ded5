package offload

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pastel/fault"
)

// readTable reads one of the tables that web/src/offload.ts passes as well.
func readTable(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "offload", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestDecideTable(t *testing.T) {
	var rows []struct {
		Name    string
		Policy  Policy
		At      Stage
		Signals map[string]float64
		Tie     float64
		Env     struct {
			Online, Closed, Consent, Asked bool
			Cost                           Cost
		}
		Want Decision
	}
	readTable(t, "route.json", &rows)
	for _, tt := range rows {
		var s Signals
		for name, v := range tt.Signals {
			k, err := ParseSignal(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Set(k, v)
		}
		if got := tt.Policy.Decide(tt.At, s, tt.Tie, Env(tt.Env)); got != tt.Want {
			t.Errorf("%s: Decide = %+v, want %+v", tt.Name, got, tt.Want)
		}
	}
}

func TestServerHostTable(t *testing.T) {
	var rows []struct{ URL, Want string }
	readTable(t, "host.json", &rows)
	for _, tt := range rows {
		got, err := ServerHost(tt.URL)
		if got != tt.Want || (err == nil) != (tt.Want != "") {
			t.Errorf("ServerHost(%q) = %q, %v, want %q", tt.URL, got, err, tt.Want)
		}
		if err != nil && fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("ServerHost(%q): code %s", tt.URL, fault.CodeOf(err))
		}
	}
}

func TestBreakerTable(t *testing.T) {
	var rows []struct {
		Name  string
		Steps []struct {
			Do   string
			At   int64
			Want any
		}
	}
	readTable(t, "breaker.json", &rows)
	for _, tt := range rows {
		var b Breaker
		for i, s := range tt.Steps {
			var got any
			switch s.Do {
			case "allow":
				got = b.Allow(s.At)
			case "state":
				got = string(b.State(s.At))
			case "success":
				b.Success()
			case "failure":
				b.Failure(s.At)
			case "abandon":
				b.Abandon(s.At)
			default:
				t.Fatalf("%s: unknown step %q", tt.Name, s.Do)
			}
			if got != s.Want {
				t.Errorf("%s: step %d (%s at %d) = %v, want %v", tt.Name, i, s.Do, s.At, got, s.Want)
			}
		}
	}
}

func TestMinimiseTable(t *testing.T) {
	var rows []struct {
		Name     string
		Messages []Message
		Extent   Extent
		Want     []Message
	}
	readTable(t, "minimise.json", &rows)
	for _, tt := range rows {
		got, err := Minimise(tt.Messages, tt.Extent)
		if !reflect.DeepEqual(got, tt.Want) || (err == nil) != (tt.Want != nil) {
			t.Errorf("%s: Minimise = %v, %v, want %v", tt.Name, got, err, tt.Want)
		}
	}
}

func TestTieBreakTable(t *testing.T) {
	var rows []struct {
		Text string
		Want float64
	}
	readTable(t, "tiebreak.json", &rows)
	for _, tt := range rows {
		if got := TieBreak(tt.Text); got != tt.Want {
			t.Errorf("TieBreak(%q) = %v, want %v", tt.Text, got, tt.Want)
		}
	}
}

func TestRegionTable(t *testing.T) {
	var rows []struct {
		Name      string
		Region    Region
		Query     []float32
		Want      map[string]float64
		Threshold *float64
	}
	readTable(t, "region.json", &rows)
	for _, tt := range rows {
		var s Signals
		tt.Region.Score(tt.Query, &s)
		for _, k := range []Signal{Scope, Nearest} {
			want, known := tt.Want[k.String()]
			if got, is := s.Get(k); is != known || math.Abs(got-want) > regionBound {
				t.Errorf("%s: %s %v %v, want %v %v", tt.Name, k, got, is, want, known)
			}
		}
		got := tt.Region.Threshold()
		if got.On != (tt.Threshold != nil) || got.On && math.Abs(got.Score-*tt.Threshold) > regionBound {
			t.Errorf("%s: threshold %+v, want %v", tt.Name, got, tt.Threshold)
		}
	}
}

func TestOptionsTable(t *testing.T) {
	var rows []struct {
		Name     string
		LogProbs []float64
		Want     map[string]float64
	}
	readTable(t, "options.json", &rows)
	for _, tt := range rows {
		var s Signals
		if err := s.SetOptions(tt.LogProbs); err != nil {
			t.Fatal(err)
		}
		for name, want := range tt.Want {
			k, err := ParseSignal(name)
			if got, known := s.Get(k); err != nil || !known || math.Abs(got-want) > 1e-14 {
				t.Errorf("%s: %s is %v, want %v", tt.Name, name, got, want)
			}
		}
	}
}

// regionBound is for embeddings of some units in float32: means of them, centred,
// are off by a few times 2⁻²³, and so are their angles.
const regionBound = 1e-6

func TestCalibrateTable(t *testing.T) {
	var rows []struct {
		Name    string
		Queries []struct {
			Query   string
			Signals map[string]float64
		}
		Budget float64
		Scope  Threshold
		Want   struct {
			Thresholds
			Early Threshold
			Usage float64
		}
	}
	readTable(t, "calibrate.json", &rows)
	for _, tt := range rows {
		var queries []Query
		for _, q := range tt.Queries {
			queries = append(queries, Query{Scope: q.Signals["scope"], Confidence: q.Signals["geo_mean"], Tie: TieBreak(q.Query)})
		}
		got, err := Calibrate(queries, tt.Budget, tt.Scope)
		if err != nil || got != tt.Want.Thresholds {
			t.Errorf("%s: Calibrate = %+v, %v, want %+v", tt.Name, got, err, tt.Want.Thresholds)
		}
		var early []Point
		var routed []bool
		sent := 0
		for i, q := range tt.Queries {
			is := got.Routed(queries[i])
			if is {
				sent++
			}
			if v, known := q.Signals["early"]; known {
				early, routed = append(early, Point{v, queries[i].Tie}), append(routed, is)
			}
		}
		if usage := float64(sent) / float64(len(queries)); usage != tt.Want.Usage {
			t.Errorf("%s: usage %v, want %v", tt.Name, usage, tt.Want.Usage)
		}
		if len(early) == 0 {
			continue
		}
		if got, err := EarlyThreshold(early, routed); err != nil || got != tt.Want.Early {
			t.Errorf("%s: EarlyThreshold = %+v, %v, want %+v", tt.Name, got, err, tt.Want.Early)
		}
	}
}
