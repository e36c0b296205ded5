package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pastel/blend/gguflora"
	"pastel/blend/pool"
	"pastel/blend/train"
	"pastel/engine"
)

const (
	poolModel = "../../testdata/models/stories260K.gguf"
	poolDir   = "../../testdata/pool"
)

// pastel runs a command line and returns its output and exit code.
func pastel(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = dispatch(context.Background(), env{strings.NewReader(""), &stdout, &stderr}, args)
	return stdout.String() + stderr.String(), code
}

func TestPoolInspect(t *testing.T) {
	out, code := pastel(t, "pool", "inspect", poolDir)
	if code != 0 || !strings.Contains(out, "all digests match") || !strings.Contains(out, "CC-BY-3.0") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestPoolBlend(t *testing.T) {
	dir := t.TempDir()
	samples := filepath.Join(dir, "samples.txt")
	if err := os.WriteFile(samples, []byte("freeze my account\n\nwhat is my balance\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"weights": {"--weights", "0,0.5,0,0,0.5,0,0,0"}, "first ranks": {"--weights", "1,0,0,0,0,0,0,0", "--ranks", "2"},
		"samples": {"--samples", samples, "--model", poolModel},
	} {
		out := filepath.Join(dir, "blended.gguf")
		if text, code := pastel(t, append([]string{"pool", "blend", poolDir, "--out", out}, args...)...); code != 0 {
			t.Fatalf("%s: exit %d: %s", name, code, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := gguflora.Read("x", data, "llama"); err != nil || len(a.Pairs) != 35 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pool is trained, trained again from its checkpoint to the same bytes, and its
// PEFT adapters are imported into another.
func TestPoolTrainAndBuild(t *testing.T) {
	dir := t.TempDir()
	data, first, second, built := filepath.Join(dir, "data.jsonl"), filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	text := `{"prompt":"Once upon a time","text":" there was a dog","task":"x"}` + "\n" + `{"text":"Lily had a cat"}` + "\n" + `{"text":"Tom ran home","task":"y"}` + "\n"
	if err := os.WriteFile(data, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	command := []string{"pool", "train", poolModel, "--data", data, "--adapters", "2", "--rank", "2", "--steps", "3", "--batch", "2", "--targets", "attn_q,attn_v", "--mode", "cluster", "--tau", "0.3"}
	for _, out := range []string{first, second} {
		if text, code := pastel(t, append(command, "--out", out)...); code != 0 {
			t.Fatalf("exit %d: %s", code, text)
		}
	}
	for _, name := range []string{"adapter-0.f16", "adapter-1.f16", "keys.f32"} {
		a, _ := os.ReadFile(filepath.Join(first, name))
		b, _ := os.ReadFile(filepath.Join(second, name))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: equal seeds give different files", name)
		}
	}
	build := []string{"pool", "build", poolModel, "--out", built}
	for n, sample := range []string{"Lily had a cat", "Tom ran home"} {
		path := filepath.Join(dir, sample[:3])
		if err := os.WriteFile(path, []byte(sample), 0o644); err != nil {
			t.Fatal(err)
		}
		build = append(build, "--adapter", filepath.Join(first, "peft", []string{"adapter-0", "adapter-1"}[n])+"="+path)
	}
	if text, code := pastel(t, build...); code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	if out, code := pastel(t, "pool", "inspect", built); code != 0 || !strings.Contains(out, "delta space") {
		t.Errorf("exit %d:\n%s", code, out)
	}

	// Another recipe, recorded and then used: each adapter is nearest to its own text.
	recipe := []string{"--embed-layer", "2", "--embed-last", "--weighting", "onehot", "--name", "deep"}
	if text, code := pastel(t, append(build, recipe...)...); code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	if out, code := pastel(t, "pool", "inspect", built); code != 0 || !strings.Contains(out, "layer 2, last token") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for n, sample := range []string{"Lil", "Tom"} {
		out, code := pastel(t, "pool", "blend", built, "--samples", filepath.Join(dir, sample), "--model", poolModel, "--out", filepath.Join(dir, "x.gguf"))
		if lines := strings.Split(out, "\n"); code != 0 || !strings.HasSuffix(lines[n], "1.0000") {
			t.Errorf("%s: exit %d:\n%s", sample, code, out)
		}
	}
}

func TestPoolRefuses(t *testing.T) {
	changed := t.TempDir()
	for _, name := range []string{pool.ManifestName, "keys.f32", "adapter-0.f16"} {
		b, err := os.ReadFile(filepath.Join(poolDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "adapter-0.f16" {
			b[9] ^= 1
		}
		if err := os.WriteFile(filepath.Join(changed, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, says string
		code       int
		args       []string
	}{
		{"no verb", "needs one of", 2, nil}, {"unknown verb", "unknown", 2, []string{"stir"}},
		{"no output", "--out", 2, []string{"blend", poolDir, "--weights", "1"}},
		{"weights and samples", "one of", 2, []string{"blend", poolDir, "--weights", "1", "--samples", "x", "--out", "y"}},
		{"too few weights", "1 weights", 1, []string{"blend", poolDir, "--weights", "1", "--out", filepath.Join(changed, "x")}},
		{"weight is a word", "not a weight", 2, []string{"blend", poolDir, "--weights", "a", "--out", filepath.Join(changed, "x")}},
		{"flipped bit", "digest", 1, []string{"inspect", changed}}, {"no pool there", "no such file", 1, []string{"inspect", changed + "/none"}},
		{"other base", "is for the base", 1, []string{"blend", poolDir, "--samples", "x", "--model", "../../testdata/models/TinyStories-656K-f32.gguf", "--out", filepath.Join(changed, "x")}},
		{"unknown target", "not a linear map", 2, []string{"train", poolModel, "--out", changed, "--data", filepath.Join(poolDir, "heldout.jsonl"), "--targets", "attn_x"}},
		{"one seed", "at least 2", 2, []string{"planted", "--seeds", "1"}},
		{"adapter without samples", "DIR=SAMPLES", 2, []string{"build", poolModel, "--out", changed, "--adapter", "x"}},
	} {
		out, code := pastel(t, append([]string{"pool"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit %d, %q, want %d with %q", tt.name, code, out, tt.code, tt.says)
		}
	}
}

// A finished run's checkpoint holds its whole state: the same command again makes
// the same pool without a step.
func TestPoolTrainResumes(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data.jsonl")
	if err := os.WriteFile(data, []byte(`{"text":"a dog"}`+"\n"+`{"text":"the cat"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var files [2][]byte
	var bars [2]int
	for i := range files {
		out := filepath.Join(dir, strconv.Itoa(i))
		text, code := pastel(t, "pool", "train", poolModel, "--data", data, "--adapters", "2", "--rank", "1", "--steps", "50", "--batch", "1",
			"--targets", "attn_v", "--checkpoint", filepath.Join(dir, "state"), "--out", out)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, text)
		}
		bars[i] = strings.Count(text, "/50 loss")
		var err error
		if files[i], err = os.ReadFile(filepath.Join(out, "adapter-1.f16")); err != nil {
			t.Fatal(err)
		}
	}
	if bars != [2]int{50, 0} || !bytes.Equal(files[0], files[1]) {
		t.Errorf("%v steps, equal results %v", bars, bytes.Equal(files[0], files[1]))
	}
}

// The engine and the trainer, which share no code, embed texts alike. Both are
// sums of n products in float32 and float64, so they differ by about n·2⁻²⁴, a few times more
// for every layer below.
func TestPlacerMatchesTrainer(t *testing.T) {
	e, err := openPlacer(poolModel)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	b, err := openBase(poolModel)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"freeze my account", "x", "How many calories are in a banana? \u00fc"} {
		for _, r := range []train.Recipe{{}, {Last: true}, {Layer: 2}, {Layer: 4, Last: true}} {
			got, err := e.place(text, engine.Recipe(r))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range b.Query(b.encode(text), r) {
				if d := math.Abs(float64(got[i] - want)); d > 1e-4 {
					t.Fatalf("%q, %+v: value %d is %v, want %v", text, r, i, got[i], want)
				}
			}
		}
	}
}

// A signed pool is read with its key, and with no other, changed or unsigned.
func TestPoolSign(t *testing.T) {
	dir := t.TempDir()
	private, public := writeKeys(t, dir)
	_, stranger := writeKeys(t, t.TempDir())
	data, out := filepath.Join(dir, "data.jsonl"), filepath.Join(dir, "pool")
	if err := os.WriteFile(data, []byte(`{"text":"Lily had a cat"}`+"\n"+`{"text":"Tom ran home"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text, code := pastel(t, "pool", "train", poolModel, "--data", data, "--adapters", "2", "--rank", "1", "--steps", "1", "--targets", "attn_q", "--out", out, "--sign", private)
	_, key, said := strings.Cut(text, "public key ")
	if code != 0 || !said {
		t.Fatalf("exit %d: %s", code, text)
	}
	inspect := func(name, dir, key, want string) {
		t.Helper()
		if text, code := pastel(t, "pool", "inspect", dir, "--key", key); (code == 0) != (want == "signed with the key") || !strings.Contains(text, want) {
			t.Errorf("%s: exit %d, want %q: %s", name, code, want, text)
		}
	}
	inspect("the PEM file", out, public, "signed with the key")
	inspect("hex", out, key[:64], "signed with the key")
	inspect("another key", out, stranger, "is not signed with the key")
	inspect("no public key", out, private, "private.pem")
	inspect("another pool's directory", poolDir, public, "is not signed")
	manifest := filepath.Join(out, pool.ManifestName)
	original, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, append(original, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	inspect("a byte more", out, public, "is not signed with the key")
	if text, code := pastel(t, "pool", "inspect", out); code != 0 {
		t.Errorf("without a demand for a key: exit %d: %s", code, text)
	}
	if text, code := pastel(t, "pool", "train", poolModel, "--data", data, "--adapters", "2", "--rank", "1", "--steps", "1", "--targets", "attn_q", "--out", out, "--sign", public); code == 0 {
		t.Errorf("signed with a public key: %s", text)
	}
}

// writeKeys writes a new key pair as openssl genpkey and pkey -pubout do.
func writeKeys(t *testing.T, dir string) (private, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte, err error) string {
		path := filepath.Join(dir, name)
		if err == nil {
			err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	private = write("private.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(pub)
	return private, write("public.pem", "PUBLIC KEY", der, err)
}
