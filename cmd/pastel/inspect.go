package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"

	"pastel/engine/gguf"
)

// inspectCommand prints a GGUF file's header as one JSON object, or with --plan what
// the model would need. It loads nothing. Numbers that JSON has no form for, NaN and
// the infinities, are null.
func inspectCommand(ctx context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("inspect", flag.ContinueOnError)
	var p planFlags
	p.registerPlan(fs)
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if p.plan {
		return p.print(ctx, e, positional[0])
	}
	header, err := readHeader(positional[0])
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, header.AppendJSON(nil, 0), "", " "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(e.stdout)
	return err
}

func readHeader(path string) (*gguf.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return gguf.Read(f, info.Size())
}
