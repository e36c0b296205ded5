package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"

	"pastel/wasm/protocol"
)

// tokenizeCommand reads text from standard input and prints a JSON array of ids.
func tokenizeCommand(ctx context.Context, e env, args []string) error {
	var f engineFlags
	fs := flag.NewFlagSet("tokenize", flag.ContinueOnError)
	noSpecial := fs.Bool("no-special", false, "take text that looks like a special token for text")
	noBOS := fs.Bool("no-bos", false, "add nothing the model asks for, such as a begin-of-sequence token")
	model, text, err := f.input(ctx, fs, e, args)
	if err != nil {
		return err
	}
	coder, err := f.openCoder(ctx, model)
	if err != nil {
		return err
	}
	defer coder.close()
	ids, err := coder.Tokenize(ctx, &protocol.Tokenize{Text: text, AddSpecial: !*noBOS, ParseSpecial: !*noSpecial})
	if err != nil {
		return err
	}
	return json.NewEncoder(e.stdout).Encode(ids)
}

// detokenizeCommand reads ids from standard input, as a JSON array or as numbers with
// spaces or commas between, and prints their text as it is.
func detokenizeCommand(ctx context.Context, e env, args []string) error {
	var f engineFlags
	fs := flag.NewFlagSet("detokenize", flag.ContinueOnError)
	special := fs.Bool("special", false, "write special tokens out as text")
	model, input, err := f.input(ctx, fs, e, args)
	if err != nil {
		return err
	}
	ids, err := idList(input)
	if err != nil {
		return err
	}
	coder, err := f.openCoder(ctx, model)
	if err != nil {
		return err
	}
	defer coder.close()
	text, err := coder.Detokenize(ctx, ids, *special)
	if err != nil {
		return err
	}
	_, err = io.WriteString(e.stdout, text)
	return err
}
