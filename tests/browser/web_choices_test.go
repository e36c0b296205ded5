package browser

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// choiceUsage is what a request for several choices says that it took.
type choiceUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// choice is one of a completion's, with its logprobs.
type choice struct {
	Index        int
	Text         string
	FinishReason string `json:"finish_reason"`
	Logprobs     struct {
		Values []float64 `json:"token_logprobs"`
	}
}

func TestWebChoices(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	must[any](tb, `window.asked = { prompt: "Once upon a time", max_tokens: 30, temperature: 1, logprobs: 1, stop: ["."] }`)
	type answer struct {
		Choices []choice
		Usage   choiceUsage
	}
	single := must[[]answer](tb, `
		const all = [];
		for (const seed of [7, 8, 9]) all.push(await engine.completions.create({ ...asked, seed }));
		return all;`)
	t.Run("completion", func(t *testing.T) {
		got := must[answer](tb, `return await engine.completions.create({ ...asked, seed: 7, n: 3 })`)
		if len(got.Choices) != 3 {
			t.Fatalf("%d choices, want 3", len(got.Choices))
		}
		want := choiceUsage{Prompt: single[0].Usage.Prompt}
		for i, c := range got.Choices {
			alone := single[i].Choices[0]
			if c.Index != i || c.Text != alone.Text || c.FinishReason != alone.FinishReason || !slices.Equal(c.Logprobs.Values, alone.Logprobs.Values) {
				t.Errorf("choice %d = %+v, alone %+v", i, c, alone)
			}
			want.Completion += single[i].Usage.Completion
		}
		want.Total = want.Prompt + want.Completion
		if got.Usage != want {
			t.Errorf("usage = %+v, want %+v", got.Usage, want)
		}
		if got.Choices[0].Text == got.Choices[1].Text {
			t.Errorf("two seeds gave %q", got.Choices[0].Text)
		}
	})
	t.Run("streamed completion", func(t *testing.T) {
		got := must[streamed](tb, `
			const params = { ...asked, seed: 7, n: 3, stream: true, stream_options: { include_usage: true } };
			return await byChoice(await engine.completions.create(params), (c) => c.text)`)
		texts := []string{single[0].Choices[0].Text, single[1].Choices[0].Text, single[2].Choices[0].Text}
		got.check(t, texts, single[0].Usage.Prompt)
	})
	t.Run("echo", func(t *testing.T) {
		got := must[streamed](tb, `
			const params = { ...asked, seed: 7, n: 2, echo: true, stream: true };
			return await byChoice(await engine.completions.create(params), (c) => c.text)`)
		for i, text := range got.Texts {
			if want := "Once upon a time" + single[i].Choices[0].Text; text != want {
				t.Errorf("choice %d = %q, want %q", i, text, want)
			}
		}
	})
	t.Run("greedy choices are equal", func(t *testing.T) {
		got := must[[]string](tb, `
			const r = await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0, n: 3 });
			return r.choices.map((c) => c.text)`)
		if !slices.Equal(got, []string{story, story, story}) {
			t.Errorf("choices = %q, want %q", got, story)
		}
	})
	t.Run("random seeds differ", func(t *testing.T) {
		got := must[[]string](tb, `
			const r = await engine.completions.create({ prompt: "The dog", max_tokens: 40, temperature: 1, n: 2 });
			return r.choices.map((c) => c.text)`)
		if len(got) != 2 || got[0] == got[1] {
			t.Errorf("choices without a seed = %q", got)
		}
	})
}

// streamed is what byChoice gathers of a stream: each choice's text, the pieces in the
// order they came, how often a choice ended, and where and when the timing came.
type streamed struct {
	Texts    []string
	Order    []int // indices of the pieces that had text
	Finishes []int // pieces with a finish_reason, by choice
	Timed    []int // indices of the pieces with x_timing
	Roles    int
	Logprobs []int
	Usage    *choiceUsage
}

