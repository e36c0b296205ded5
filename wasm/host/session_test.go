package host

import (
	"bytes"
	"slices"
	"testing"

	"pastel/fault"
	"pastel/wasm/protocol"
)

// TestSnapshot: a saved session continues in another with equal logits, and a snapshot
// of another model is refused by its digest.
func TestSnapshot(t *testing.T) {
	for _, x := range executors[:2] {
		t.Run(x.name, func(t *testing.T) {
			e := start(t, x.options, "stories260K.gguf")
			from, to := open(t, e, "F32"), open(t, e, "F32")
			prompt := []uint32{1, 403, 407, 261, 378}
			want, _, _ := generate(t, e, greedy(from, prompt, 20))
			saved, err := e.SaveSession(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			info, err := e.RestoreSession(t.Context(), &protocol.RestoreSession{Session: to, Snapshot: saved})
			if err != nil || info.Length < uint32(len(prompt)) {
				t.Fatalf("RestoreSession = %+v, %v", info, err)
			}
			got, _, done := generate(t, e, greedy(to, append(prompt, want[:10]...), 10))
			if !slices.Equal(got, want[10:]) || done.CachedTokens < uint32(len(prompt)) {
				t.Errorf("after a restore %v with %d tokens cached, want %v", got, done.CachedTokens, want[10:])
			}
			_, err = e.RestoreSession(t.Context(), &protocol.RestoreSession{Session: to, Snapshot: saved[:len(saved)-1]})
			if fault.CodeOf(err) != fault.BadFile {
				t.Errorf("a cut snapshot: %v, want ERR_BAD_FILE", err)
			}
		})
	}
}

func TestSnapshotOfAnotherModel(t *testing.T) {
	save := func(digest string) (*Engine, []byte) {
		e := start(t, Options{Reference: true}, "stories260K.gguf")
		files, closeFiles, err := OpenFiles(testdata + "/models/stories260K.gguf")
		if err != nil {
			t.Fatal(err)
		}
		defer closeFiles()
		files[0].Digest = digest
		if _, err := e.LoadModel(t.Context(), files, nil); err != nil {
			t.Fatal(err)
		}
		saved, err := e.SaveSession(t.Context(), open(t, e, ""))
		if err != nil {
			t.Fatal(err)
		}
		return e, saved
	}
	_, saved := save("aa")
	other, own := save("bb")
	request := &protocol.RestoreSession{Session: 1, Snapshot: saved}
	if _, err := other.RestoreSession(t.Context(), request); fault.CodeOf(err) != fault.BadRequest || bytes.Equal(saved, own) {
		t.Errorf("a snapshot of another digest: %v, want ERR_BAD_REQUEST", err)
	}
}

// TestPreflight: the estimate leaves the loaded model alone, and rates become bounds.
func TestPreflight(t *testing.T) {
	for _, x := range executors[:2] {
		t.Run(x.name, func(t *testing.T) {
			e := start(t, x.options, "stories260K.gguf")
			session := open(t, e, "")
			files, closeFiles, err := OpenFiles(testdata + "/models/TinyStories-656K-f32.gguf")
			if err != nil {
				t.Fatal(err)
			}
			defer closeFiles()
			m, err := e.Preflight(t.Context(), files, &protocol.Preflight{ContextLength: 512, KVType: "F32", ReadBytesPerS: 1e9, MacsPerS: 1e9})
			if err != nil {
				t.Fatal(err)
			}
			if !m.Fits || m.ContextLength != 512 || m.WeightBytes < files[0].Size/2 || m.DecodeTokS <= 0 || m.DecodeTokS > 1e9/float64(m.BytesPerToken) {
				t.Errorf("estimate = %+v", m)
			}
			if tokens, _, _ := generate(t, e, greedy(session, []uint32{1, 403}, 5)); len(tokens) != 5 {
				t.Errorf("the loaded model makes %d tokens afterwards, want 5", len(tokens))
			}
			if _, err := e.Call(t.Context(), &protocol.Preflight{}); fault.CodeOf(err) != fault.BadRequest {
				t.Errorf("a preflight without a header: %v, want ERR_BAD_REQUEST", err)
			}
		})
	}
}

// TestShiftContext: a generation outgrows its context only when it may.
func TestShiftContext(t *testing.T) {
	e := start(t, Options{Reference: true}, "stories260K.gguf")
	for _, shift := range []bool{false, true} {
		s, err := e.OpenSession(t.Context(), &protocol.OpenSession{ContextLength: 32})
		if err != nil {
			t.Fatal(err)
		}
		request := greedy(s.Session, []uint32{1, 403}, 80)
		request.ShiftContext = shift
		if tokens, _, _ := generate(t, e, request); (len(tokens) == 80) != shift {
			t.Errorf("shift %v: %d tokens in a context of 32", shift, len(tokens))
		}
	}
}
