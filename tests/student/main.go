// Command student trains testdata/models/student-1.3M-F16.gguf, a llama whose rows
// are whole blocks of 256 weights, so that the loss of K-quants can be measured on a
// model that is trained:
//
//	make build
//	GOMAXPROCS=1 go run ./tests/student -out testdata/models/student-1.3M-F16.gguf
//
// Its teacher is the bundled stories260K, whose tokenizer it shares and whose stories
// are all it reads. Equal seeds give equal bytes, whatever the number of cores, as long
// as the kernels that sample the stories add up in the same order.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"pastel/blend/train"
	"pastel/engine/gguf"
	"pastel/engine/quantize"
	"pastel/engine/tensor"
	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// shape is the student's: every row is 256 or 512 weights.
var shape = train.Config{Dim: 256, HiddenDim: 512, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 64, VocabSize: 512, RopeBase: 10000, Eps: 1e-5, Tied: true}

const (
	textTokens = 256 // of one story or several, the start token included
	batch      = 2
	bos        = 1
)

func main() {
	teacher := flag.String("teacher", "testdata/models/stories260K.gguf", "a GGUF `FILE`")
	out := flag.String("out", "student.gguf", "the `FILE` to write")
	steps := flag.Int("steps", 2000, "of two texts each")
	seed := flag.Uint64("seed", 1, "of texts and first weights")
	flag.Parse()
	if err := run(context.Background(), *teacher, *out, *steps, *seed); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, teacher, out string, steps int, seed uint64) error {
	data, err := os.ReadFile(teacher)
	if err != nil {
		return err
	}
	texts, err := sample(ctx, teacher, steps*batch, seed)
	if err != nil {
		return err
	}
	m := train.New(shape)
	m.Init(seed)
	err = train.Base(ctx, m, texts, train.Options{Steps: steps, Batch: batch, Rate: 2e-3, Seed: seed, Progress: progress})
	if err != nil {
		return err
	}
	return save(m, data, out)
}

// sample lets the teacher write n texts, with the seeds that follow seed.
func sample(ctx context.Context, teacher string, n int, seed uint64) ([]train.Example, error) {
	e, err := host.New(ctx, host.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close(ctx) }() // the process ends soon
	files, shut, err := host.OpenFiles(teacher)
	if err != nil {
		return nil, err
	}
	defer shut()
	if _, err := e.LoadModel(ctx, files, nil); err != nil {
		return nil, err
	}
	s, err := e.OpenSession(ctx, &protocol.OpenSession{ContextLength: textTokens})
	if err != nil {
		return nil, err
	}
	texts := make([]train.Example, n)
	for i := range texts {
		texts[i] = train.Example{Tokens: []int{bos}, From: 1}
		request := &protocol.Generate{Session: s.Session, Tokens: []uint32{bos}, MaxTokens: textTokens - 1, Temperature: 1, Seed: seed<<32 + uint64(i), IgnoreEOS: true}
		_, err := e.Generate(ctx, request, func(m protocol.Message) error {
			if c, ok := m.(*protocol.Chunk); ok {
				texts[i].Tokens = append(texts[i].Tokens, int(c.Token))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return texts, nil
}

var recent float64 // losses since the last line of progress

func progress(step, steps int, loss float64) {
	const every = 50
	recent += loss / every
	if step%every == 0 {
		log.Printf("step %d of %d: loss %.3f nats a token", step, steps, recent)
		recent = 0
	}
}

// save writes the model as float16 with the tokenizer of the teacher's file.
func save(m *train.Model, teacher []byte, path string) error {
	f, err := gguf.Read(bytes.NewReader(teacher), int64(len(teacher)))
	if err != nil {
		return err
	}
	var exact bytes.Buffer
	if err := m.Save(&exact, fmt.Sprintf("student of stories260K, %.1fM", float64(len(m.Flat))/1e6), &f.Metadata); err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	err = quantize.File(bytes.NewReader(exact.Bytes()), int64(exact.Len()), out, tensor.F16, nil)
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}
