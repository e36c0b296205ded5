package browser

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pastel/worker"
	"pastel/worker/native"
	"pastel/worker/poolblend"
	"pastel/worker/suite"
)

// typed are ten requests as somebody types them, none of them from the pool's data.
const typed = `["please freeze my account", "how much money do i have", "what is the routing number of my bank",
	"pay my electric bill", "move money into savings", "my card was declined", "when is my bill due",
	"order new checks for me", "is there a hold on my account", "what are the interest rates"]`

// poolSite is engineSite with testdata/pool at /pool/, requests counted by path.
type poolSite struct {
	*site
	mu     sync.Mutex
	served map[string]int
	bodies []string // of the requests to /v1/
	down   bool
}

func newPoolSite(t *testing.T) *poolSite {
	t.Helper()
	s := &poolSite{site: engineSite(t), served: map[string]int{}}
	files := http.StripPrefix("/pool/", http.FileServer(http.Dir("../../testdata/pool")))
	s.mux.HandleFunc("/pool/", func(w http.ResponseWriter, r *http.Request) {
		if s.count(r.URL.Path) {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		files.ServeHTTP(w, r)
	})
	return s
}

func (s *poolSite) count(path string) (down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[path]++
	return s.down
}

func (s *poolSite) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	s.served = map[string]int{}
}

func (s *poolSite) requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

type customized struct {
	ID       string
	PoolID   string
	Adapters []string
	Scores   []float64
	Weights  []float64
	Stored   bool
	Loss     *struct{ Start, End, Evals float64 }
	Ms       struct{ Load, Embed, Refine, Blend, Total, Store float64 }
}

const makeAdapter = `engine.customize(` + typed + `, { pool: "/pool/pool.json" })`

// ask10 is JavaScript for a short greedy answer with a mix of adapters.
func ask10(lora string) string {
	return `(await engine.completions.create({ prompt: "what is the balance of", max_tokens: 10, temperature: 0, lora: ` + lora + ` }))`
}

