package chat

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// TestErrorsNameConstructAndLine: the line is that of the author's text, before
// trim_blocks and lstrip_blocks took newlines away.
func TestErrorsNameConstructAndLine(t *testing.T) {
	for _, tt := range []struct{ name, template, want string }{
		{"unsupported filter", "a\n{% if 1 %}\n{{ 1|foo }}{% endif %}", `chat: line 3: unsupported filter "foo"`},
		{"filter for another kind", "{{ 1|upper }}", `chat: line 1: filter "upper" cannot take an integer`},
		{"unsupported test", "{% if 1 %}\n\n{% endif %}\n{{ 1 is foo }}", `chat: line 4: unsupported test "foo"`},
		{"test with arguments", "\n{{ 4 is divisibleby(2) }}", `chat: line 2: unsupported arguments of test "divisibleby"`},
		{"unsupported statement", "{# \n\n #}\n{% include 'x' %}", `chat: line 4: unsupported statement "include"`},
		{"raise_exception", "{% if 1 %}\n  {{ raise_exception('No roles') }}\n{% endif %}", `chat: line 2: the template refuses: No roles`},
		{"unknown function", "{{ lipsum() }}", `chat: line 1: cannot call "lipsum": it is undefined`},
		{"unknown method", "{{ [].append(1) }}", `chat: line 1: cannot call "append": it is undefined`},
		{"operator", "{{ 1 + none }}", `chat: line 1: operator + cannot take an integer and none`},
		{"unclosed block", "a\n{% if 1 %}\nb", `chat: line 3: the template ends inside a tag or block`},
		{"unclosed string", "\n{{ 'a }}", `chat: line 2: string without end`},
		{"wrong character", "\n{{ a § b }}", `chat: line 2: unexpected character "§"`},
		{"generation tag moves no lines", "{% generation %}\n\n{% endgeneration %}\n{{ 1|foo }}", `chat: line 4: unsupported filter "foo"`},
		{"print a function", "{{ range }}", `chat: line 1: cannot print a function`},
		{"print a tuple", "{{ [(1, 2)] }}", `chat: line 1: cannot print a tuple`},
		{"break", "{% break %}", `chat: break or continue outside a loop`},
		{"not UTF-8", "\xff", `chat: template is not UTF-8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render(tt.template, []byte("{}"))
			if err == nil || err.Error() != tt.want || !errors.Is(err, fault.Sentinel(fault.Template)) {
				t.Errorf("render(%q) = %q, %v; want error %q", tt.template, got, err, tt.want)
			}
		})
	}
}

// TestPythonWhereTheReferenceCrashes holds the documented differences.
func TestPythonWhereTheReferenceCrashes(t *testing.T) {
	for _, tt := range []struct{ name, template, want string }{
		{"tuple in a loop", "{% for a, b in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}", "12"},
		{"tuple as JSON", "{{ (1, 2)|tojson }}", "[1, 2]"},
		{"comma after the last of a tuple", "{{ 'ab'.startswith(('a',)) }}", "true"},
		{"first of nothing", "[{{ []|first }}]", "[]"},
		{"filter with empty parentheses", "{{ ' a '|trim() }}", "a"},
		{"half a surrogate pair", "{{ '😀'[0] }}", "\ufffd"},
		{"selectattr with a variable", "{% set v = 2 %}{{ [{'a': 1}, {'a': 2}]|selectattr('a', 'eq', v) }}", `[{"a": 2}]`},
	} {
		got, err := render(tt.template, []byte("{}"))
		if err != nil || got != tt.want {
			t.Errorf("%s: render(%q) = %q, %v; want %q", tt.name, tt.template, got, err, tt.want)
		}
	}
}

// hostile are templates that want more than anybody should give them.
var hostile = []struct{ name, template, want string }{
	{"nested loops", strings.Repeat("{% for a in range(1000) %}", 8) + strings.Repeat("{% endfor %}", 8), "over its limit"},
	{"empty nested loops", "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "over its limit"},
	{"doubling string", "{% set x = 'xxxxxxxx' %}{% set n = namespace(s=x) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "bytes of memory"},
	{"doubling list", "{% set n = namespace(s=[1]) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "bytes of memory"},
	{"doubling output", "{% macro f(n) %}{% if n > 0 %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}xxxxxxxxxxxxxxxx{% endmacro %}{{ f(60) }}", "over its limit"},
	{"shared list as JSON", "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s|tojson }}", "over its limit"},
	{"shared list as string", "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ 'a' ~ n.s }}", "over its limit"},
	{"deep list as JSON", "{% set n = namespace(s=[1]) %}{% for i in range(10000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s|tojson }}", "levels of nesting"},
	{"namespace in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}", "levels of nesting"},
	{"endless macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels of nesting"},
	{"endless caller", "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}", "levels of nesting"},
	{"huge range", "{{ range(1000000000000) }}", "bytes of memory"},
	{"infinite range", "{{ range(1/0) }}", "bytes of memory"},
	{"range without progress", "{{ range(1e16|float, 1e16|float + 1000, 0.5) }}", ""},
	{"many ranges", "{% for i in range(100000) %}{% set x = range(100000) %}{% endfor %}", "over its limit"},
	{"wide indent", "{{ ('a\n' ~ 'b')|indent(1000000)|indent(1000000)|indent(1000000) }}", ""},
	{"wider indent", "{{ 'a'|indent(100000000) }}", "no integer"},
	{"wide tojson", "{% set n = namespace(s=[1]) %}{% for i in range(200) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s|tojson(indent=1000000) }}", "bytes of memory"},
	{"replace grows", "{% set n = namespace(s='aaaa') %}{% for i in range(100) %}{% set n.s = n.s.replace('a', 'aaaaaaaaaaaaaaaa') %}{% endfor %}", "bytes of memory"},
	{"join grows", "{% set s = 'a' ~ range(20000) %}{{ range(20000)|join(s) }}", "over its limit"},
	{"search in long text", "{% set s = 'a' ~ range(200000) %}{% for i in range(100000) %}{% if 'b' in s %}{% endif %}{% endfor %}", "steps"},
	{"compare long texts", "{% set s = 'a' ~ range(200000) %}{% set u = s ~ 'a' %}{% for i in range(100000) %}{% if s == u %}{% endif %}{% endfor %}", "over its limit"},
	{"split to letters", "{% set s = 'a,' ~ range(200000) %}{% for i in range(100000) %}{% set x = s.split(',') %}{% endfor %}", "over its limit"},
	{"sort with long keys", "{% set s = 'a' ~ range(100000) %}{% set l = [s~1,s~2,s~3,s~4] %}{% for i in range(100000) %}{% set x = l|sort %}{% endfor %}", "over its limit"},
	{"names without end", "{% for i in range(100000) %}{% set x %}{% for j in range(1000) %}a{% endfor %}{% endset %}{% endfor %}", "steps"},
	{"brackets", "{{ " + strings.Repeat("(", 100000), "nested too deeply"},
	{"lists", "{{ " + strings.Repeat("[", 100000), "nested too deeply"},
	{"signs", "{{ " + strings.Repeat("-", 100000) + "1 }}", "nested too deeply"},
	{"nots", "{{ " + strings.Repeat("not ", 100000) + "1 }}", "nested too deeply"},
	{"sum of many", "{{ 1" + strings.Repeat("+1", 100000) + " }}", "nested too deeply"},
	{"many filters", "{{ 1" + strings.Repeat("|string", 100000) + " }}", "nested too deeply"},
	{"many members", "{{ a" + strings.Repeat(".b", 100000) + " }}", "nested too deeply"},
	{"many ifs", strings.Repeat("{% if 1 %}", 50000), "nested too deeply"},
	{"many elifs", "{% if 0 %}" + strings.Repeat("{% elif 0 %}", 20000) + "{% endif %}", ""},
	{"many ternaries", "{{ " + strings.Repeat("1 if 0 else ", 50000) + "1 }}", "nested too deeply"},
	{"many comments", strings.Repeat("{# #}", 100000), ""},
	{"many open comments", strings.Repeat("{# ", 100000), "comment without end"},
	{"many generations", strings.Repeat("{% generation %}", 50000), ""},
	{"generation without end", strings.Repeat("{%                generation ", 20000), ""},
	{"spaces before nothing", "{{" + strings.Repeat(" ", 1<<19), "ends inside"},
	{"too long", strings.Repeat(" ", 1<<20+1), "over the limit"},
}

func TestHostileTemplatesEndSoon(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := render(tt.template, []byte(`{"a": {}}`))
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			// The limits cost about a second on one core; a minute allows for a machine with a dozen tests at once.
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestLimitsOfOutput(t *testing.T) {
	tmpl, err := Parse("{% for i in range(100) %}0123456789{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Render(jsonvalue.Value{}, Date{}, Limits{Output: 999}); err == nil || !strings.Contains(err.Error(), "999 bytes of output") {
		t.Errorf("999 bytes allowed, 1000 written: %v", err)
	}
	if out, err := tmpl.Render(jsonvalue.Value{}, Date{}, Limits{Output: 1000}); err != nil || len(out) != 1000 {
		t.Errorf("1000 bytes allowed: %d bytes, %v", len(out), err)
	}
}

func TestStrftimeNow(t *testing.T) {
	const src = `{% if strftime_now is defined %}{{ strftime_now("%Y-%m-%d %b %B %H:%M %% %q %") }}{% else %}no clock{% endif %}`
	tmpl, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		date Date
		want string
	}{
		{Date{}, "no clock"},
		{Date{2026, 3, 5, 7, 9}, "2026-03-05 Mar March 07:09 % %q %"},
	} {
		if got, err := tmpl.Render(jsonvalue.Value{}, tt.date, Limits{}); got != tt.want || err != nil {
			t.Errorf("%v: %q, %v; want %q", tt.date, got, err, tt.want)
		}
	}
}

func TestPrompt(t *testing.T) {
	tmpl, err := Parse(ChatML)
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Messages: jsonvalue.OfArray([]jsonvalue.Value{Message("system", "Be terse."), Message("user", "Hi")}), AddGenerationPrompt: true}
	got, err := tmpl.Prompt(req, Limits{})
	if want := "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"; got != want || err != nil {
		t.Errorf("Prompt = %q, %v; want %q", got, err, want)
	}
	tmpl, err = Parse(`{{ bos_token }}{{ messages|length }}{{ tools is defined }}{{ enable_thinking }}{{ eos_token }}`)
	if err != nil {
		t.Fatal(err)
	}
	req.BOS, req.EOS = "<s>", "</s>"
	req.Variables = jsonvalue.OfObject([]jsonvalue.Member{{Key: "enable_thinking", Value: jsonvalue.OfBool(true)}})
	if got, err := tmpl.Prompt(req, Limits{}); got != "<s>2falsetrue</s>" || err != nil {
		t.Errorf("Prompt = %q, %v", got, err)
	}
	req.Tools = jsonvalue.OfArray(nil)
	if got, err := tmpl.Prompt(req, Limits{}); got != "<s>2truetrue</s>" || err != nil {
		t.Errorf("Prompt with tools = %q, %v", got, err)
	}
	req.Variables = jsonvalue.OfObject([]jsonvalue.Member{{Key: "messages", Value: jsonvalue.OfBool(true)}})
	if _, err := tmpl.Prompt(req, Limits{}); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
		t.Errorf("variables that redefine messages: %v", err)
	}
	if _, err := tmpl.Prompt(Request{}, Limits{}); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
		t.Errorf("no messages: %v", err)
	}
}

// TestTemplateIsReusable: nothing of one rendering is seen by the next.
func TestTemplateIsReusable(t *testing.T) {
	tmpl, err := Parse("{{ x }}{% set x = 1 %}{% set n = namespace(d) %}{% set n.k = 2 %}{{ d.k }}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := jsonvalue.Parse([]byte(`{"d":{"k":0}}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := tmpl.Render(ctx, Date{}, Limits{}); got != "0" || err != nil {
			t.Errorf("Render = %q, %v; want \"0\"", got, err)
		}
	}
}

// FuzzRender: whatever the template, rendering ends in text or a coded error.
func FuzzRender(f *testing.F) {
	for _, file := range []string{"unit.jsonl.gz", "extra.jsonl.gz", "e2e.jsonl.gz"} {
		for _, v := range readVectors(f, file) {
			f.Add(v.Template, []byte(v.Context))
		}
	}
	for _, h := range hostile {
		if len(h.template) < 4096 {
			f.Add(h.template, []byte("{}"))
		}
	}
	small := Limits{Steps: 20000, Bytes: 1 << 20, Output: 1 << 16}
	f.Fuzz(func(t *testing.T, template string, context []byte) {
		tmpl, err := Parse(template)
		if err == nil {
			ctx, jsonErr := jsonvalue.Parse(context)
			if jsonErr != nil {
				ctx = jsonvalue.Value{}
			}
			var out string
			if out, err = tmpl.Render(ctx, vectorsDate, small); len(out) > small.Output {
				t.Errorf("%d bytes of output", len(out))
			}
		}
		if err != nil && fault.CodeOf(err) != fault.Template {
			t.Errorf("code %s: %v", fault.CodeOf(err), err)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	for _, v := range readVectors(b, "files.jsonl.gz") {
		if v.Expected == nil || !strings.HasSuffix(v.Name, "/tools") {
			continue
		}
		b.Run("template="+strings.TrimSuffix(v.Name, "/tools"), func(b *testing.B) {
			tmpl, err := Parse(v.Template)
			if err != nil {
				b.Fatal(err)
			}
			ctx, err := jsonvalue.Parse(v.Context)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := tmpl.Render(ctx, vectorsDate, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