func (s streamed) check(t *testing.T, texts []string, promptTokens int) {
	t.Helper()
	if !slices.Equal(s.Texts, texts) {
		t.Errorf("texts = %q, want %q", s.Texts, texts)
	}
	if !slices.IsSorted(s.Order) || !slices.Equal(slices.Compact(slices.Clone(s.Order)), []int{0, 1, 2}) {
		t.Errorf("pieces came in the order %v", s.Order)
	}
	if !slices.Equal(s.Finishes, []int{1, 1, 1}) || !slices.Equal(s.Timed, []int{2}) {
		t.Errorf("finish reasons %v, timing with %v, want one each and the last choice's", s.Finishes, s.Timed)
	}
	if s.Usage == nil || s.Usage.Prompt != promptTokens || s.Usage.Total != s.Usage.Prompt+s.Usage.Completion {
		t.Errorf("usage = %+v, want %d prompt tokens", s.Usage, promptTokens)
	}
}

func TestWebChatChoices(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	must[any](tb, `window.asked = { messages: [{ role: "user", content: "One day" }], max_tokens: 25, temperature: 0.9, seed: 3, logprobs: true }`)
	whole := must[struct {
		Texts    []string
		Indices  []int
		Logprobs []int
		Usage    choiceUsage
	}](tb, `
		const { choices, usage } = await engine.chat.completions.create({ ...asked, n: 3 });
		return {
			texts: choices.map((c) => c.message.content), indices: choices.map((c) => c.index),
			logprobs: choices.map((c) => c.logprobs.content.length), usage };`)
	alone := must[[]string](tb, `
		const texts = [];
		for (const seed of [3, 4, 5]) texts.push((await engine.chat.completions.create({ ...asked, seed })).choices[0].message.content);
		return texts;`)
	if !slices.Equal(whole.Texts, alone) || !slices.Equal(whole.Indices, []int{0, 1, 2}) {
		t.Errorf("choices %v = %q, alone %q", whole.Indices, whole.Texts, alone)
	}
	if !slices.Equal(whole.Logprobs, []int{25, 25, 25}) || whole.Usage.Completion != 75 {
		t.Errorf("logprobs of %v tokens, usage %+v, want 25 for each", whole.Logprobs, whole.Usage)
	}
	got := must[streamed](tb, `
		const params = { ...asked, n: 3, stream: true, stream_options: { include_usage: true } };
		return await byChoice(await engine.chat.completions.create(params), (c) => c.delta.content ?? "")`)
	got.check(t, alone, whole.Usage.Prompt)
	if got.Roles != 3 || !slices.Equal(got.Logprobs, []int{25, 25, 25}) {
		t.Errorf("%d roles, logprobs of %v tokens, want 3, and 25 for each", got.Roles, got.Logprobs)
	}
}

// The prompt's prefill is most of these requests: were it done again for every choice, sixteen would take sixteen times one's.
func TestWebChoicesPrefillOnce(t *testing.T) {
	tb := openTab(t, slowSite(t).URL)
	must[any](tb, makeSlowEngine)
	got := must[[]float64](tb, `
		const ask = async (at, n) =>
			(await engine.completions.create({ prompt: longPrompt.slice(at, at + 500), max_tokens: 1, n })).x_timing.prefill_ms;
		return [await ask(0, 1), await ask(1, 16)];`)
	t.Logf("prefill of one choice %.0f ms, of sixteen %.0f ms", got[0], got[1])
	if got[1] > 6*got[0] {
		t.Errorf("prefill of sixteen choices took %.0f ms, of one %.0f", got[1], got[0])
	}
}

func TestWebChoicesStop(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	params := `{ prompt: "Once upon a time", max_tokens: 60, temperature: 1, seed: 1, n: 16, stream: true }`
	const seen = `const seen = new Set();`
	for _, tt := range []struct{ name, body, want string }{
		{"abort in the second choice", `
			const abort = new AbortController();
			try {
				for await (const c of await engine.completions.create(` + params + `, { signal: abort.signal })) {
					seen.add(c.choices[0].index);
					if (c.choices[0].index === 1) abort.abort();
				}
			} catch (err) { return err.name + " " + Math.max(...seen) }`, "AbortError 1"},
		{"leaving the loop", `
			for await (const c of await engine.completions.create(` + params + `)) if (c.choices[0].index === 1) break;
			return "left"`, "left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := must[string](tb, seen+tt.body); got != tt.want {
				t.Errorf("ended with %q, want %q", got, tt.want)
			}
			got := must[string](tb, `return (await engine.completions.create({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 })).choices[0].text`)
			if got != story {
				t.Errorf("the next answer is %q, want %q", got, story)
			}
		})
	}
}

