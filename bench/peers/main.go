package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"pastel/bench"
	"pastel/engine/tensor"
	"pastel/engine/testmodel"
)

// options are the flags.
type options struct {
	shapes, types, engines []string
	threads, prompts       []int
	decode, repeats        int
	rounds                 int
	out                    string
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		log.Fatal(err)
	}
}

func parse() options {
	shapes := flag.String("shapes", "135m", "shapes: 135m, 0.5b, 1b")
	types := flag.String("types", "Q4_0,Q8_0", "tensor types of the GGUF files")
	engines := flag.String("engines", "pastel,wllama2,wllama3,ort", "engines, in the order of a round")
	threads := flag.String("threads", "1,2", "numbers of threads")
	prompts := flag.String("prompt", "128,512", "prompt lengths in tokens")
	var o options
	flag.IntVar(&o.decode, "decode", 64, "tokens to decode")
	flag.IntVar(&o.repeats, "repeats", 2, "repeats in one browser")
	flag.IntVar(&o.rounds, "rounds", 3, "how often every engine gets a fresh browser")
	flag.StringVar(&o.out, "out", "", "also write every run as a line of JSON to this `FILE`")
	flag.Parse()
	o.shapes, o.types, o.engines = strings.Split(*shapes, ","), strings.Split(*types, ","), strings.Split(*engines, ",")
	for _, list := range []struct {
		text string
		to   *[]int
	}{{*threads, &o.threads}, {*prompts, &o.prompts}} {
		if err := json.Unmarshal([]byte("["+list.text+"]"), list.to); err != nil {
			log.Fatalf("%q is not a list of numbers", list.text)
		}
	}
	return o
}

// A contest is one model and number of threads, which all engines run.
type contest struct {
	shape   string
	typ     string
	threads int
}

// run measures every contest, and prints its table as soon as it is complete.
func run(ctx context.Context, o options) error {
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.server.Close()
	for _, shape := range o.shapes {
		for _, typ := range o.types {
			for _, threads := range o.threads {
				c := contest{shape, typ, threads}
				if err := l.run(ctx, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// modelDir is where models are kept between runs.
func modelDir() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "pastel", "synthetic"), err
}

// models makes the files of a contest and returns their paths.
func models(c contest) (gguf, onnx string, err error) {
	dir, err := modelDir()
	if err != nil {
		return "", "", err
	}
	if gguf, err = bench.Synthetic(dir, c.shape, c.typ); err != nil {
		return "", "", err
	}
	onnx = filepath.Join(dir, c.shape+"-int8.onnx")
	if _, err := os.Stat(onnx); err == nil {
		return gguf, onnx, nil
	}
	config, err := testmodel.Shape(c.shape, tensor.Q8_0)
	if err != nil {
		return "", "", err
	}
	return gguf, onnx, os.WriteFile(onnx, onnxInt8(config, 1024), 0o644)
}

func (c contest) String() string { return fmt.Sprintf("%s %s, threads: %d", c.shape, c.typ, c.threads) }
