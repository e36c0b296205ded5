package main

import (
	"context"
	"encoding/json"
	"flag"

	"pastel/wasm/protocol"
)

// logitRows is how many tokens a pass of --all takes: enough to share the reading of
// the weights, and 20 MB of logits at 150 000 words.
const logitRows = 32

// logitsCommand prints the logits after the tokens, which are fed as they are: a JSON
// array of the vocabulary's length, or with --all one such array for every token.
func logitsCommand(ctx context.Context, e env, args []string) error {
	var f engineFlags
	fs := flag.NewFlagSet("logits", flag.ContinueOnError)
	f.registerModel(fs)
	tokens := fs.String("tokens", "", "comma-separated token `ids`")
	all := fs.Bool("all", false, "print a row for every token instead of the last")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	ids, err := idList(*tokens)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return usagef("--tokens names no token")
	}
	engine, err := f.open(ctx, positional[0])
	if err != nil {
		return err
	}
	defer engine.close()
	open := &protocol.OpenSession{ContextLength: count(max(f.context, len(ids)))}
	if *all {
		open.LogitRows = logitRows
	}
	session, err := engine.OpenSession(ctx, open)
	if err != nil {
		return err
	}
	rows, err := engine.Logits(ctx, &protocol.Logits{Session: session.Session, Tokens: ids, All: *all, Adapters: engine.adapters})
	if err != nil {
		return err
	}
	if *all {
		return json.NewEncoder(e.stdout).Encode(rows)
	}
	return json.NewEncoder(e.stdout).Encode(rows[0])
}
