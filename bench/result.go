package bench

import (
	"encoding/json"
	"fmt"
	"slices"
)

// A Stat sums up repeats of one measurement.
type Stat struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// StatOf sums up x. No repeats give the zero Stat.
func StatOf(x []float64) Stat {
	if len(x) == 0 {
		return Stat{}
	}
	s := slices.Sorted(slices.Values(x))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Stat{Median: median, Min: s[0], Max: s[len(s)-1], N: len(s)}
}

// String is the median with its range: 84.2 (80.1-85.0).
func (s Stat) String() string {
	switch {
	case s.N == 0:
		return "-"
	case s.N == 1:
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number prints three or four significant digits.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// A Prefill is how fast prompts of one length were read.
type Prefill struct {
	Tokens int  `json:"tokens"`
	TokPS  Stat `json:"tok_s"`
	TTFTms Stat `json:"ttft_ms"` // from the request to its first token
}

// Limits are what the machine can do at most, with the run's number of threads.
type Limits struct {
	ReadGBps float64 `json:"read_gb_s"` // reading as many bytes as the weights have
	DotGmacs float64 `json:"dot_gmac_s"`
}

// An OpTime is the share of one kind of operation in a pass.
type OpTime struct {
	Op    string  `json:"op"`
	Calls float64 `json:"calls"` // per pass
	Ms    float64 `json:"ms"`    // per pass
}

// A Profile is where the time of a decoded token and of a prefill goes.
type Profile struct {
	// OutsideKernels is the share of a decoded token's time, on the page's clock, that is
	// not spent in the kernels: planning, sampling, detokenising, messages.
	OutsideKernels float64  `json:"outside_kernels"`
	Decode         []OpTime `json:"decode"`
	Prefill        []OpTime `json:"prefill"`
	PrefillTokens  int      `json:"prefill_tokens"`
}

// A Result is one model in one place with one number of threads. The first seven
// fields are stable and hold medians; PrefillTokPS is that of the shortest prompt.
type Result struct {
	In           string  `json:"in"`       // "wazero" or "chromium"
	Executor     string  `json:"executor"` // "simd128" or "relaxed"
	Threads      int     `json:"threads"`
	LoadMs       float64 `json:"load_ms"` // engine start, reading (and in Chromium storing) the file, making weights
	PrefillTokPS float64 `json:"prefill_tok_s"`
	DecodeTokPS  float64 `json:"decode_tok_s"`
	PeakBytes    uint64  `json:"peak_bytes"` // largest resident set: of the process, or of the renderer

	Model       string    `json:"model"`
	FileBytes   uint64    `json:"file_bytes"`
	LoadBytesPS float64   `json:"load_bytes_s"`
	WarmLoadMs  float64   `json:"warm_load_ms,omitempty"` // the file already stored
	Prefill     []Prefill `json:"prefill"`
	Decode      Stat      `json:"decode"`
	DecodeSteps int       `json:"decode_steps"`
	Work        Work      `json:"work"`
	Limits      *Limits   `json:"limits,omitempty"`
	Profile     *Profile  `json:"profile,omitempty"`
	Adapters    *Adapters `json:"adapters,omitempty"`
	Machine     Machine   `json:"machine"`
}

// finish fills the medians at the top.
func (r *Result) finish() {
	if len(r.Prefill) > 0 {
		r.PrefillTokPS = r.Prefill[0].TokPS.Median
	}
	r.DecodeTokPS = r.Decode.Median
	if r.LoadMs > 0 {
		r.LoadBytesPS = float64(r.FileBytes) / r.LoadMs * 1e3
	}
}

// ReadShare is the share of the memory read rate that decoding reaches: every token
// reads every weight once. 0 when limits were not measured.
func (r *Result) ReadShare() float64 {
	if r.Limits == nil || r.Limits.ReadGBps == 0 {
		return 0
	}
	return r.DecodeTokPS * float64(r.Work.ReadBytes) / 1e9 / r.Limits.ReadGBps
}

// DotShare is the share of the dot instruction's issue rate that a prefill reaches,
// counting only multiplications with weights.
func (r *Result) DotShare(p Prefill) float64 {
	if r.Limits == nil || r.Limits.DotGmacs == 0 {
		return 0
	}
	return p.TokPS.Median * float64(r.Work.PrefillMACs) / 1e9 / r.Limits.DotGmacs
}

// JSON is the result on one line.
func (r *Result) JSON() ([]byte, error) { return json.Marshal(r) }
