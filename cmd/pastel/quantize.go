package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"pastel/engine/quantize"
	"pastel/engine/tensor"
)

// quantizeCommand converts a file of floats and prints on standard error what each
// tensor's conversion cost.
func quantizeCommand(ctx context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("quantize", flag.ContinueOnError)
	name := fs.String("type", "", "the `TYPE` of the matrices: Q4_0, Q8_0, Q4_K, ...")
	positional, err := parse(fs, e, args, 2)
	if err != nil {
		return err
	}
	typ, ok := tensorType(*name)
	if !ok {
		return usagef("--type %q is not one of %s", *name, strings.Join(quantizable(), ", "))
	}
	rows := []byte("tensor\tfrom\tto\trmse\trelative\n")
	err = quantizeFile(ctx, positional[0], positional[1], typ, func(f quantize.Figure) {
		rows = fmt.Appendf(rows, "%s\t%s\t%s\t%.3g\t%.3g\n", f.Name, f.From, f.To, f.RMSE, f.RelRMSE)
	})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(e.stderr, 0, 0, 2, ' ', 0)
	if _, err := table.Write(rows); err != nil {
		return err
	}
	return table.Flush()
}

// quantizeFile writes beside the output and renames, so that a failure or the end of ctx
// leaves no half a file under its name.
func quantizeFile(ctx context.Context, from, to string, typ tensor.Type, report func(quantize.Figure)) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(untilDone{ctx, out}, 1<<20)
	err = quantize.File(in, info.Size(), buffered, typ, report)
	for _, finish := range []func() error{buffered.Flush, out.Close} {
		if e := finish(); err == nil {
			err = e
		}
	}
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

// untilDone is a writer that fails when its context has ended.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (w untilDone) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// quantizable are the names of the types that can be written.
func quantizable() (names []string) {
	for t := range tensor.Type(64) {
		if t.CanQuantize() {
			names = append(names, t.String())
		}
	}
	return names
}

func tensorType(name string) (tensor.Type, bool) {
	for t := range tensor.Type(64) {
		if t.CanQuantize() && strings.EqualFold(t.String(), name) {
			return t, true
		}
	}
	return 0, false
}
