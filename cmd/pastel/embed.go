package main

import (
	"context"
	"encoding/json"
	"flag"

	"pastel/wasm/protocol"
)

// embedCommand reads text from standard input and prints its query embedding as a
// JSON array: the first layer's queries before rotation, averaged over the tokens.
// Special tokens are not added, as in a pool's keys; centring, which keys also need,
// takes a pool's mean and is left to "pool blend".
func embedCommand(ctx context.Context, e env, args []string) error {
	var f engineFlags
	fs := flag.NewFlagSet("embed", flag.ContinueOnError)
	model, text, err := f.input(ctx, fs, e, args)
	if err != nil {
		return err
	}
	engine, err := f.open(ctx, model)
	if err != nil {
		return err
	}
	defer engine.close()
	values, err := engine.meanQuery(ctx, text)
	if err != nil {
		return err
	}
	return json.NewEncoder(e.stdout).Encode(values)
}

// embedContext is the smallest context that serves: an embedding does not use the cache.
const embedContext = 96

// meanQuery is the query embedding of a text.
func (o *opened) meanQuery(ctx context.Context, text string) ([]float32, error) {
	ids, err := o.Tokenize(ctx, &protocol.Tokenize{Text: text})
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, usagef("there is no text to embed")
	}
	session, err := o.OpenSession(ctx, &protocol.OpenSession{ContextLength: embedContext})
	if err != nil {
		return nil, err
	}
	return o.Embed(ctx, &protocol.Embed{Session: session.Session, Tokens: ids})
}
