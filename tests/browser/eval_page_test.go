package browser

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pastel/eval"
)

// Eight tasks, of which a model of stories gets most right: enough for a run that is
// stopped in the middle.
const evalTasks = `{"id":"1","set":"choice","prompt":"Once upon a","choices":["banana","time"],"gold":1}
{"id":"2","set":"choice","prompt":"There was a little","choices":["girl","seventeen"],"gold":0}
{"id":"3","set":"choice","contexts":["She was very big and","Once upon a"],"continuation":"time, there was a little girl","gold":1}
{"id":"4","set":"written","prompt":"Once upon a time, there was a little girl named","target":"Lily"}
{"id":"5","set":"stories","prompt":"Once upon a time, there was a little girl named Lily."}
{"id":"6","set":"stories","prompt":"She liked to play in the park."}
{"id":"7","set":"choice","prompt":"The dog was very","choices":["happy","about"],"gold":0}
{"id":"8","set":"choice","prompt":"She went to the","choices":["park","was"],"gold":0}
`

// storedRecords are what the page has kept, in the order of the tasks.
const storedRecords = `new Promise((resolve, reject) => {
	const open = indexedDB.open("pastel-eval");
	open.onerror = () => reject(open.error);
	open.onsuccess = () => {
		const all = open.result.transaction("records").objectStore("records").getAll();
		all.onsuccess = () => { open.result.close(); resolve(all.result); };
	};
})`

// TestEvalPage walks through the page /eval by its form: a run is stopped, the page is
// loaded again, and the run goes on with what was graded; in hybrid mode more of a
// budget sends more.
func TestEvalPage(t *testing.T) {
	tasks := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(tasks, []byte(evalTasks), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openEval(t, tasks)

	// Stopped after the first task was counted.
	d.eval(`(() => {
		const stop = new MutationObserver(() => {
			if (!/^[1-7] of 8/.test(document.getElementById("status").textContent)) return;
			stop.disconnect();
			document.getElementById("run").click();
		});
		stop.observe(document.getElementById("status"), { childList: true });
	})()`, nil)
	d.click("run")
	d.waitFor(`document.getElementById("status").textContent.startsWith("stopped")`)

	var kept []eval.Record
	d.eval(storedRecords, &kept)
	if len(kept) == 0 || len(kept) == 8 {
		t.Fatalf("%d of 8 tasks were graded before the stop", len(kept))
	}

	d.reload()
	d.waitFor(`document.getElementById("run")?.textContent === "Grade"`)
	d.click("run")
	records := d.graded(8)
	for i, r := range kept {
		if records[i].Seconds != r.Seconds {
			t.Errorf("task %s was graded again after the reload", r.ID)
		}
	}
	for i, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		if records[i].ID != id || records[i].Server != nil {
			t.Errorf("record %d: %+v", i, records[i])
		}
	}
	if !records[0].Device.Right || !records[2].Device.Right || records[4].Device.Tokens == 0 {
		t.Errorf("records %+v", records)
	}
	var table string
	d.eval(`document.getElementById("rows").textContent`, &table)
	for _, want := range []string{"accuracy (95%)", "choice", "written", "stories", "all"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in the table %q", want, table)
		}
	}

	d.set("mode", "hybrid")
	d.set("server", "./models/server.gguf")
	d.click("run")
	for _, r := range d.graded(8) {
		if r.Server == nil {
			t.Errorf("task %s was not put to the server", r.ID)
		}
	}
	for budget, share := range map[string]string{"0": "0.0%", "100": "100.0%"} {
		d.set("budget", budget)
		d.eval(`document.querySelector("#rows tr:last-child td:nth-child(5)").textContent`, &table)
		if table != share {
			t.Errorf("a budget of %s%% sends %s", budget, table)
		}
	}
}

// openEval opens the page with a file of tasks and two models beside it.
func openEval(t *testing.T, tasks string) *hybridDemo {
	t.Helper()
	page := eval.Page{Web: "../../web", Tasks: tasks, Model: "../../testdata/models/stories260K.gguf", Server: "../../testdata/models/TinyStories-656K-Q4_0.gguf"}
	server, err := page.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return &hybridDemo{tab: openTab(t, server.URL+"/eval/index.html")}
}

// TestEvalPageRefuses: what eval.Read refuses, the page does, naming the line.
func TestEvalPageRefuses(t *testing.T) {
	d := openEval(t, os.DevNull)
	const good = `{"id":"1","set":"s","prompt":"a","choices":["b","c"],"gold":1}` + "\n"
	for name, line := range map[string]string{
		"no JSON":                     `{`,
		"no set":                      `{"id":"2","prompt":"a","target":"b"}`,
		"one option":                  `{"id":"2","set":"s","prompt":"a","choices":["b"]}`,
		"an answer that is not there": `{"id":"2","set":"s","prompt":"a","choices":["b","c"],"gold":2}`,
		"two kinds of answers":        `{"id":"2","set":"s","prompt":"a","choices":["b","c"],"target":"b"}`,
		"nothing to continue":         `{"id":"2","set":"s","contexts":["b","c"]}`,
		"no prompt":                   `{"id":"2","set":"s","prompt":" "}`,
		"twice":                       `{"id":"1","set":"s","prompt":"a"}`,
	} {
		if _, err := eval.Read(strings.NewReader(good + line + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: eval.Read says %v", name, err)
		}
		d.set("tasks", "data:,"+url.PathEscape(good+line+"\n"))
		d.eval(`document.getElementById("status").textContent = ""`, nil)
		d.click("run")
		d.waitFor(`document.getElementById("status").textContent.includes("line 2")`)
	}
}

// graded waits for a finished run and returns the records the page shows.
func (d *hybridDemo) graded(n int) (records []eval.Record) {
	d.t.Helper()
	d.waitFor(`document.getElementById("run").textContent === "Grade"`)
	var text string
	d.eval(`document.getElementById("json").textContent`, &text)
	for line := range strings.Lines(text) {
		var r eval.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			d.t.Fatal(err)
		}
		records = append(records, r)
	}
	if len(records) != n {
		d.eval(`document.getElementById("status").textContent`, &text)
		d.t.Fatalf("%d records, want %d: %s", len(records), n, text)
	}
	return records
}
