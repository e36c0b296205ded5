package eval

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A Record is one graded task, a line of the results.
type Record struct {
	ID      string  `json:"id"`
	Set     string  `json:"set"`
	Kind    Kind    `json:"kind"`
	Method  Method  `json:"method,omitempty"` // multiple choice
	Device  Answer  `json:"device"`
	Server  *Answer `json:"server,omitempty"` // the larger model's, in hybrid mode
	Seconds float64 `json:"seconds"`

	ServerSeconds float64 `json:"server_seconds,omitempty"`
}

// A Grader puts a task to a model, wherever the model runs.
type Grader interface {
	Grade(ctx context.Context, t *Task, method Method) (Answer, error)
}

// On grades with a model of this process.
func On(m Model) Grader { return onModel{m} }

type onModel struct{ Model }

func (g onModel) Grade(ctx context.Context, t *Task, method Method) (Answer, error) {
	return Grade(ctx, g.Model, t, method)
}

// A Run grades tasks and keeps what it has graded, so that a run that was stopped
// goes on where it stopped.
type Run struct {
	Device Grader
	Server Grader // nil: device only
	Method Method
	// Results is the file records are appended to, "" for none. Its records of an
	// earlier run are kept when they fit, and their tasks are not graded again.
	Results  string
	Progress func(done, total, right int) // may be nil
}

// Do grades tasks in order and returns their records.
//
// Errors: the models', and those of the results file; what was graded stays in it.
func (r *Run) Do(ctx context.Context, tasks []Task) (records []Record, err error) {
	done, out, err := r.resume()
	if err != nil {
		return nil, err
	}
	if out != nil {
		defer func() {
			if closing := out.Close(); err == nil {
				err = closing
			}
		}()
	}
	records = make([]Record, 0, len(tasks))
	right := 0
	for i := range tasks {
		record, have := done[tasks[i].ID]
		if !have || !r.fits(&record, &tasks[i]) {
			if record, err = r.grade(ctx, &tasks[i]); err != nil {
				return records, fmt.Errorf("eval: task %s: %w", tasks[i].ID, err)
			}
			if err := appendRecord(out, record); err != nil {
				return records, err
			}
		}
		records = append(records, record)
		if record.Device.Right {
			right++
		}
		if r.Progress != nil {
			r.Progress(i+1, len(tasks), right)
		}
	}
	return records, nil
}

// fits reports whether a record is one this run would make.
func (r *Run) fits(record *Record, t *Task) bool {
	return record.Set == t.Set && record.Kind == t.Kind() && (record.Kind != Choice || record.Method == r.Method) && (record.Server != nil) == (r.Server != nil)
}

// grade asks the device and, if there is one, the server.
func (r *Run) grade(ctx context.Context, t *Task) (record Record, err error) {
	record = Record{ID: t.ID, Set: t.Set, Kind: t.Kind()}
	if record.Kind == Choice {
		record.Method = r.Method
	}
	if record.Device, record.Seconds, err = timed(ctx, r.Device, t, r.Method); err != nil || r.Server == nil {
		return record, err
	}
	answer, seconds, err := timed(ctx, r.Server, t, r.Method)
	record.Server, record.ServerSeconds = &answer, seconds
	return record, err
}

func timed(ctx context.Context, g Grader, t *Task, method Method) (Answer, float64, error) {
	begun := time.Now()
	answer, err := g.Grade(ctx, t, method)
	return answer, time.Since(begun).Seconds(), err
}

// resume reads the records of an earlier run and opens the file behind the last whole
// line: a run that was killed may have left half a line.
func (r *Run) resume() (map[string]Record, *os.File, error) {
	if r.Results == "" {
		return nil, nil, nil
	}
	f, err := os.OpenFile(r.Results, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	done, end, err := readRecords(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return done, f, nil
}

// readRecords returns the records of all whole lines by task, and where the last of
// them ends.
func readRecords(r io.Reader) (done map[string]Record, end int64, err error) {
	done = map[string]Record{}
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return done, end, nil // what is left has no end: half a line
		}
		if err != nil {
			return nil, 0, err
		}
		end += int64(len(line))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var record Record
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, 0, fmt.Errorf("eval: results: %w: is this a file of results?", err)
		}
		done[record.ID] = record
	}
}

func appendRecord(f *os.File, record Record) error {
	if f == nil {
		return nil
	}
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return err
}
