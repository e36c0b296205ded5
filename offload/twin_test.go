package offload

import (
	"encoding/json"
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
