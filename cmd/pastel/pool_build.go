package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pastel/blend"
	"pastel/blend/keys"
	"pastel/blend/peft"
	"pastel/blend/pool"
)

// importFlags collects --adapter PEFT_DIR=SAMPLES.txt.
type importFlags [][2]string

func (f *importFlags) String() string { return "" }

func (f *importFlags) Set(s string) error {
	dir, samples, ok := strings.Cut(s, "=")
	if !ok || dir == "" || samples == "" {
		return fmt.Errorf("%q is not DIR=SAMPLES.txt", s)
	}
	*f = append(*f, [2]string{dir, samples})
	return nil
}

// poolBuild makes a pool of adapters trained elsewhere; each one's key is the
// mean embedding of texts it was trained for.
func poolBuild(_ context.Context, e env, args []string) error {
	var f poolFlags
	var imports importFlags
	fs := flag.NewFlagSet("pool build", flag.ContinueOnError)
	f.register(fs)
	fs.Var(&imports, "adapter", "`DIR=SAMPLES.txt`: a PEFT directory and texts it is for, one a line; may be repeated")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	b, err := openPlacer(positional[0])
	if err != nil {
		return err
	}
	defer b.close()
	var adapters []*blend.Adapter
	var groups [][][]float32
	for _, i := range imports {
		a, points, err := b.importAdapter(i[0], i[1], f.embedding)
		if err != nil {
			return err
		}
		adapters, groups = append(adapters, a), append(groups, points)
	}
	k, err := keys.FromGroups(groups)
	if err != nil {
		return err
	}
	spec := f.spec(pool.Base{Arch: b.base.Arch, Name: b.name, Digest: b.digest}, blend.DeltaSpace, map[string]string{"adapters": f.source, "command": "pastel pool build " + strings.Join(args, " ")})
	for _, g := range groups {
		spec.Examples = append(spec.Examples, len(g))
	}
	files, err := pool.Build(spec, adapters, k)
	if err != nil {
		return err
	}
	return f.write(e, files)
}

func (p *placer) importAdapter(dir, samples string, e pool.Embedding) (*blend.Adapter, [][]float32, error) {
	config, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
	if err != nil {
		return nil, nil, err
	}
	weights, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		return nil, nil, err
	}
	a, err := peft.Read(filepath.Base(dir), config, weights, p.base)
	if err != nil {
		return nil, nil, err
	}
	if err := a.Check(p.shapes); err != nil {
		return nil, nil, err
	}
	points, err := p.placeLines(samples, e)
	return a, points, err
}