// TestWebCustomize: an adapter made in the page changes answers, outlives the page, and
// needs no network afterwards.
func TestWebCustomize(t *testing.T) {
	s := newPoolSite(t)
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	got := must[customized](tb, `return window.made = await `+makeAdapter)
	t.Logf("%+v", got.Ms)
	checkWeights(t, got)
	if !got.Stored {
		t.Error("the adapter was not stored")
	}
	mix := fmt.Sprintf(`[{ id: %q, scale: 1 }]`, got.ID)
	base, mine := must[string](tb, "return "+ask10("[]")+".choices[0].text"), must[string](tb, "return "+ask10(mix)+".choices[0].text")
	if base == mine {
		t.Errorf("with and without the adapter: %q", base)
	}
	t.Run("a cache is not reused for other adapters", func(t *testing.T) { checkCache(t, tb, got.ID, base, mine) })
	t.Run("again, from memory", func(t *testing.T) {
		before := len(s.requests())
		again := must[customized](tb, "return await "+makeAdapter)
		if again.ID != got.ID || len(s.requests()) != before {
			t.Errorf("again: %s, was %s; %d files asked for, were %d", again.ID, got.ID, len(s.requests()), before)
		}
		t.Logf("%+v", again.Ms)
	})
	t.Run("after a reload, without the pool's server", func(t *testing.T) {
		s.stop()
		tb.reload()
		must[any](tb, makeEngine)
		if text := must[string](tb, "return "+ask10(mix)+".choices[0].text"); text != mine {
			t.Errorf("text = %q, was %q", text, mine)
		}
		list := must[[]customized](tb, `return await pastel.listAdapters()`)
		if len(list) != 1 || list[0].ID != got.ID || !slices.Equal(list[0].Weights, got.Weights) {
			t.Errorf("listAdapters = %+v", list)
		}
		again := must[customized](tb, "return await "+makeAdapter)
		if again.ID != got.ID || len(s.requests()) != 0 {
			t.Errorf("customize offline: %s, was %s; asked for %v", again.ID, got.ID, s.requests())
		}
	})
	t.Run("delete everything", func(t *testing.T) {
		left := must[[]any](tb, `await pastel.clearModels(); return [...await pastel.listAdapters(), ...await pastel.listModels()]`)
		if len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// checkWeights: the samples are about banking, and so is most of what went in.
// regionScript scopes requests like the samples and others, with the region of an adapter
// made here and of the one that was stored.
const regionScript = `
	const [stored] = await pastel.listAdapters();
	const scopes = async (region, texts) => {
		const device = pastel.engineDevice(engine, { region, params: { max_tokens: 12, temperature: 0 } });
		const out = [];
		for await (const s of pastel.offload.score(device, texts)) out.push(s);
		return out;
	};
	const inside = ["freeze my savings account", "what is the balance of my account", "my bank card does not work", "when must i pay my bill"];
	const outside = ["how do you say cat in french", "will it rain tomorrow", "tell me a joke", "set the oven to ten minutes"];
	const near = await scopes(made.region, inside), far = await scopes(made.region, outside);
	const again = await scopes(stored.region, inside);
	const all = [...near, ...far];
	const cut = pastel.offload.calibrate(all, 0.5);
	return {
		dims: made.region.samples.map((s) => s.length), mean: made.region.mean.length,
		near: near.map((s) => s.signals.scope), far: far.map((s) => s.signals.scope), again: again.map((s) => s.signals.scope),
		known: Object.keys(all[0].signals).sort(), usage: cut.usage, threshold: pastel.offload.scopeThreshold(made.region),
	};`

// TestWebRegion: what was customised says what is in scope, also after a reload, and
// queries nobody graded are enough for a budget.
func TestWebRegion(t *testing.T) {
	s := newPoolSite(t)
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	must[any](tb, `window.made = await `+makeAdapter)
	got := must[struct {
		Dims             []int
		Mean             int
		Near, Far, Again []float64
		Known            []string
		Usage            float64
		Threshold        struct{ On bool }
	}](tb, regionScript)
	if len(got.Dims) != 10 || got.Dims[0] != got.Mean || got.Mean != 64 || !got.Threshold.On {
		t.Errorf("region %+v, want 10 samples of 64", got)
	}
	if mean(got.Near) <= mean(got.Far) || !slices.Equal(got.Near, got.Again) {
		t.Errorf("scope of what is near %v (stored %v), of what is far %v", got.Near, got.Again, got.Far)
	}
	if want := []string{"early", "geo_mean", "nearest", "scope"}; !slices.Equal(got.Known, want) || got.Usage != 0.5 {
		t.Errorf("signals %v, want %v; half the budget sends %v", got.Known, want, got.Usage)
	}
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

func checkWeights(t *testing.T, got customized) {
	t.Helper()
	sum := 0.0
	for _, w := range got.Weights {
		sum += w
	}
	best := slices.Index(got.Weights, slices.Max(got.Weights))
	if math.Abs(sum-1) > 1e-12 || len(got.Scores) != 8 || best != slices.Index(got.Scores, slices.Max(got.Scores)) {
		t.Errorf("scores %v, weights %v", got.Scores, got.Weights)
	}
}

// checkCache asks the same with other adapters in turn: every answer is the first one
// of its adapters, and nothing of the prompt is taken from the cache of another set.
func checkCache(t *testing.T, tb *tab, id, base, mine string) {
	t.Helper()
	for _, x := range []struct {
		lora, want string
		cached     bool // the request before had the same adapters
	}{
		{"[]", base, false},
		{"[]", base, true},
		{fmt.Sprintf(`[{ id: %q, scale: 1 }]`, id), mine, false},
		{fmt.Sprintf(`[{ id: %q, scale: 1 }]`, id), mine, true},
		{fmt.Sprintf(`[{ id: %q, scale: 0.5 }]`, id), "", false},
		{fmt.Sprintf(`[{ id: %q, scale: 1 }]`, id), mine, false},
		{"[]", base, false},
	} {
		got := must[struct {
			Choices []struct{ Text string }
			Usage   struct {
				Details struct {
					CachedTokens int `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
			}
		}](tb, "return "+ask10(x.lora))
		if cached := got.Usage.Details.CachedTokens; (cached > 0) != x.cached {
			t.Errorf("%s: %d tokens from the cache, want some: %v", x.lora, cached, x.cached)
		}
		if text := got.Choices[0].Text; x.want != "" && text != x.want {
			t.Errorf("%s: %q, want %q", x.lora, text, x.want)
		}
	}
}

// TestWebRefine: weights improve on labelled samples, or stay.
func TestWebRefine(t *testing.T) {
	s := newPoolSite(t)
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	got := must[customized](tb, `return await engine.customize(`+typed+`, { pool: "/pool/pool.json", refine: { maxEvals: 16, samples: [
		{ prompt: "what is the balance of", answer: " my savings account" }, { prompt: "please transfer", answer: " ten dollars to savings" }] } })`)
	if got.Loss == nil || got.Loss.Evals != 16 || !(got.Loss.End <= got.Loss.Start) || got.Ms.Refine <= 0 {
		t.Errorf("loss = %+v in %v ms", got.Loss, got.Ms.Refine)
	}
	t.Logf("%+v, %+v", got.Loss, got.Ms)

	// Two million evaluations take until somebody stops them.
	endless := `pool: "/pool/pool.json", refine: { maxEvals: 2e6, maxMs: 0, signal: STOP, samples: [{ prompt: "what is the balance of", answer: " my savings account" }] }`
	got = must[customized](tb, `const stop = new AbortController(); setTimeout(() => stop.abort(), 300);
		return await engine.customize(["a b"], { `+strings.Replace(endless, "STOP", "stop.signal", 1)+` })`)
	if got.Loss == nil || got.Loss.Evals == 0 || got.Loss.Evals >= 2e6 || !(got.Loss.End <= got.Loss.Start) {
		t.Errorf("stopped: %+v", got.Loss)
	}
	got = must[customized](tb, `return await engine.customize(["a b"], { `+strings.Replace(endless, "STOP", "AbortSignal.abort()", 1)+` })`)
	if got.Loss == nil || got.Loss.Evals > 1 || len(got.Weights) != 8 {
		t.Errorf("stopped before it began: %+v", got)
	}
	aborted := try[any](tb, `return await engine.customize(["a b"], { signal: AbortSignal.timeout(300), `+strings.Replace(endless, "STOP", "undefined", 1)+` })`)
	if aborted.Name != "TimeoutError" {
		t.Errorf("aborted: %+v", aborted)
	}
	if text := must[string](tb, "return "+ask10(`[{ id: "`+got.ID+`", scale: 1 }]`)+".choices[0].text"); text == "" {
		t.Error("the engine does not answer any more")
	}
}

// TestWebPoolRefused: nothing that is not the pool gets in, and the engine goes on.
func TestWebPoolRefused(t *testing.T) {
	s := newPoolSite(t)
	changed := readTestdata(t, "pool/adapter-3.f16")
	changed[100] ^= 1
	original := http.StripPrefix("/changed/", http.FileServer(http.Dir("../../testdata/pool")))
	s.mux.Handle("/changed/", original)
	s.mux.Handle("/changed/adapter-3.f16", &modelFile{content: changed, etag: `"changed"`})
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	for _, x := range []struct{ name, call, code string }{
		{"changed factor", `engine.customize(["a b"], { pool: "/changed/pool.json" })`, "ERR_HASH"},
		{"another id", `engine.customize(["a b"], { pool: { url: "/pool/pool.json", id: "` + strings.Repeat("0", 64) + `" } })`, "ERR_HASH"},
		{"no pool", `engine.customize(["a b"], { pool: "/stories.gguf" })`, "ERR_BAD_FILE"},
		{"no samples", `engine.customize([], { pool: "/pool/pool.json" })`, "ERR_BAD_REQUEST"},
		{"server that is none", `engine.customize(["a"], { pool: "/pool/pool.json", where: "server" })`, "ERR_BAD_REQUEST"},
		{"unknown adapter", `engine.completions.create({ prompt: "a", max_tokens: 1, lora: [{ id: "custom-0-0", scale: 1 }] })`, "ERR_BAD_REQUEST"},
	} {
		if got := try[any](tb, "return await "+x.call); got.Code != x.code {
			t.Errorf("%s: %+v, want %s", x.name, got, x.code)
		}
	}
	if text := must[string](tb, "return "+ask10("[]")+".choices[0].text"); text == "" {
		t.Error("the engine does not answer any more")
	}
}

// TestWebPoolSigned: a page that demands a key gets the pool that was signed with it, after a
// refusal too, and no other; without a network the stored signature serves.
func TestWebPoolSigned(t *testing.T) {
	s := newPoolSite(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	manifest := readTestdata(t, "pool/pool.json")
	signature := ed25519.Sign(private, manifest)
	flipped := slices.Clone(signature)
	flipped[7] ^= 1
	sites := map[string]struct{ manifest, signature []byte }{
		"signed": {manifest, signature}, "changed": {append(slices.Clone(manifest), '\n'), signature}, "flipped": {manifest, flipped},
		"short": {manifest, signature[:63]},
	}
	serve := func(name, file string, content []byte) {
		s.mux.Handle("/"+name+"/"+file, &modelFile{content: content, etag: strconv.Quote(digestOf(content))})
	}
	for name, x := range sites {
		s.mux.Handle("/"+name+"/", http.StripPrefix("/"+name+"/", http.FileServer(http.Dir("../../testdata/pool"))))
		serve(name, "pool.json", x.manifest)
		serve(name, "pool.json.sig", x.signature)
	}
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	for _, x := range []struct{ name, site, key, code string }{
		{"signed", "signed", hex.EncodeToString(public), ""},
		{"another key", "signed", hex.EncodeToString(signature[:32]), "ERR_HASH"},
		{"again with the right one", "signed", strings.ToUpper(hex.EncodeToString(public)), ""},
		{"a byte more in the manifest", "changed", hex.EncodeToString(public), "ERR_HASH"},
		{"a bit of the signature", "flipped", hex.EncodeToString(public), "ERR_HASH"},
		{"a signature cut short", "short", hex.EncodeToString(public), "ERR_HASH"},
		{"no signature", "pool", hex.EncodeToString(public), "ERR_HASH"},
		{"no key", "signed", "abc", "ERR_BAD_REQUEST"},
	} {
		call := fmt.Sprintf(`return await engine.customize(["a b"], { pool: { url: "/%s/pool.json", publicKey: %q } })`, x.site, x.key)
		if got := try[customized](tb, call); got.Code != x.code {
			t.Errorf("%s: %+v, want %s", x.name, got, x.code)
		}
	}
	tb.forgetErrors("404") // there is no /pool/pool.json.sig
	s.stop()
	call := fmt.Sprintf(`return await engine.customize(["c d"], { pool: { url: "/signed/pool.json", publicKey: "%x" } })`, public)
	if got := try[customized](tb, call); got.Code != "" {
		t.Errorf("without a network: %+v", got)
	}
}

// TestWebPoolBudget: the pool that was used last stays, the other one goes.
func TestWebPoolBudget(t *testing.T) {
	s := newPoolSite(t)
	s.mux.Handle("/other/", http.StripPrefix("/other/", http.FileServer(http.Dir("../../testdata/pool"))))
	manifest := bytes.Replace(readTestdata(t, "pool/pool.json"), []byte("CLINC150 requests"), []byte("other requests"), 1)
	s.mux.Handle("/other/pool.json", &modelFile{content: manifest, etag: `"other"`})
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	must[any](tb, "return await "+makeAdapter)
	must[any](tb, `return await engine.customize(["a b"], { pool: "/other/pool.json", budgetBytes: 1 })`)
	urls := must[string](tb, `return (await pastel.listModels()).map((m) => m.url).join(" ")`)
	if strings.Contains(urls, "/pool/") || !strings.Contains(urls, "/other/adapter-7.f16") || !strings.Contains(urls, "/stories.gguf") {
		t.Errorf("stored: %s", urls)
	}
	if n := len(must[[]customized](tb, `return await pastel.listAdapters()`)); n != 1 {
		t.Errorf("%d adapters stored, want the last one", n)
	}
}

// TestWebCustomizeOnServer: one number for each adapter leaves the device, and the
// adapter that comes back is the one the device makes.
func TestWebCustomizeOnServer(t *testing.T) {
	s := newPoolSite(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/requests", os.DirFS("../../testdata/pool")); err != nil {
		t.Fatal(err)
	}
	pools, err := native.OpenDirPools(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pools.Close() })
	settings := suite.DefaultSettings(&worker.Upstream{ID: "none", URL: "http://127.0.0.1:9/v1", Key: "none", Serves: map[string]string{"none": "none"}})
	settings.Origins = []string{s.URL}
	config := settings.Config(&worker.Memory{}, native.Client())
	config.Pools, config.Blender = pools, &poolblend.Blender{}
	server, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.bodies = append(s.bodies, r.Method+" "+r.URL.String()+" "+string(body))
		s.mu.Unlock()
		server.ServeHTTP(w, r)
	})
	tb := openTab(t, s.URL)
	must[any](tb, makeEngine)
	got := must[customized](tb, fmt.Sprintf(`return await engine.customize(%s, { where: "server", pool: { server: "/v1", name: "requests", token: () => %q } })`, typed, suite.Token))
	checkWire(t, s, got)
	mix := fmt.Sprintf(`[{ id: %q, scale: 1 }]`, got.ID)
	fromServer := must[string](tb, "return "+ask10(mix)+".choices[0].text")
	local := must[customized](tb, "return await "+makeAdapter)
	if text := must[string](tb, "return "+ask10(mix)+".choices[0].text"); local.ID != got.ID || text != fromServer {
		t.Errorf("server's %s: %q, device's %s: %q", got.ID, fromServer, local.ID, text)
	}
}

// checkWire: besides the manifest and the keys, which anybody may fetch, the server saw
// the pool's name and N numbers from -1 to 1, and no adapter was downloaded.
func checkWire(t *testing.T, s *poolSite, got customized) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	nPosts := 0
	for _, request := range s.bodies {
		method, rest, _ := strings.Cut(request, " ")
		url, body, _ := strings.Cut(rest, " ")
		switch {
		case method == http.MethodPost && url == "/v1/pools/requests/blend":
			nPosts++
			var all map[string][]float64
			if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) != 1 || !slices.Equal(all["scores"], got.Scores) {
				t.Errorf("uploaded %s (%v), want the scores %v and nothing else", body, err, got.Scores)
			}
		case body == "" && (url == "/v1/pools/requests" || url == "/v1/pools/requests/files/keys.f32"):
		default:
			t.Errorf("unexpected request %s", request)
		}
	}
	if nPosts != 1 || len(got.Scores) != 8 {
		t.Errorf("%d uploads of %d scores", nPosts, len(got.Scores))
	}
}

// TestWebDemoCustomize: somebody types ten samples into the demo; after a reload without
// a server the adapter is there, and its slider changes answers.
func TestWebDemoCustomize(t *testing.T) {
	s := demoServer(t, true)
	tb := openTab(t, s.URL)
	tb.waitFor(`document.getElementById("status").textContent.includes("ready")`)
	tb.eval(`document.getElementById("samples").value = `+typed+`.join("\n")`, nil)
	tb.eval(`document.getElementById("customize-run").click()`, nil)
	tb.waitFor(`document.getElementById("status").textContent.includes("Your adapter is ready")`)
	tb.waitFor(`document.querySelectorAll("#weights li").length === 4`)
	var said string
	tb.eval(`document.getElementById("status").textContent`, &said)
	t.Log(said)
	tb.eval(`document.getElementById("max-tokens").value = 20`, nil)
	tb.eval(setCold, nil)
	mine := askDemo(tb, "what is the balance of")

	tb.eval(`navigator.serviceWorker.ready.then(() => null)`, nil)
	s.CloseClientConnections()
	s.Close()
	for _, x := range []struct {
		scale  int
		isMine bool
	}{{0, false}, {1, true}} {
		tb.reload()
		tb.waitFor(`document.querySelectorAll("#adapters input").length === 1`)
		tb.eval(`document.getElementById("max-tokens").value = 20`, nil)
		tb.eval(setCold, nil)
		tb.eval(fmt.Sprintf(`(() => {
			const slider = document.querySelector("#adapters input");
			slider.value = %d;
			slider.dispatchEvent(new Event("input"));
		})()`, x.scale), nil)
		if got := askDemo(tb, "what is the balance of"); (got == mine) != x.isMine {
			t.Errorf("offline, at scale %d: %q, online at scale 1: %q", x.scale, got, mine)
		}
	}
}
