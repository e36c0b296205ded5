package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// engineFlags are the flags of every command that loads a model.
type engineFlags struct {
	executor string
	threads  int
	context  int
	adapters adapterFlags
}

// register adds --executor and --threads.
func (f *engineFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.executor, "executor", "wasm", `"wasm" (the module, under wazero) or "reference" (plain Go)`)
	fs.IntVar(&f.threads, "threads", 0, "threads; 0 is one for every core")
}

// registerModel adds the flags of commands that compute.
func (f *engineFlags) registerModel(fs *flag.FlagSet) {
	f.register(fs)
	fs.IntVar(&f.context, "ctx", 0, "context length in tokens; 0 is the model's own, at most 4096")
	fs.Var(&f.adapters, "adapter", "`FILE[=SCALE]` of a LoRA adapter; may be repeated")
}

// An opened is an engine with a model, and what loading it took.
type opened struct {
	*host.Engine
	info     *protocol.ModelInfo
	adapters []protocol.Adapter
	loadTime time.Duration
}

// start starts an engine without a model.
func (f *engineFlags) start(ctx context.Context) (*opened, error) {
	if f.executor != "wasm" && f.executor != "reference" {
		return nil, usagef("--executor %q is neither wasm nor reference", f.executor)
	}
	if f.threads < 0 || f.context < 0 {
		return nil, usagef("--threads and --ctx are not negative")
	}
	if f.threads > host.MaxThreads {
		return nil, usagef("--threads %d, at most %d", f.threads, host.MaxThreads)
	}
	engine, err := host.New(ctx, host.Options{Threads: f.threads, CacheDir: cacheDir(), Reference: f.executor == "reference"})
	if err != nil {
		return nil, err
	}
	return &opened{Engine: engine}, nil
}

// input parses the flags of a command that reads text from standard input and a model, and reads the text.
func (f *engineFlags) input(ctx context.Context, fs *flag.FlagSet, e env, args []string) (model, text string, err error) {
	f.register(fs)
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return "", "", err
	}
	b, err := e.input(ctx)
	return positional[0], string(b), err
}

// open starts an engine and loads the model and the adapters.
func (f *engineFlags) open(ctx context.Context, model string) (*opened, error) {
	start := time.Now()
	o, err := f.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.load(ctx, model, f.adapters); err != nil {
		o.close()
		return nil, err
	}
	o.loadTime = time.Since(start)
	return o, nil
}

func (o *opened) close() { _ = o.Close(context.Background()) } // the process ends next

func (o *opened) load(ctx context.Context, model string, adapters adapterFlags) error {
	files, closeFiles, err := host.OpenFiles(model)
	if err != nil {
		return err
	}
	defer closeFiles()
	if o.info, err = o.LoadModel(ctx, files, nil); err != nil {
		return err
	}
	for i, a := range adapters {
		id := strconv.Itoa(i)
		if err := o.loadAdapter(ctx, id, a.path); err != nil {
			return err
		}
		o.adapters = append(o.adapters, protocol.Adapter{ID: id, Scale: a.scale})
	}
	return nil
}

func (o *opened) loadAdapter(ctx context.Context, id, path string) error {
	files, closeFiles, err := host.OpenAdapter(path)
	if err != nil {
		return err
	}
	defer closeFiles()
	_, err = o.LoadAdapter(ctx, id, files)
	return err
}

// cacheDir is where compiled modules are kept; "" when the system has no such place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "pastel", "wazero")
}
