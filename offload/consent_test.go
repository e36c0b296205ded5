package offload

import (
	"testing"

	"pastel/fault"
)

func TestConsent(t *testing.T) {
	const a, b = "https://a.example/v1", "https://b.example"
	var l Ledger
	allowed := func(url string, want Extent) {
		t.Helper()
		got, err := l.Check(url)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Check(%s) = %q, %v, want %q", url, got, err, want)
		}
		if err != nil && fault.CodeOf(err) != fault.Consent {
			t.Errorf("Check(%s): code %v, want ERR_CONSENT", url, fault.CodeOf(err))
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	allowed(a, "")
	must(l.Grant(a, LastTurn, "v1", 10))
	allowed(a, LastTurn)
	allowed("https://A.EXAMPLE:443/other", LastTurn)
	allowed(b, "")
	allowed("https://a.example:8443", "")
	allowed("https://sub.a.example", "")
	must(l.Grant(a, Conversation, "v2", 20))
	allowed(a, Conversation)
	must(l.Revoke(a, 30))
	allowed(a, "")
	must(l.Revoke(a, 40))
	want := []Consent{{"a.example", LastTurn, "v1", 10, 20}, {"a.example", Conversation, "v2", 20, 30}}
	if len(l.Consents) != 2 || l.Consents[0] != want[0] || l.Consents[1] != want[1] {
		t.Errorf("record = %+v, want %+v", l.Consents, want)
	}
	must(l.Grant(a, LastTurn, "v2", 50))
	allowed(a, LastTurn)
}

func TestConsentRefusals(t *testing.T) {
	var l Ledger
	for name, err := range map[string]error{
		"plain http":     l.Grant("http://a.example", LastTurn, "", 1),
		"unknown extent": l.Grant("https://a.example", "all", "", 1),
		"revoke nothing": l.Revoke("nonsense", 1),
	} {
		if fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := l.Check("http://a.example"); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("Check of plain http: error %v", err)
	}
	if len(l.Consents) != 0 {
		t.Errorf("a refused grant was recorded: %v", l.Consents)
	}
}
