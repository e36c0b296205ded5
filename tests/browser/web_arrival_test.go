package browser

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// arrivingModel is a file of a dozen chunks, the weights drawn from a seed.
func arrivingModel(t *testing.T, seed uint64) *modelFile {
	t.Helper()
	config, err := testmodel.Shape("135m", tensor.Q4_0)
	if err != nil {
		t.Fatal(err)
	}
	config.Seed = seed
	var b bytes.Buffer
	if err := config.Write(&b); err != nil {
		t.Fatal(err)
	}
	return &modelFile{content: b.Bytes(), etag: fmt.Sprintf(`"%d"`, seed)}
}

// answered is what a model says, with its certainties: two models differ in all of them.
const answered = `(await engine.completions.create({ prompt: [5, 6, 7], max_tokens: 6, temperature: 0, logprobs: 0 })).choices[0].logprobs.token_logprobs`

// madeFrom is JavaScript that loads a model and returns what it says, with the events on
// the way.
func madeFrom(model string) string {
	return `
		const events = [];
		window.engine?.close();
		window.engine = await pastel.Engine.create({ model: ` + model + `, contextLength: 128, onProgress: (p) => events.push(p) });
		return { says: ` + answered + `, phases: events.map((e) => e.phase), ratios: events.map((e) => e.ratio) };`
}

// made is what madeFrom returns.
type made struct {
	Says   []float64
	Phases []string
	Ratios []float64
}

// A model is made of its first chunks while the rest is still coming, and is the same
// as of a whole file.
func TestWebLoadWhileArriving(t *testing.T) {
	s := engineSite(t)
	f, changed := arrivingModel(t, 1), arrivingModel(t, 2)
	s.mux.Handle("/model.gguf", f)
	s.mux.Handle("/other.gguf", changed)
	tb := openTab(t, s.URL)
	blob := func(path string) made {
		return must[made](tb, madeFrom(`await (await fetch("`+path+`")).blob()`))
	}
	want, other := blob("/model.gguf"), blob("/other.gguf")
	if len(want.Says) != 6 || slices.Equal(want.Says, other.Says) {
		t.Fatalf("the models say %v and %v", want.Says, other.Says)
	}
	f.served()

	t.Run("from the network", func(t *testing.T) {
		got := must[made](tb, madeFrom(`"/model.gguf"`))
		checkArrived(t, got, want, "download", "load")
		if got := must[made](tb, madeFrom(`"/model.gguf"`)); !slices.Equal(got.Says, want.Says) || slices.Contains(got.Phases, "download") {
			t.Errorf("from storage: %+v", got)
		}
		if _, n := f.served(); n > int64(len(f.content))+10 {
			t.Errorf("%d bytes were sent for a file of %d", n, len(f.content))
		}
	})
	t.Run("with a published digest", func(t *testing.T) {
		must[any](tb, `await pastel.clearModels()`)
		checkArrived(t, must[made](tb, madeFrom(`{ url: "/model.gguf", sha256: "`+f.digest()+`" }`)), want, "download", "verify", "load")
		must[any](tb, `await pastel.clearModels()`)
		o := try[any](tb, madeFrom(`{ url: "/model.gguf", sha256: "`+strings.Repeat("0", 64)+`" }`))
		if o.Code != "ERR_HASH" {
			t.Errorf("a wrong digest: %q %s", o.Code, o.Message)
		}
	})
	t.Run("without ranges", func(t *testing.T) {
		must[any](tb, `await pastel.clearModels()`)
		f.change(func() { f.noRanges = true })
		defer f.change(func() { f.noRanges = false })
		checkArrived(t, must[made](tb, madeFrom(`"/model.gguf"`)), want, "download", "load")
	})
	t.Run("two engines, one download", func(t *testing.T) {
		must[any](tb, `await pastel.clearModels(); window.engine.close(); window.engine = undefined`)
		f.served()
		got := must[[]float64](tb, `
			const both = await Promise.all([1, 2].map(() => pastel.Engine.create({ model: "/model.gguf", contextLength: 128 })));
			const says = [];
			for (const engine of both) says.push(...`+answered+`);
			both.forEach((engine) => engine.close());
			return says;`)
		if !slices.Equal(got, slices.Concat(want.Says, want.Says)) {
			t.Errorf("they say %v, want twice %v", got, want.Says)
		}
		if _, n := f.served(); n > int64(len(f.content))+10 {
			t.Errorf("%d bytes were sent for a file of %d", n, len(f.content))
		}
	})
	t.Run("aborted, then changed on the server", func(t *testing.T) {
		must[any](tb, `await pastel.clearModels()`)
		f.served()
		f.change(func() { f.perKB = time.Millisecond })
		tb.eval(`(() => {
			window.stop = new AbortController();
			window.load = outcome(() => pastel.Engine.create({ model: "/model.gguf", signal: stop.signal }));
		})()`, nil)
		f.waitBytes(t, 50<<20) // some chunks are whole
		if o := try[any](tb, `stop.abort(); const { name, code } = await load; return { name, code }`); o.Name != "" {
			t.Fatal(o)
		}
		if o := must[struct{ Name string }](tb, `return { name: (await load).name }`); o.Name != "AbortError" {
			t.Errorf("aborted: %q", o.Name)
		}
		if n := must[float64](tb, `return (await pastel.listModels())[0].stored`); n < 8<<20 {
			t.Errorf("%v bytes stayed", n)
		}
		f.change(func() { f.perKB, f.content, f.etag = 0, changed.content, changed.etag })
		// What came of the old file is no use: the download begins again, as its progress says.
		if got := must[made](tb, madeFrom(`"/model.gguf"`)); !slices.Equal(got.Says, other.Says) || got.Ratios[len(got.Ratios)-1] != 1 {
			t.Errorf("of the new file: %+v, want %v", got, other.Says)
		}
	})
}

// checkArrived: the model is right, and every phase follows the one before, from 0 to 1.
func checkArrived(t *testing.T, got, want made, phases ...string) {
	t.Helper()
	if !slices.Equal(got.Says, want.Says) {
		t.Errorf("the model says %v, want %v", got.Says, want.Says)
	}
	if order := slices.Compact(slices.Clone(got.Phases)); !slices.Equal(order, phases) {
		t.Errorf("phases %v, want %v", order, phases)
	}
	for _, phase := range phases {
		first, last := slices.Index(got.Phases, phase), len(got.Phases)-1
		for last > 0 && got.Phases[last] != phase {
			last--
		}
		if first < 0 || got.Ratios[first] != 0 || got.Ratios[last] != 1 || !slices.IsSorted(got.Ratios[first:last+1]) {
			t.Errorf("%s goes %v", phase, got.Ratios)
		}
	}
}

// What is no model is refused when its first chunk is there, and not fetched to its end.
func TestWebRefusedWhileArriving(t *testing.T) {
	s := engineSite(t)
	f := newModelFile(96 << 20)
	f.perKB = time.Millisecond
	s.mux.Handle("/none.gguf", f)
	tb := openTab(t, s.URL)
	o := try[any](tb, `return await pastel.Engine.create({ model: "/none.gguf" })`)
	if o.Code != "ERR_BAD_FILE" {
		t.Errorf("load: %q %s", o.Code, o.Message)
	}
	time.Sleep(100 * time.Millisecond)
	_, before := f.served()
	time.Sleep(300 * time.Millisecond)
	if _, after := f.served(); after > 4<<20 || before > 80<<20 {
		t.Errorf("%d bytes were sent before it was refused, %d more later", before, after)
	}
}
