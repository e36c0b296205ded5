package eval

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A converter turns one file of a public question set into tasks of a set.
type converter func(r io.Reader, set string) ([]Task, error)

// converters by format name.
var converters = map[string]converter{
	"foundry":  fromFoundry,
	"adapters": fromAdapters,
	"bbh":      fromBBH,
	"clinc150": fromCLINC150,
	"mmlu":     fromMMLU,
}

// Formats are the names Convert knows, sorted:
//
//	adapters  AGI-Edgerunners/LLM-Adapters dataset/*.json (ARC, BoolQ, OpenBookQA, PIQA, SocialIQA, WinoGrande)
//	bbh       suzgunmirac/BIG-Bench-Hard bbh/*.json
//	clinc150  clinc/oos-eval data/data_small.json: ten intents to choose from
//	foundry   mosaicml/llm-foundry local_data/**.jsonl (query, choices, gold; context_options)
//	mmlu      rows of question, A, B, C, D, letter (hendrycks/test)
func Formats() (names []string) {
	for name := range converters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Convert reads a file in a format of Formats. set names the row of the table and
// begins every task's ID.
//
// Errors: unknown formats, and rows that are not what the format says, by number.
func Convert(format string, r io.Reader, set string) ([]Task, error) {
	c := converters[format]
	if c == nil {
		return nil, fmt.Errorf("eval: format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	tasks, err := c(r, set)
	if err != nil {
		return nil, fmt.Errorf("eval: %s: %w", format, err)
	}
	for i := range tasks {
		tasks[i].ID, tasks[i].Set = set+"/"+strconv.Itoa(i), set
		if err := tasks[i].check(); err != nil {
			return nil, fmt.Errorf("eval: %s: row %d: %w", format, i, err)
		}
	}
	return tasks, nil
}

// fromFoundry reads lines of {query, choices, gold} or {context_options, continuation, gold}.
func fromFoundry(r io.Reader, _ string) (tasks []Task, err error) {
	d := json.NewDecoder(r)
	for {
		var row struct {
			Query          string
			Choices        []string
			ContextOptions []string `json:"context_options"`
			Continuation   string
			Gold           int
		}
		switch err := d.Decode(&row); {
		case err == io.EOF:
			return tasks, nil
		case err != nil:
			return nil, fmt.Errorf("row %d: %w", len(tasks), err)
		}
		t := Task{Prompt: row.Query, Choices: row.Choices, Contexts: row.ContextOptions, Continuation: row.Continuation, Gold: row.Gold}
		if !strings.HasSuffix(strings.TrimSpace(t.Prompt), "Answer:") && t.Prompt != "" {
			t.Prompt = strings.TrimRight(t.Prompt, " \n") + "\nAnswer:"
		}
		tasks = append(tasks, t)
	}
}

// adapterOption matches the options in an instruction of LLM-Adapters, as in
// "Answer1: … Answer2: … Answer format: …", with the words it uses.
var adapterOption = regexp.MustCompile(`(?s)\b(Answer|Solution|Option|Ending)(\d):\s*`)

// adapterFormat is where the list of options ends.
var adapterFormat = regexp.MustCompile(`\s*Answer format:`)

// fromAdapters reads [{instruction, answer}].
func fromAdapters(r io.Reader, _ string) ([]Task, error) {
	var rows []struct{ Instruction, Answer string }
	if err := json.NewDecoder(r).Decode(&rows); err != nil {
		return nil, err
	}
	tasks := make([]Task, len(rows))
	for i, row := range rows {
		var err error
		if tasks[i], err = adapterTask(row.Instruction, row.Answer); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return tasks, nil
}

func adapterTask(instruction, answer string) (Task, error) {
	body := instruction
	if at := adapterFormat.FindStringIndex(body); at != nil {
		body = body[:at[0]]
	}
	marks := adapterOption.FindAllStringIndex(body, -1)
	if len(marks) == 0 { // BoolQ: true or false
		gold := slices.Index([]string{"true", "false"}, answer)
		return Task{Prompt: question(body), Choices: []string{"true", "false"}, Gold: gold}, nil
	}
	t := Task{Prompt: question(body[:marks[0][0]])}
	for i, m := range marks {
		end := len(body)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		t.Choices = append(t.Choices, strings.TrimSpace(body[m[1]:end]))
	}
	n, err := strconv.Atoi(strings.TrimLeft(answer, "abcdefghijklmnopqrstuvwxyz"))
	t.Gold = n - 1
	return t, err
}

// question drops the instruction in front of the question itself.
func question(s string) string {
	for _, lead := range []string{"Please choose the correct answer to the question: ", "Please choose the correct solution to the question: ",
		"Please choose the correct answer to fill in the blank to complete the given sentence: ", "Please answer the following question with true or false, question: "} {
		s = strings.TrimPrefix(s, lead)
	}
	return "Question: " + strings.TrimSpace(s) + "\nAnswer:"
}

// bbhOption matches "(A) text" lines of BIG-Bench Hard, and its "- Yes" lines.
var bbhOption = regexp.MustCompile(`(?m)^(?:\(([A-Z])\)|-) (.+)$`)

// fromBBH reads {examples: [{input, target}]}: multiple choice where the input lists
// options, exact match otherwise. Rows whose target is not among their options are left
// out: commit 9ee07bd has three (in movie_recommendation, ruin_names and snarks).
func fromBBH(r io.Reader, _ string) ([]Task, error) {
	var file struct {
		Examples []struct{ Input, Target string }
	}
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, err
	}
	if len(file.Examples) == 0 {
		return nil, errors.New("no examples")
	}
	var tasks []Task
	for _, e := range file.Examples {
		t := Task{Prompt: "Q: " + e.Input + "\nA:", Target: e.Target}
		if head, list, ok := strings.Cut(e.Input, "\nOptions:\n"); ok {
			t = Task{Prompt: "Q: " + head + "\nA:", Gold: -1}
			for k, m := range bbhOption.FindAllStringSubmatch(list, -1) {
				option := strings.TrimSpace(m[2])
				t.Choices = append(t.Choices, option)
				if e.Target == "("+m[1]+")" || e.Target == option {
					t.Gold = k
				}
			}
		}
		if t.Target == "" && (t.Gold < 0 || len(t.Choices) < 2) {
			continue
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// clincOptions is how many intents a query of CLINC150 is put beside.
const clincOptions = 10

// fromCLINC150 reads {test: [[query, intent]], oos_test: …}: ten intents to choose from,
// the right one among nine that the query's digest picks. Out-of-scope queries are left
// out: no intent is right for them.
func fromCLINC150(r io.Reader, _ string) (tasks []Task, err error) {
	var file struct{ Test [][2]string }
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, err
	}
	var intents []string
	for _, row := range file.Test {
		intents = append(intents, row[1])
	}
	slices.Sort(intents)
	intents = slices.Compact(intents)
	for _, row := range file.Test {
		t := Task{Prompt: "Request: " + row[0] + "\nIntent:"}
		for _, intent := range pick(intents, row[1], row[0]) {
			if intent == row[1] {
				t.Gold = len(t.Choices)
			}
			t.Choices = append(t.Choices, strings.ReplaceAll(intent, "_", " "))
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// pick returns gold and up to clincOptions-1 others, in alphabetical order: those whose
// digest together with the query is smallest.
func pick(all []string, gold, query string) []string {
	digest := func(s string) uint64 {
		h := fnv.New64a()
		_, _ = io.WriteString(h, query+"\x00"+s) // never fails
		return h.Sum64()
	}
	others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == gold })
	slices.SortFunc(others, func(a, b string) int {
		if digest(a) < digest(b) {
			return -1
		}
		return 1
	})
	picked := append(others[:min(len(others), clincOptions-1)], gold)
	slices.Sort(picked)
	return picked
}

// fromMMLU reads rows of question, four answers and the right one's letter.
func fromMMLU(r io.Reader, _ string) (tasks []Task, err error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = 6
	rows, err := in.ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		t := Task{Prompt: "Question: " + strings.TrimSpace(row[0]) + "\nAnswer:", Choices: row[1:5]}
		t.Gold = strings.Index("ABCD", row[5])
		tasks = append(tasks, t)
	}
	return tasks, nil
}
