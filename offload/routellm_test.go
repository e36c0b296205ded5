package offload

import (
	"bufio"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// routed is a row of testdata/offload/routellm-mmlu.jsonl: a real question and
// whether a weak (Mixtral 8x7B) and a strong (GPT-4) model answered it rightly.
type routed struct {
	Subject      string
	Weak, Strong float64
	Query        string
}

func readRouteLLM(t *testing.T) []routed {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "offload", "routellm-mmlu.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []routed
	for s := bufio.NewScanner(f); s.Scan(); {
		var r routed
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// bagOfWords is the poorest embedding that still knows topics: words hashed to
// buckets. What the scope signal gains here is a floor.
func bagOfWords(query string, idf []float64) []float32 {
	v := make([]float32, len(idf))
	for _, b := range wordBuckets(query, len(idf)) {
		v[b] += float32(idf[b])
	}
	return v
}

func wordBuckets(query string, n int) []int {
	var buckets []int
	for _, w := range strings.FieldsFunc(strings.ToLower(query), func(r rune) bool { return r < 'a' || r > 'z' }) {
		buckets = append(buckets, int(TieBreak(w)*float64(n)))
	}
	return buckets
}

func inverseFrequency(rows []routed, n int) []float64 {
	seen := make([]float64, n)
	for _, r := range rows {
		once := map[int]bool{}
		for _, b := range wordBuckets(r.Query, n) {
			once[b] = true
		}
		for b := range once {
			seen[b]++
		}
	}
	for b := range seen {
		seen[b] = math.Log(float64(len(rows)+1) / (seen[b] + 1))
	}
	return seen
}

// routeLLMSplits is enough for interval's t quantile to be conservative.
const routeLLMSplits = 30

// On real questions with real graded answers of two real models, the scope
// signal alone beats random routing: the device is customised to the half of
// the subjects where it loses least on the calibration half. There are no
// confidences in this data, so this is scope only. The splits share rows: the
// interval covers the choice of split, not of other questions.
func TestScopeBeatsRandomOnRouteLLM(t *testing.T) {
	rows := readRouteLLM(t)
	idf := inverseFrequency(rows, 512) // document frequencies are no labels
	embedded := make([][]float32, len(rows))
	for i, r := range rows {
		embedded[i] = bagOfWords(r.Query, idf)
	}
	var areas []float64
	for seed := range uint64(routeLLMSplits) {
		order := rand.New(rand.NewPCG(seed, 3)).Perm(len(rows))
		known, test := order[:len(rows)/2], order[len(rows)/2:]
		inside, outside := subjectCenters(rows, embedded, known)
		graded := make([]Labelled, len(test))
		for i, k := range test {
			scope := Cosine(embedded[k], inside) - Cosine(embedded[k], outside)
			graded[i] = Labelled{Point{scope, TieBreak(rows[k].Query)}, rows[k].Weak, rows[k].Strong}
		}
		curve, err := Curve(graded)
		if err != nil {
			t.Fatal(err)
		}
		areas = append(areas, AreaOverRandom(curve))
	}
	mean, half := interval(areas)
	t.Logf("scope alone, %d MMLU questions, %d splits: area over random %.2f ± %.2f points", len(rows), routeLLMSplits, 100*mean, 100*half)
	if mean-half <= 0 {
		t.Error("no area over the random line")
	}
}

// subjectCenters averages the embeddings of the better half of the subjects
// (where the server adds least) and of the rest, over the known rows.
func subjectCenters(rows []routed, embedded [][]float32, known []int) (inside, outside []float32) {
	gain, count := map[string]float64{}, map[string]float64{}
	for _, k := range known {
		gain[rows[k].Subject] += rows[k].Strong - rows[k].Weak
		count[rows[k].Subject]++
	}
	subjects := slices.Collect(maps.Keys(gain))
	slices.SortFunc(subjects, func(a, b string) int {
		return cmp.Or(cmp.Compare(gain[a]/count[a], gain[b]/count[b]), strings.Compare(a, b))
	})
	better := subjects[:len(subjects)/2]
	var in, out [][]float32
	for _, k := range known {
		if slices.Contains(better, rows[k].Subject) {
			in = append(in, embedded[k])
		} else {
			out = append(out, embedded[k])
		}
	}
	return Center(in), Center(out)
}