func TestWebChoicesRefused(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	for _, n := range []string{"0", "17", "-1", "1.5", `"2"`, "NaN"} {
		for _, call := range []string{
			`engine.completions.create({ prompt: "a", max_tokens: 1, n: %s })`,
			`engine.chat.completions.create({ messages: [{ role: "user", content: "a" }], max_tokens: 1, n: %s })`,
		} {
			if o := try[any](tb, "await "+fmt.Sprintf(call, n)); o.Name != "BadRequestError" || o.Code != "ERR_BAD_REQUEST" {
				t.Errorf("n of %s: %+v, want ERR_BAD_REQUEST", n, o)
			}
		}
	}
	for name, body := range map[string]string{
		"no seed for the last": `await engine.completions.create({ prompt: "a", max_tokens: 1, n: 2, seed: Number.MAX_SAFE_INTEGER })`,
		"hybrid":               `pastel.offload.engineDevice(engine, { params: { n: 2 } })`,
	} {
		if o := try[any](tb, body); o.Code != "ERR_BAD_REQUEST" {
			t.Errorf("%s: %+v, want ERR_BAD_REQUEST", name, o)
		}
	}
}

// TestWebChoose: options' log-probabilities are those that a completion reports of its
// first token, and the device of a router takes them for its confidence.
func TestWebChoose(t *testing.T) {
	tb := openTab(t, engineSite(t).URL)
	must[any](tb, makeEngine)
	got := must[struct {
		Made struct {
			Index    int
			Text     string
			LogProbs []float64
		}
		Reported []float64
		Device   []struct {
			Text    string
			Signals map[string]float64
		}
	}](tb, `
		const messages = [{ role: "user", content: "The sky is" }];
		const options = ["blue", "very", " so"];
		const made = await engine.chat.completions.choose({ messages, options });
		const top = (await engine.completions.create({ prompt: "The sky is", max_tokens: 1, temperature: 0, logprobs: 20 }))
			.choices[0].logprobs.top_logprobs[0];
		const reported = [" b", " very", " so"].map((text) => top[text]);
		const device = [];
		for await (const piece of pastel.engineDevice(engine, { options }).answer(messages, new AbortController().signal)) device.push(piece);
		return { made, reported, device };`)
	for i, want := range got.Reported {
		if d := math.Abs(got.Made.LogProbs[i] - want); !(d < 1e-4) { // float32 logits, one row computed by a decode, the other by a prefill
			t.Errorf("option %d: %v, reported %v", i, got.Made.LogProbs, got.Reported)
		}
	}
	if best := slices.Max(got.Made.LogProbs); got.Made.LogProbs[got.Made.Index] != best || got.Made.Text == "" {
		t.Errorf("chosen: %+v", got.Made)
	}
	if d := got.Device; len(d) != 1 || d[0].Text != got.Made.Text || !(d[0].Signals["max_prob"] > 1.0/3) || d[0].Signals["geo_mean"] != 0 {
		t.Errorf("device: %+v", d)
	}
	for name, params := range map[string]string{
		"one option":  `options: ["yes"]`,
		"an empty":    `options: ["yes", ""]`,
		"none":        ``,
		"same letter": `options: ["yes", "yesterday was yes"]`,
	} {
		if o := try[any](tb, `await engine.chat.completions.choose({ messages: [{ role: "user", content: "a" }], `+params+` })`); o.Code != "ERR_BAD_REQUEST" {
			t.Errorf("%s: %s %q", name, o.Code, o.Message)
		}
	}
}
