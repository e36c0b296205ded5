package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	for _, tt := range []struct {
		file, format string
		n            int
		kind         Kind
		gold         string // the first task's right answer
	}{
		{"adapters-ARC-Challenge.json", "adapters", 3, Choice, "Planetary days will become shorter."},
		{"adapters-ARC-Easy.json", "adapters", 3, Choice, "Sunlight is the source of energy for nearly all ecosystems."},
		{"adapters-boolq.json", "adapters", 3, Choice, "false"},
		{"adapters-openbookqa.json", "adapters", 3, Choice, "quit eating lunch out"},
		{"adapters-piqa.json", "adapters", 3, Choice, "Provide the guinea pig with a cage full of a few inches of bedding made of ripped paper strips, you will also need to supply it with a water bottle and a food dish."},
		{"adapters-social_i_qa.json", "adapters", 3, Choice, "Find somewhere to go"},
		{"adapters-winogrande.json", "adapters", 3, Choice, "Maria"},
		{"bbh-boolean_expressions.json", "bbh", 3, Exact, "False"},
		{"bbh-date_understanding.json", "bbh", 3, Choice, "12/25/1937"},
		{"bbh-navigate.json", "bbh", 3, Choice, "No"},
		{"clinc150.json", "clinc150", 14, Choice, "translate"},
		{"foundry-arc_challenge.jsonl", "foundry", 3, Choice, "Planetary days will become shorter."},
		{"foundry-arc_easy.jsonl", "foundry", 3, Choice, "Sunlight is the source of energy for nearly all ecosystems."},
		{"foundry-boolq.jsonl", "foundry", 2, Choice, "yes"},
		{"foundry-openbook_qa.jsonl", "foundry", 3, Choice, "quit eating lunch out"},
		{"foundry-siqa.jsonl", "foundry", 3, Choice, "B"},
		{"foundry-winogrande.jsonl", "foundry", 3, Choice, "Sarah was a much better surgeon than Maria so Maria"},
		{"mmlu.csv", "mmlu", 2, Choice, "Carbon dioxide"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join("../testdata/eval", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			tasks, err := Convert(tt.format, f, "s")
			if err != nil || len(tasks) != tt.n {
				t.Fatalf("%d tasks, %v, want %d", len(tasks), err, tt.n)
			}
			first := tasks[0]
			got := first.Target
			if options := append(first.Choices, first.Contexts...); len(options) > 0 {
				got = options[first.Gold]
			}
			if first.Kind() != tt.kind || got != tt.gold {
				t.Errorf("first is %s %q, want %s %q", first.Kind(), got, tt.kind, tt.gold)
			}
			var text strings.Builder
			if err := Write(&text, tasks); err != nil {
				t.Fatal(err)
			}
			if again, err := Read(strings.NewReader(text.String())); err != nil || len(again) != len(tasks) || again[0].Prompt != first.Prompt {
				t.Errorf("read back: %d tasks, %v", len(again), err)
			}
		})
	}
}

func TestConvertRefuses(t *testing.T) {
	for _, tt := range []struct{ name, format, text string }{
		{"unknown format", "none", ""},
		{"no JSON", "foundry", "{"},
		{"gold outside the choices", "foundry", `{"query":"q","choices":["a","b"],"gold":2}`},
		{"negative gold", "foundry", `{"query":"q","choices":["a","b"],"gold":-1}`},
		{"answer without a number", "adapters", `[{"instruction":"q Answer1: a Answer2: b","answer":"none"}]`},
		{"BoolQ answer", "adapters", `[{"instruction":"q","answer":"maybe"}]`},
		{"no examples", "bbh", `{}`},
		{"five columns", "mmlu", "q,a,b,c,d\n"},
		{"letter E", "mmlu", "q,a,b,c,d,E\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tasks, err := Convert(tt.format, strings.NewReader(tt.text), "s"); err == nil {
				t.Errorf("got %d tasks", len(tasks))
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"no id", `{"set":"s","prompt":"p"}`},
		{"twice", `{"id":"1","set":"s","prompt":"p"}` + "\n" + `{"id":"1","set":"s","prompt":"p"}`},
		{"one choice", `{"id":"1","set":"s","prompt":"p","choices":["a"]}`},
		{"choices and target", `{"id":"1","set":"s","prompt":"p","choices":["a","b"],"target":"a"}`},
		{"contexts alone", `{"id":"1","set":"s","contexts":["a","b"]}`},
		{"nothing", `{"id":"1","set":"s"}`},
		{"no JSON", `x`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Read(strings.NewReader(tt.text)); err == nil {
				t.Error("read")
			}
		})
	}
}
