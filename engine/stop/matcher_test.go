package stop

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pastel/fault"
)

// oracle cuts text where the first stop string to be complete begins.
func oracle(text string, stops []string) (kept, found string) {
	for end := 1; end <= len(text); end++ {
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > len(found) {
				found = s
			}
		}
		if found != "" {
			return text[:end-len(found)], found
		}
	}
	return text, ""
}

func newMatcher(t testing.TB, stops []string) *Matcher {
	t.Helper()
	m, err := New(stops)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// feed runs text through m in pieces of n bytes and checks what every step shows.
func feed(t *testing.T, m *Matcher, text string, n int) string {
	t.Helper()
	var out []byte
	for i := 0; i < len(text); i += n {
		out = m.Feed(out, text[i:min(i+n, len(text))])
		if utf8.ValidString(text) && !utf8.Valid(out) {
			t.Fatalf("after %q: %q is cut inside a character", text[:i], out)
		}
	}
	return string(m.Flush(out))
}

var rows = []struct {
	name  string
	stops []string
	text  string
	want  string
	found string
}{
	{"no stop strings", nil, "some text", "some text", ""},
	{"no match", []string{"END"}, "the EN is near E", "the EN is near E", ""},
	{"match at the start", []string{"ab"}, "abc", "", "ab"},
	{"match at the end", []string{"ab"}, "cab", "c", "ab"},
	{"one byte", []string{"\n"}, "a\nb", "a", "\n"},
	{"prefix of itself", []string{"aab"}, "aaab", "a", "aab"},
	{"restart inside a failed match", []string{"ababc"}, "abababc", "ab", "ababc"},
	{"first complete wins", []string{"abcd", "bc"}, "xabcd", "xa", "bc"},
	{"longest of those that end together", []string{"c", "abc", "bc"}, "xabc", "x", "abc"},
	{"shorter stop inside a longer one's prefix", []string{"he said", "e"}, "the", "th", "e"},
	{"characters of several bytes", []string{"終わり"}, "日本語の終わ終わり。", "日本語の終わ", "終わり"},
	{"shares bytes with text, not characters", []string{"é"}, "aèé", "aè", "é"},
	{"chat marker", []string{"<|im_end|>", "\nUser:"}, "Hi <|im_start|>\nUse: \nUser: x", "Hi <|im_start|>\nUse: ", "\nUser:"},
	{"not UTF-8", []string{"b"}, "\xff\xe6\x97ab", "\xff\xe6\x97a", "b"},
	{"incomplete character at the end", []string{"b"}, "a\xe6\x97", "a\xe6\x97", ""},
}

func TestMatcherAtEverySplit(t *testing.T) {
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			if kept, found := oracle(tt.text, tt.stops); kept != tt.want || found != tt.found {
				t.Fatalf("oracle = %q, %q", kept, found)
			}
			m := newMatcher(t, tt.stops)
			for n := 1; n <= len(tt.text)+1; n++ {
				m.Reset()
				if got := feed(t, m, tt.text, n); got != tt.want || m.Found() != tt.found {
					t.Errorf("pieces of %d: %q, found %q; want %q, %q", n, got, m.Found(), tt.want, tt.found)
				}
			}
		})
	}
}

func TestMatcherHoldsBackNoMoreThanItMust(t *testing.T) {
	m := newMatcher(t, []string{"STOP"})
	for _, tt := range []struct{ piece, shown string }{
		{"go ST", "go "}, {"AR", "STAR"}, {"S", ""}, {"ST", "S"}, {"OP it", ""}, {"more", ""},
	} {
		if got := string(m.Feed(nil, tt.piece)); got != tt.shown {
			t.Errorf("Feed(%q) = %q, want %q", tt.piece, got, tt.shown)
		}
	}
	if got := string(m.Flush(nil)); got != "" || !m.Stopped() {
		t.Errorf("Flush = %q, Stopped = %v", got, m.Stopped())
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stops []string
	}{
		{"empty string", []string{"a", ""}},
		{"not UTF-8", []string{"\x97"}},
		{"too long", []string{strings.Repeat("a", maxBytes+1)}},
		{"too many", strings.Split(strings.Repeat("a", maxStops+1), "")},
	} {
		if _, err := New(tt.stops); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: New = %v, want %s", tt.name, err, fault.BadRequest)
		}
	}
}

func TestFeedAllocatesNothing(t *testing.T) {
	m := newMatcher(t, []string{"aaaaaaab", "\n\n"})
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = m.Feed(dst[:0], "aaaaaaa a\n") }); n > 0 {
		t.Errorf("Feed allocates %v times", n)
	}
}

// TestLinearTime feeds texts that make a naive search quadratic; it would take
// hours, not milliseconds.
func TestLinearTime(t *testing.T) {
	text := strings.Repeat("a", 1<<20)
	stops := []string{strings.Repeat("a", maxBytes-1) + "b", strings.Repeat("a", maxBytes/2) + "c"}
	m := newMatcher(t, stops)
	out := m.Feed(nil, text)
	if got := m.Flush(out); string(got) != text {
		t.Errorf("%d bytes came out of %d", len(got), len(text))
	}
}

func FuzzMatcher(f *testing.F) {
	for _, tt := range rows {
		f.Add(tt.text, strings.Join(tt.stops, "\x00"), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text, joined string, n uint8) {
		stops := strings.Split(joined, "\x00")
		m, err := New(stops)
		if err != nil || len(text) > 1<<12 {
			return
		}
		want, found := oracle(text, stops)
		if got := feed(t, m, text, int(n)+1); got != want || m.Found() != found {
			t.Errorf("stops %q on %q: %q, %q; want %q, %q", stops, text, got, m.Found(), want, found)
		}
	})
}
